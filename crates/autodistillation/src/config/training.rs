//! The section `train`: optimiser, schedule and batches of every stage.

use autodistillation_distillation::{AdamConfig, Decay, OptimizerConfig, Schedule, SgdConfig};

use super::cursor::Cursor;
use super::examples::given_or_none;
use super::node::Value;
use super::problem::Problem;
use super::table::Table;
use crate::plan::{EarlyStopPlan, TrainingPlan};
use crate::{ComputeDevice, TrainingPrecision};

/// What applies where the section says nothing: AdamW, batches of 32, gradients clipped to a norm of 1.
pub(super) fn default_training() -> TrainingPlan {
    TrainingPlan {
        optimizer: OptimizerConfig::AdamW(AdamConfig::default()),
        schedule: Schedule::default(),
        batch_size: 32,
        accumulation: 1,
        max_gradient_norm: Some(1.0),
        early_stop: None,
        width_scaling: true,
        precision: TrainingPrecision::Auto,
        device: ComputeDevice::Flex,
    }
}

/// Reads the section `train`.
pub(super) fn training(cursor: &Cursor<'_>) -> Option<TrainingPlan> {
    let mut table = cursor.table()?;
    let plan = training_keys(&mut table);
    table.finish();
    plan
}

/// Takes the keys of a training section from a table that may hold others.
pub(super) fn training_keys(table: &mut Table<'_>) -> Option<TrainingPlan> {
    let default = default_training();
    let optimizer = table.take("optimizer").map_or(Some(default.optimizer), |value| optimizer(&value));
    let schedule = table.take("schedule").map_or(Some(default.schedule), |value| schedule(&value));
    let batch_size = table.take("batch_size").map_or(Some(default.batch_size), |size| size.whole(1));
    let accumulation = table
        .take("gradient_accumulation_steps")
        .map_or(Some(default.accumulation), |batches| batches.whole(1));
    let norm = table.take("max_grad_norm").map_or(Some(default.max_gradient_norm), |norm| clipping(&norm));
    let early_stop = table.take("early_stop").map(|stop| early_stop(&stop));
    let width_scaling = table.take("width_scaling").map_or(Some(default.width_scaling), |flag| flag.flag());
    Some(TrainingPlan {
        optimizer: optimizer?,
        schedule: schedule?,
        batch_size: batch_size?,
        accumulation: accumulation?,
        max_gradient_norm: norm?,
        early_stop: given_or_none(early_stop)?,
        width_scaling: width_scaling?,
        precision: default.precision,
        device: default.device,
    })
}

/// A norm above 0; 0 or `none` switches clipping off.
fn clipping(cursor: &Cursor<'_>) -> Option<Option<f64>> {
    if matches!(&cursor.node.value, Value::Text(text) if text == "none") {
        return Some(None);
    }
    cursor.not_negative().map(|norm| Some(norm).filter(|norm| *norm > 0.0))
}

fn early_stop(cursor: &Cursor<'_>) -> Option<EarlyStopPlan> {
    let mut table = cursor.table()?;
    let every = table.need("every", "the steps between two looks at the validation set");
    let every = every.and_then(|steps| steps.whole(1));
    let patience = table.take("patience").map_or(Some(3), |looks| looks.whole(1));
    table.finish();
    Some(EarlyStopPlan { every: every?, patience: patience? })
}

fn schedule(cursor: &Cursor<'_>) -> Option<Schedule> {
    const DECAYS: [(&str, Decay); 3] =
        [("linear", Decay::Linear), ("cosine", Decay::Cosine), ("constant", Decay::Constant)];
    let decay_of = |cursor: &Cursor<'_>| cursor.word("a decay", &DECAYS);
    let default = Schedule::default();
    if !cursor.node.is_nested() {
        return Some(Schedule { decay: decay_of(cursor)?, ..default });
    }
    let mut table = cursor.table()?;
    let warmup = table.take("warmup").map_or(Some(default.warmup), |share| share_of_steps(&share));
    let decay = table.take("decay").map_or(Some(default.decay), |decay| decay_of(&decay));
    table.finish();
    Some(Schedule { warmup: warmup?, decay: decay? })
}

fn share_of_steps(cursor: &Cursor<'_>) -> Option<f64> {
    cursor.number_that("a share of the steps, 0 to 1", |share| (0.0..=1.0).contains(&share))
}

#[derive(Clone, Copy)]
enum OptimizerName {
    AdamW,
    Adam,
    Sgd,
}

const OPTIMIZERS: [(&str, OptimizerName); 3] =
    [("AdamW", OptimizerName::AdamW), ("Adam", OptimizerName::Adam), ("SGD", OptimizerName::Sgd)];

/// `{AdamW: {learning_rate: …}}`, or just `AdamW`.
fn optimizer(cursor: &Cursor<'_>) -> Option<OptimizerConfig> {
    let (name, constants) = cursor.variant("an optimizer", &OPTIMIZERS)?;
    let Some(constants) = constants else { return Some(default_optimizer(name)) };
    match default_optimizer(name) {
        OptimizerConfig::AdamW(default) => adam(&constants, default).map(OptimizerConfig::AdamW),
        OptimizerConfig::Adam(default) => adam(&constants, default).map(OptimizerConfig::Adam),
        OptimizerConfig::Sgd(default) => sgd(&constants, default).map(OptimizerConfig::Sgd),
    }
}

fn default_optimizer(name: OptimizerName) -> OptimizerConfig {
    match name {
        OptimizerName::AdamW => OptimizerConfig::AdamW(AdamConfig::default()),
        // PyTorch's Adam does not decay weights unless asked to.
        OptimizerName::Adam => {
            OptimizerConfig::Adam(AdamConfig { weight_decay: 0.0, ..AdamConfig::default() })
        }
        OptimizerName::Sgd => OptimizerConfig::Sgd(SgdConfig::default()),
    }
}

fn adam(cursor: &Cursor<'_>, default: AdamConfig) -> Option<AdamConfig> {
    let mut table = cursor.table()?;
    let learning_rate =
        table.take("learning_rate").map_or(Some(default.learning_rate), |rate| rate.positive());
    let weight_decay =
        table.take("weight_decay").map_or(Some(default.weight_decay), |decay| decay.not_negative());
    let epsilon = table.take("epsilon").map_or(Some(default.epsilon), |epsilon| epsilon.positive());
    let betas = match table.take("betas") {
        Some(pair) => betas(&pair, &mut table),
        None => {
            let beta1 = table.take("beta1").map_or(Some(default.beta1), |beta| moment_decay(&beta));
            let beta2 = table.take("beta2").map_or(Some(default.beta2), |beta| moment_decay(&beta));
            beta1.zip(beta2)
        }
    };
    table.finish();
    let (beta1, beta2) = betas?;
    Some(AdamConfig {
        learning_rate: learning_rate?,
        beta1,
        beta2,
        epsilon: epsilon?,
        weight_decay: weight_decay?,
    })
}

fn betas(cursor: &Cursor<'_>, table: &mut Table<'_>) -> Option<(f64, f64)> {
    for key in ["beta1", "beta2"] {
        if let Some(single) = table.take(key) {
            single.problem(Problem::GivenTwice { key: key.to_owned(), other: cursor.path.clone() });
        }
    }
    let items = cursor.list("a list of two numbers")?;
    let [beta1, beta2] = items.as_slice() else {
        cursor.problem(Problem::Lengths { expected: 2, found: items.len(), unit: "moments" });
        return None;
    };
    moment_decay(beta1).zip(moment_decay(beta2))
}

fn moment_decay(cursor: &Cursor<'_>) -> Option<f64> {
    cursor.number_that("from 0 up to, not including, 1", |beta| (0.0..1.0).contains(&beta))
}

fn sgd(cursor: &Cursor<'_>, default: SgdConfig) -> Option<SgdConfig> {
    let mut table = cursor.table()?;
    let learning_rate =
        table.take("learning_rate").map_or(Some(default.learning_rate), |rate| rate.positive());
    let momentum = table.take("momentum").map_or(Some(default.momentum), |value| moment_decay(&value));
    let weight_decay =
        table.take("weight_decay").map_or(Some(default.weight_decay), |decay| decay.not_negative());
    let ahead = table.take("nesterov");
    let nesterov = ahead.as_ref().map_or(Some(default.nesterov), |flag| flag.flag());
    table.finish();
    let (momentum, nesterov) = (momentum?, nesterov?);
    if let Some(flag) = ahead.filter(|_| nesterov && momentum == 0.0) {
        flag.problem(Problem::NesterovWithoutMomentum);
        return None;
    }
    Some(SgdConfig { learning_rate: learning_rate?, momentum, nesterov, weight_decay: weight_decay? })
}
