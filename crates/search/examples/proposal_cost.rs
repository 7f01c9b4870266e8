//! How long does one proposal take, by the number of trials and of points in the grid?
//!
//! Two goals, both learned, on one core; spaces of six dimensions with a made-up trade-off between
//! accuracy and latency. Printed in milliseconds, the median of three; `--figure` draws it.
//!
//! ```text
//! cargo run --release -p autodistillation-search --example proposal_cost -- [--figure docs/proposal-cost.svg]
//! ```
#![expect(clippy::disallowed_methods, reason = "a benchmark reads its arguments and a clock")]
#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::error::Error;
use std::fmt::Write;
use std::time::Instant;

use autodistillation_search::{
    Advisor, Architecture, BayesianAdvisor, Dimension, FeasibleSpace, Goal, KnownGoals, Metrics, Proposal,
    RandomAdvisor, SearchSpace, Study, Trial,
};

const TRIALS: [usize; 6] = [10, 50, 100, 200, 500, 1000];
/// Choices of each of six dimensions: 729, 15,625, 117,649 and 10⁶ points.
const CHOICES: [i64; 4] = [3, 5, 7, 10];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    println!("{:>9} {}", "points", TRIALS.map(|trials| format!("{trials:>9}")).join(""));
    let mut curves = Vec::new();
    for choices in CHOICES {
        let space = SearchSpace::new((0..6).map(|d| Dimension::new(format!("d{d}"), 1..=choices)).collect())?;
        let feasible = FeasibleSpace::unrestricted(space);
        let mut curve = Vec::new();
        for trials in TRIALS.into_iter().filter(|&trials| trials < feasible.len()) {
            curve.push((trials, median_milliseconds(&feasible, trials)?));
        }
        let cells: String = curve.iter().map(|(_, milliseconds)| format!("{milliseconds:9.1}")).collect();
        println!("{:>9} {cells}", feasible.len());
        curves.push((feasible.len(), curve));
    }
    if let [flag, path] = arguments.as_slice()
        && flag == "--figure"
    {
        std::fs::write(path, svg(&curves))?;
    }
    Ok(())
}

fn median_milliseconds(feasible: &FeasibleSpace, trials: usize) -> Result<f64, Box<dyn Error>> {
    let goals = vec![Goal::maximize("accuracy"), Goal::minimize("latency")];
    let mut study = Study::new(feasible.space().clone(), goals, 1);
    let known = KnownGoals::none();
    while study.trials.len() < trials {
        let request = Proposal { study: &study, feasible, known: &known };
        let number = study.next_number();
        let Some(architecture) = RandomAdvisor.propose(&request, &mut study.rng(number))? else { break };
        let metrics = measured(&architecture);
        study.trials.push(Trial::completed(number, architecture, metrics));
    }
    let request = Proposal { study: &study, feasible, known: &known };
    let mut times = Vec::new();
    for repeat in 0..3 {
        let started = Instant::now();
        BayesianAdvisor::default().propose(&request, &mut study.rng(repeat))?;
        times.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[1])
}

/// Larger choices cost time and give accuracy, less and less of it, and not all in the same way.
fn measured(architecture: &Architecture) -> Metrics {
    let sizes: Vec<f64> = architecture.iter().filter_map(|(_, choice)| choice.number()).collect();
    let latency: f64 = sizes.iter().enumerate().map(|(at, size)| size * (at + 1) as f64).sum();
    let rough = sizes.iter().zip(&sizes[1..]).map(|(a, b)| (a * b).sin()).sum::<f64>() / 50.0;
    let accuracy = 1.0 - 1.0 / sizes.iter().map(|size| size.sqrt()).sum::<f64>() + rough;
    [("accuracy", accuracy), ("latency", latency)].into_iter().collect()
}

/// Both scales logarithmic.
fn svg(curves: &[(usize, Vec<(usize, f64)>)]) -> String {
    let x = |trials: f64| 60.0 + (trials / 10.0).ln() / 100f64.ln() * 420.0;
    let y = |milliseconds: f64| 290.0 - milliseconds.max(1.0).ln() / 1e5f64.ln() * 240.0;
    let mut svg = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 620 340\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"620\" height=\"340\" fill=\"white\"/>\n\
         <text x=\"60\" y=\"24\" font-size=\"14\">Time of one proposal, by trials so far and points in the grid</text>\n",
    );
    for milliseconds in [1.0, 10.0, 100.0, 1e3, 1e4, 1e5] {
        let height = y(milliseconds);
        let _ = writeln!(
            svg,
            "<line x1=\"60\" y1=\"{height:.1}\" x2=\"480\" y2=\"{height:.1}\" stroke=\"#ddd\"/>\
             <text x=\"54\" y=\"{:.1}\" text-anchor=\"end\">{milliseconds} ms</text>",
            height + 4.0
        );
    }
    for trials in TRIALS {
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"308\" text-anchor=\"middle\">{trials}</text>",
            x(trials as f64)
        );
    }
    svg.push_str("<text x=\"270\" y=\"328\" text-anchor=\"middle\">trials</text>\n");
    for ((points, curve), colour) in curves.iter().zip(["#9ecae1", "#1f5fbf", "#d9601a", "#0b2f6b"]) {
        let path: Vec<String> =
            curve.iter().map(|(trials, time)| format!("{:.1},{:.1}", x(*trials as f64), y(*time))).collect();
        let end = curve.last().map_or((0.0, 0.0), |(trials, time)| (x(*trials as f64), y(*time)));
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" fill=\"{colour}\">{points} points</text>",
            path.join(" "),
            end.0 + 6.0,
            end.1 + 4.0
        );
    }
    svg.push_str("</svg>\n");
    svg
}
