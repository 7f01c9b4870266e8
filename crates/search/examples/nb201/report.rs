//! The tables of the report.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::LATENCIES;
use crate::record::{Mode, Record};
use crate::wilcoxon;

const TRIALS: [usize; 3] = [20, 50, 100];

/// Means over seeds beside the peers' with p-values, and what two looks reach in fewer epochs.
pub fn text(ours: &[Record], peers: &[Record]) -> String {
    let mut text = String::from(
        "Relative hypervolume, mean over seeds (p of a paired Wilcoxon test against `learned`)\n",
    );
    for column in LATENCIES {
        let _ = writeln!(text, "\n{column:26} {:>6} {:>16} {:>16} {:>16}", "seeds", 20, 50, 100);
        let learned = Mode::Learned.to_string();
        for (method, runs) in by_method(ours.iter().chain(peers), column) {
            let _ = write!(text, "{method:26} {:6}", runs.len());
            for trials in TRIALS {
                let reference: Vec<&Record> =
                    ours.iter().filter(|run| run.method == learned && run.cost == column).collect();
                let _ = write!(text, " {:>16}", cell(&reference, &runs, trials));
            }
            text.push('\n');
        }
    }
    text.push_str(&budgets(ours, peers));
    text
}

fn by_method<'a>(
    records: impl Iterator<Item = &'a Record>,
    column: &str,
) -> BTreeMap<&'a str, Vec<&'a Record>> {
    let mut methods: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
    for record in records.filter(|record| record.cost == column && record.hypervolume.contains_key(&20)) {
        methods.entry(&record.method).or_default().push(record);
    }
    methods
}

fn cell(reference: &[&Record], runs: &[&Record], trials: usize) -> String {
    let Some(mean) = mean(runs.iter().filter_map(|run| run.hypervolume.get(&trials)).copied()) else {
        return "–".to_owned();
    };
    let differences: Vec<f64> = reference
        .iter()
        .filter_map(|run| {
            let other = runs.iter().find(|other| other.seed == run.seed)?;
            Some(run.hypervolume.get(&trials)? - other.hypervolume.get(&trials)?)
        })
        .collect();
    match wilcoxon::p_value(&differences) {
        Some(p) => format!("{mean:.4} ({p:.1e})"),
        None => format!("{mean:.4}"),
    }
}

/// What a smaller budget reaches beside what it has to be compared with.
fn budgets(ours: &[Record], peers: &[Record]) -> String {
    let mut text = String::new();
    for column in LATENCIES {
        let at = |mode: Mode, trials: usize| {
            let runs = ours.iter().filter(|run| run.method == mode.to_string() && run.cost == column);
            mean(runs.filter_map(|run| run.hypervolume.get(&trials)).copied())
        };
        let best_peer = by_method(peers.iter(), column).into_iter().filter_map(|(method, runs)| {
            Some((mean(runs.iter().filter_map(|run| run.hypervolume.get(&100)).copied())?, method))
        });
        if let (Some(known), Some((peer, method))) =
            (at(Mode::Known, 49), best_peer.max_by(|a, b| a.0.total_cmp(&b.0)))
        {
            let _ = writeln!(
                text,
                "\n{column}: latency known, 49 trials {known:.4}; best peer after 100 {peer:.4} ({method})"
            );
        }
        for (two, one) in [(Mode::TwoLooks, Mode::Learned), (Mode::TwoLooksKnown, Mode::Known)] {
            let runs: Vec<&Record> =
                ours.iter().filter(|run| run.method == two.to_string() && run.cost == column).collect();
            let Some(full) = at(one, 100).filter(|_| !runs.is_empty()) else { continue };
            let _ = write!(text, "{column}: {two}, {} seeds:", runs.len());
            for epochs in [2_000, 4_000, 6_700] {
                let reached = runs.iter().filter_map(|run| run.hypervolume_by_epochs.get(&epochs)).copied();
                let _ = write!(text, " {:.4} at {epochs},", mean(reached).unwrap_or(f64::NAN));
            }
            let _ = writeln!(text, " against {full:.4} at 20000 epochs ({one})");
        }
    }
    text
}

pub fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0usize), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / count as f64)
}
