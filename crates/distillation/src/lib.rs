//! Teaches a student network from a teacher: criteria, blocks, stages and one training loop.
//!
//! The crate knows neither search nor concrete networks: anything that implements [`Network`] can teach
//! or learn. Features come back from a forward pass as a value ([`Features`]), selected by [`Taps`].

pub mod batch;
pub mod block;
pub mod comparison;
pub mod criterion;
mod divergence;
pub mod ensemble;
pub mod error;
pub mod evaluation;
pub mod event;
pub mod examples;
pub mod features;
pub mod gradients;
pub mod latency;
pub mod layer_path;
pub mod loss;
pub mod mapping;
pub mod masking;
pub mod matcher;
pub mod metrics;
pub mod network;
pub mod optimizer;
pub mod question;
pub mod ramp;
pub mod relation;
pub mod schedule;
pub mod similarity;
pub mod stage;
pub mod target;
pub mod teacher;
pub mod training;

pub use batch::Batch;
pub use block::Block;
pub use criterion::{
    Criterion, IntermediateLayersKnowledgeDistillationLoss, KnowledgeDistillationLoss,
    SelfKnowledgeDistillationLoss,
};
pub use ensemble::Ensemble;
pub use error::Error;
pub use evaluation::{Evaluation, evaluate, evaluate_with};
pub use event::{Event, Listener, StageEnd, StageReport};
pub use examples::{Example, ExampleSet, Extent, Order};
pub use features::{Feature, Features, Taps};
pub use latency::{Latency, LatencySettings, latency_examples, measure_latency, time_calls};
pub use layer_path::LayerPath;
pub use mapping::{HeadMatching, LayerMapping, LogitScale, LossKind, MatchingOptions, Normalize, Reduction};
pub use masking::Masking;
pub use matcher::{FeatureMatcher, MatcherValues, Matchers};
pub use network::{LayerOutput, Mode, Network, Parameters, Shape};
pub use optimizer::{AdamConfig, Optimizer, OptimizerConfig, SgdConfig};
pub use question::{Answer, Question, Questions, Window};
pub use ramp::Ramp;
pub use schedule::{Decay, Schedule};
pub use similarity::{LayerSimilarity, SimilaritySums};
pub use stage::{
    CriterionConfig, FlashDistillation, OriginLoss, RegularDistillation, Scheduler, Stage, StageKind,
};
pub use target::{AnswerSpan, MaskedTargets, MaskedText, SpanTargets, Target, Targets, TokenTargets};
pub use teacher::{Answers, MemoryStore, OutputStore, Part, Stores, Teacher};
pub use training::{Course, EarlyStop, Seeds, TrainingSettings, rows_of_stage};
