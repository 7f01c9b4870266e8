//! `bench`: how fast this machine trains or runs a network of a given shape, and how near that is to its limit.

mod cost;
mod peak;

use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use autodistillation_distillation::event::Event;
use autodistillation_distillation::{
    AdamConfig, Block, Course, CriterionConfig, Decay, Example, ExampleSet, LatencySettings, LogitScale,
    LossKind, Matchers, OptimizerConfig, Schedule, Seeds, Stage, StageKind, Target, Teacher,
    TrainingSettings, measure_latency,
};
use autodistillation_models::{Transformer, TransformerConfig};
use burn::tensor::Device;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use serde_json::json;

use crate::{ComputeDevice, Error, TrainingPrecision};

/// The network, the batch and how much of the machine is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BenchOptions {
    /// Width of the hidden states.
    pub hidden: usize,
    /// Attention heads; they divide `hidden`.
    pub heads: usize,
    /// Width of the feed-forward part.
    pub ffn: usize,
    /// Encoder layers.
    pub layers: usize,
    /// Examples in a step or call.
    pub batch: usize,
    /// Tokens of each example; none of them is padding.
    pub length: usize,
    /// Rows of the word embeddings.
    pub vocabulary: usize,
    /// Timed steps or calls of each student.
    pub steps: u32,
    /// Students side by side.
    pub jobs: usize,
    /// Threads of each student.
    pub threads: usize,
    /// What the matrix products of the encoder are computed in.
    pub precision: TrainingPrecision,
}

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Speed {
    /// Half of the steps (or calls) of all students were faster; in milliseconds.
    pub median_ms: f64,
    /// The fastest step, in milliseconds.
    pub min_ms: f64,
    /// 10⁹ operations per second of a large f32 matrix product with the same jobs and threads, summed over the jobs.
    pub gemm_gflops_peak: f64,
    /// Share of that peak which the matrix products of a step reach, as if the rest of the step took no time.
    pub gemm_share: f64,
    /// The shape and the threads.
    #[serde(flatten)]
    pub options: BenchOptions,
}

/// Steps before the timed ones.
const WARM_UP: u32 = 3;

/// Times training steps (forward, cross entropy, backward, AdamW) of students with random weights on random tokens.
///
/// The students train side by side through the product's own training loop, without dropout or clipping.
///
/// # Errors
///
/// Heads that do not divide the width, or threads that cannot be started.
pub fn step(options: &BenchOptions) -> Result<Speed, Error> {
    let config = network_config(options)?;
    let times = side_by_side(options, |job| train(&config, options, job as u64))?;
    speed(median_and_least(times), options, cost::training_step(options))
}

/// Times forward passes from token ids to logits, without a graph.
///
/// # Errors
///
/// Heads that do not divide the width, or threads that cannot be started.
pub fn latency(options: &BenchOptions) -> Result<Speed, Error> {
    let config = network_config(options)?;
    let settings = LatencySettings {
        batch_size: options.batch,
        length: options.length,
        threads: options.threads,
        repeats: options.steps as usize,
    };
    let latencies = side_by_side(options, |_| {
        let network = network(&config, options, 0)?;
        Ok(vec![measure_latency(&network, &settings, options.vocabulary)?])
    })?;
    let [median, _] = median_and_least(latencies.iter().map(|latency| latency.p50).collect());
    let [_, least] = median_and_least(latencies.iter().map(|latency| latency.min).collect());
    speed([median, least], options, cost::forward(options))
}

/// The results of `work` in each job's pool of threads, all of them together.
fn side_by_side<R: Send>(
    options: &BenchOptions,
    work: impl Fn(usize) -> Result<Vec<R>, Error> + Sync,
) -> Result<Vec<R>, Error> {
    let threads = options.threads;
    let in_pool = |job| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.map_err(|source| Error::Threads { threads, source })?.install(|| work(job))
    };
    let results = thread::scope(|scope| {
        let workers: Vec<_> = (0..options.jobs).map(|job| scope.spawn(move || in_pool(job))).collect();
        workers.into_iter().map(thread::ScopedJoinHandle::join).collect::<Vec<_>>()
    });
    let results = results.into_iter().map(|result| result.unwrap_or(Err(Error::WorkerPanicked)));
    Ok(results.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

fn median_and_least(mut times: Vec<f64>) -> [f64; 2] {
    times.sort_by(f64::total_cmp);
    [times.len() / 2, 0].map(|place| times.get(place).copied().unwrap_or(f64::NAN))
}

fn speed([median_ms, min_ms]: [f64; 2], options: &BenchOptions, operations: f64) -> Result<Speed, Error> {
    let peaks = side_by_side(options, |_| Ok(vec![peak::gemm_gflops()]))?;
    let gemm_gflops_peak = peaks.iter().sum::<f64>();
    let reached = operations * options.jobs as f64 / (median_ms * 1e6);
    Ok(Speed {
        median_ms,
        min_ms,
        gemm_gflops_peak,
        gemm_share: reached / gemm_gflops_peak,
        options: *options,
    })
}

fn network_config(options: &BenchOptions) -> Result<TransformerConfig, Error> {
    let config = json!({
        "model_type": "bert", "hidden_size": options.hidden, "num_hidden_layers": options.layers,
        "num_attention_heads": options.heads, "intermediate_size": options.ffn,
        "vocab_size": options.vocabulary, "max_position_embeddings": options.length.max(512),
        "type_vocab_size": 2, "hidden_act": "gelu", "layer_norm_eps": 1e-12, "initializer_range": 0.02,
        "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
    });
    let config = TransformerConfig::from_json(&config);
    Ok(config.map_err(|problems| autodistillation_models::Error::Architecture { problems })?)
}

fn network(config: &TransformerConfig, options: &BenchOptions, seed: u64) -> Result<Transformer, Error> {
    let network = Transformer::random(config.clone(), seed, &Device::flex());
    Ok(network.compute_in(options.precision.arithmetic(ComputeDevice::Flex)?))
}

/// Milliseconds of each timed step of one student.
fn train(config: &TransformerConfig, options: &BenchOptions, seed: u64) -> Result<Vec<f64>, Error> {
    let network = network(config, options, seed)?;
    let teacher = Teacher::new(network.clone(), 0);
    let training = random_examples(options, seed);
    let ends = Mutex::new(Vec::new());
    let listener = |event: &Event| {
        if matches!(event, Event::Step { .. }) {
            ends.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
        }
        ControlFlow::Continue(())
    };
    let course = Course {
        teacher: &teacher,
        training: &training,
        validation: &training,
        settings: &settings(options),
        seeds: Seeds { order: seed, trial: seed },
        listener: &listener,
    };
    course.run_stage(network, (0, &stage(options)), &mut Matchers::new())?;
    let ends = ends.into_inner().unwrap_or_else(PoisonError::into_inner);
    let ends = ends.get(WARM_UP as usize - 1..).unwrap_or_default();
    Ok(ends.windows(2).map(|pair| pair[1].duration_since(pair[0]).as_secs_f64() * 1e3).collect())
}

/// One batch of examples for each step.
fn random_examples(options: &BenchOptions, seed: u64) -> ExampleSet {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let count = options.batch * (options.steps + WARM_UP) as usize;
    let mut example = |row: usize| Example {
        ids: (0..options.length).map(|_| random.random_range(0..options.vocabulary as u32)).collect(),
        token_types: vec![0; options.length],
        target: Target::Class((row % 2) as u32),
    };
    ExampleSet::new((0..count).map(&mut example).collect(), 0)
}

fn settings(options: &BenchOptions) -> TrainingSettings {
    TrainingSettings {
        optimizer: OptimizerConfig::AdamW(AdamConfig::default()),
        schedule: Schedule { warmup: 0.0, decay: Decay::Constant },
        batch_size: options.batch,
        accumulation: 1,
        max_gradient_norm: None,
        early_stop: None,
    }
}

/// The labels alone: the teacher is not run.
fn stage(options: &BenchOptions) -> Stage {
    Stage {
        kind: StageKind::Regular,
        block: Block::everything(),
        criterion: CriterionConfig::KnowledgeDistillation {
            temperature: 1.0.into(),
            losses: [LossKind::CrossEntropy; 2],
            weights: [1.0.into(), 0.0.into()],
            logits: LogitScale::Plain,
        },
        steps: options.steps + WARM_UP,
        learning_rate: 1.0e-4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> BenchOptions {
        BenchOptions {
            hidden: 8,
            heads: 2,
            ffn: 16,
            layers: 2,
            batch: 2,
            length: 4,
            vocabulary: 50,
            steps: 5,
            jobs: 2,
            threads: 1,
            precision: TrainingPrecision::Auto,
        }
    }

    #[test]
    fn every_timed_step_of_every_student_counts() {
        let options = options();
        let config = network_config(&options).unwrap();
        let times = side_by_side(&options, |job| train(&config, &options, job as u64)).unwrap();
        assert_eq!(times.len(), 10);
        assert!(times.iter().all(|time| *time > 0.0));
    }

    #[test]
    fn the_share_counts_the_work_of_all_students() {
        assert_eq!(median_and_least(vec![3.0, 1.0, 2.0]), [2.0, 1.0]);
        let speed = speed([2.0, 1.0], &options(), 1e6).unwrap();
        // Two students, a million operations each in 2 ms.
        assert!((speed.gemm_share * speed.gemm_gflops_peak - 1.0).abs() < 1e-9);
    }

    #[test]
    fn heads_that_do_not_divide_the_width_are_an_error() {
        let error = latency(&BenchOptions { heads: 3, ..options() }).unwrap_err();
        assert!(error.to_string().contains("heads"), "{error}");
    }
}
