//! Inference latency, measured on its own: warm-up, stated shape and threads, percentiles.

use std::convert::Infallible;
use std::time::Instant;

use crate::{Error, Example, ExampleSet, Mode, Network, Parameters, Taps, Target};

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatencySettings {
    /// Examples in a call.
    pub batch_size: usize,
    /// Tokens of each example, none of them padding.
    pub length: usize,
    /// Threads of the call.
    pub threads: usize,
    /// Timed calls after the warm-up.
    pub repeats: usize,
}

/// Milliseconds per call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Latency {
    /// Half of the calls were faster.
    pub p50: f64,
    /// 90 % of the calls were faster.
    pub p90: f64,
    /// 99 % of the calls were faster.
    pub p99: f64,
    /// The fastest call.
    pub min: f64,
    /// The mean.
    pub mean: f64,
}

/// Calls before the timed ones, as a share of them.
const WARMUP_SHARE: usize = 5;

/// Times forward passes of `network` from token ids to logits on its own device.
///
/// # Errors
///
/// [`Error::Threads`] when the threads cannot be started.
pub fn measure_latency<N: Network>(
    network: &N,
    settings: &LatencySettings,
    vocabulary: usize,
) -> Result<Latency, Error> {
    let network = network.clone().frozen().valid();
    let threads = settings.threads.max(1);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|source| Error::Threads { threads, source })?;
    Ok(pool.install(move || time(&network, settings, vocabulary)))
}

fn time<N: Network>(network: &N, settings: &LatencySettings, vocabulary: usize) -> Latency {
    let taps = Taps::new([network.logits()]);
    let device = network.device();
    let set = latency_examples(settings, vocabulary);
    let batch = set.batch(&set.rows(), &device);
    let answered = time_calls(settings.repeats, || {
        let features = network.forward(&batch, &taps, Mode::Evaluation);
        let _read = features.get(&network.logits()).map(|logits| logits.clone().into_data());
        Ok::<(), Infallible>(())
    });
    match answered {
        Ok(latency) => latency,
        Err(never) => match never {},
    }
}

/// Times `repeats` calls after a warm-up.
///
/// # Errors
///
/// That of the first call that fails.
pub fn time_calls<E>(repeats: usize, mut call: impl FnMut() -> Result<(), E>) -> Result<Latency, E> {
    let mut times = Vec::with_capacity(repeats);
    let warmup = repeats.div_ceil(WARMUP_SHARE).max(3);
    for index in 0..warmup + repeats.max(1) {
        let start = Instant::now();
        call()?;
        if index >= warmup {
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    Ok(summarise(times))
}

/// The examples of a timed call: distinct tokens, so that the embedding look-up is a real one, and no padding.
pub fn latency_examples(settings: &LatencySettings, vocabulary: usize) -> ExampleSet {
    let example = |row: usize| {
        let id = |place: usize| ((row * settings.length + place) * 97 + 3) % vocabulary.max(1);
        let ids = (0..settings.length.max(1)).map(|place| id(place) as u32).collect();
        Example { ids, token_types: vec![0; settings.length.max(1)], target: Target::Absent }
    };
    ExampleSet::new((0..settings.batch_size.max(1)).map(example).collect(), 0)
}

fn summarise(mut times: Vec<f64>) -> Latency {
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() as f64 * share) as usize).min(times.len() - 1)];
    Latency {
        p50: at(0.5),
        p90: at(0.9),
        p99: at(0.99),
        min: times[0],
        mean: times.iter().sum::<f64>() / times.len() as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_come_from_the_sorted_times() {
        let latency = summarise((1..=100).rev().map(f64::from).collect());
        assert_eq!((latency.min, latency.p50, latency.p90, latency.p99), (1.0, 51.0, 91.0, 100.0));
        assert_eq!(latency.mean, 50.5);
    }
}
