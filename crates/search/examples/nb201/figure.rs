//! The figure of the README: what each program misses of the front after so many trials.

use std::fmt::Write;

use crate::LATENCIES;
use crate::record::Record;
use crate::report::mean;

const TRIALS: [usize; 3] = [20, 50, 100];
/// Method, label, colour and width of the line.
const LINES: [(&str, &str, &str, f64); 7] = [
    ("random", "random", "#b5b5b5", 1.5),
    ("nsga2", "Optuna NSGA-II", "#9467bd", 1.5),
    ("tpe", "Optuna TPE", "#e0a030", 1.5),
    ("tpe_mv", "Optuna TPE, multivariate", "#d9601a", 1.5),
    ("gp", "Optuna GPSampler", "#2a9d6f", 1.5),
    ("autodistillation-learned", "autodistillation, both goals learned", "#1f5fbf", 3.0),
    ("autodistillation-known", "autodistillation, latency known", "#0b2f6b", 3.0),
];
const PANEL: (f64, f64) = (230.0, 240.0);
/// Shares missed at the lower and upper edge of a panel.
const RANGE: (f64, f64) = (0.004, 0.25);

/// Three panels, one a device; the share of the hypervolume that is missing on a logarithmic scale.
pub fn svg(ours: &[Record], peers: &[Record]) -> String {
    let mut svg = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 860 380\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"860\" height=\"380\" fill=\"white\"/>\n\
         <text x=\"50\" y=\"20\" font-size=\"14\">Share of the Pareto front's hypervolume still missing (NAS-Bench-201, mean over seeds; lower is better)</text>\n",
    );
    for (at, column) in LATENCIES.iter().enumerate() {
        let left = 50.0 + at as f64 * (PANEL.0 + 40.0);
        panel(&mut svg, left, column);
        for (method, _, colour, width) in LINES {
            let points: Vec<(f64, f64)> =
                TRIALS.iter().filter_map(|&trials| missed(ours, peers, (method, column), trials)).collect();
            line(&mut svg, left, &points, (colour, width));
        }
    }
    for (at, (_, label, colour, width)) in LINES.iter().enumerate() {
        let (x, y) = (50.0 + (at % 4) as f64 * 190.0, 338.0 + (at / 4) as f64 * 22.0);
        let x = if at >= 4 { 50.0 + (at - 4) as f64 * 250.0 } else { x };
        let _ = writeln!(
            svg,
            "<line x1=\"{x}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\" stroke=\"{colour}\" stroke-width=\"{width}\"/><text x=\"{}\" y=\"{}\">{label}</text>",
            x + 22.0,
            x + 28.0,
            y + 4.0
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn missed(
    ours: &[Record],
    peers: &[Record],
    (method, column): (&str, &str),
    trials: usize,
) -> Option<(f64, f64)> {
    let runs = ours.iter().chain(peers).filter(|run| run.method == method && run.cost == column);
    let reached = mean(runs.filter_map(|run| run.hypervolume.get(&trials)).copied())?;
    Some((trials as f64, 1.0 - reached))
}

/// The frame with its scales.
fn panel(svg: &mut String, left: f64, column: &str) {
    let (width, height) = PANEL;
    let name = column.trim_start_matches("lat_ms_");
    let _ = writeln!(
        svg,
        "<rect x=\"{left}\" y=\"50\" width=\"{width}\" height=\"{height}\" fill=\"none\" stroke=\"#888\"/>\
         <text x=\"{}\" y=\"44\" text-anchor=\"middle\">{name}</text>",
        left + width / 2.0
    );
    for share in [0.005, 0.01, 0.02, 0.05, 0.1, 0.2] {
        let y = vertical(share);
        let _ = writeln!(
            svg,
            "<line x1=\"{left}\" y1=\"{y:.1}\" x2=\"{}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{} %</text>",
            left + width,
            left - 4.0,
            y + 4.0,
            share * 100.0
        );
    }
    for trials in TRIALS {
        let x = horizontal(left, trials as f64);
        let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"306\" text-anchor=\"middle\">{trials}</text>");
    }
    let _ =
        writeln!(svg, "<text x=\"{}\" y=\"322\" text-anchor=\"middle\">trials</text>", left + width / 2.0);
}

fn line(svg: &mut String, left: f64, points: &[(f64, f64)], (colour, width): (&str, f64)) {
    let place = |&(trials, share): &(f64, f64)| (horizontal(left, trials), vertical(share));
    let path: Vec<String> = points.iter().map(place).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let _ = writeln!(
        svg,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\"/>",
        path.join(" ")
    );
    for (x, y) in points.iter().map(place) {
        let _ =
            writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{}\" fill=\"{colour}\"/>", width + 1.0);
    }
}

fn horizontal(left: f64, trials: f64) -> f64 {
    left + 20.0 + (trials / 20.0).ln() / 5f64.ln() * (PANEL.0 - 40.0)
}

fn vertical(share: f64) -> f64 {
    let (least, most) = RANGE;
    50.0 + (most / share.clamp(least, most)).ln() / (most / least).ln() * PANEL.1
}
