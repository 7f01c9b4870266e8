//! Every metric of one network: quality on the sets, latency, and the costs its config gives away.

use autodistillation_distillation::metrics::Metric;
use autodistillation_distillation::{ExampleSet, LatencySettings, Network, evaluate, measure_latency};
use autodistillation_models::{Transformer, cost};
use autodistillation_search::Metrics;

use crate::Error;
use crate::materials::Sets;
use crate::plan::{EvaluationPlan, LatencyPlan};
use crate::report::LatencyPercentiles;

/// Metrics by name: quality on the validation set under its own name and on the test set with `test_` before it,
/// `latency` (p50), `latency_p90`, `latency_p99` in ms per call, `parameters`, `flops` of one example, `size_mb`.
///
/// # Errors
///
/// An empty set, or threads that cannot be started.
pub fn quality<N: Network>(network: &N, sets: &Sets, plan: &EvaluationPlan) -> Result<Metrics, Error> {
    let mut metrics = validation_quality(network, sets, plan)?;
    if let Some(test) = &sets.test {
        metrics.extend(of_set(network, (test, &sets.classes), plan.batch_size, "test_")?);
    }
    Ok(metrics)
}

/// Quality on the validation set alone.
///
/// # Errors
///
/// An empty set.
pub fn validation_quality<N: Network>(
    network: &N,
    sets: &Sets,
    plan: &EvaluationPlan,
) -> Result<Metrics, Error> {
    Ok(of_set(network, (&sets.validation, &sets.classes), plan.batch_size, "")?.into_iter().collect())
}

fn of_set<N: Network>(
    network: &N,
    (set, classes): (&ExampleSet, &[String]),
    batch_size: usize,
    prefix: &str,
) -> Result<Vec<(String, f64)>, Error> {
    let evaluation = evaluate(network, set, batch_size)?.named(classes);
    let named = |metric: Metric| Some((format!("{prefix}{}", metric.name()), metric.of(&evaluation)?));
    Ok(Metric::ALL.into_iter().filter_map(named).collect())
}

/// Milliseconds per call; call it while nothing else runs.
///
/// # Errors
///
/// Threads that cannot be started.
pub fn latency(network: &Transformer, plan: &LatencyPlan) -> Result<LatencyPercentiles, Error> {
    let settings = LatencySettings {
        batch_size: plan.batch_size,
        length: plan.length.min(network.config().max_length()),
        threads: plan.threads,
        repeats: plan.repeats,
    };
    let latency = measure_latency(network, &settings, network.config().vocab_size)?;
    Ok(LatencyPercentiles { p50: latency.p50, p90: latency.p90, p99: latency.p99 })
}

/// A latency metric's name, and where its value stands.
pub type LatencyMetric = (&'static str, fn(LatencyPercentiles) -> f64);

/// The metrics that percentiles of a latency become.
pub const LATENCY_METRICS: [LatencyMetric; 3] = [
    ("latency", |latency| latency.p50),
    ("latency_p90", |latency| latency.p90),
    ("latency_p99", |latency| latency.p99),
];

/// A latency as metrics.
pub fn latency_metrics(latency: LatencyPercentiles) -> [(&'static str, f64); 3] {
    LATENCY_METRICS.map(|(name, of)| (name, of(latency)))
}

/// What the config alone says.
pub fn costs(config: &autodistillation_models::TransformerConfig, length: usize) -> Vec<(&'static str, f64)> {
    vec![
        ("parameters", cost::parameters(config) as f64),
        ("flops", cost::flops(config, length) as f64),
        ("size_mb", cost::size_mb(config)),
    ]
}
