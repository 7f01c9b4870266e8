//! How a student of the built-in experiment starts, and what a flash stage leaves to be solved again.

use std::sync::{Arc, PoisonError};

use autodistillation_distillation::{Batch, LayerPath, Order, Stage, StageKind};
use autodistillation_models::inherit::{InheritancePlan, Inherited, inherit};
use autodistillation_models::{
    TeacherStates, Transformer, TransformerConfig, can_project, project, solve_behind,
};

use crate::config::LayerStack;
use crate::experiment::built_in::{BuiltInExperiment, Teaching, layers};
use crate::plan::Initialize;

/// Examples in a batch of the sample that starts are computed from, at most.
const SAMPLE_BATCH: usize = 32;
/// Batches of that sample.
const SAMPLE_BATCHES: usize = 100;
/// Numbers of the teacher's states that are kept for it at most.
const SAMPLE_FLOATS: usize = 1 << 28;
/// How a student starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Seeded random weights.
    Random,
    /// The teacher's layers as they are, embeddings too or projected.
    Copied,
    /// The teacher projected to the student's sizes, block by block in closed form.
    Projected,
}

impl BuiltInExperiment {
    /// A fresh student of `config`; `threads` may be used for what all students share.
    ///
    /// # Errors
    ///
    /// A projection without a solution.
    pub fn fresh(
        &self,
        config: TransformerConfig,
        (seed, threads): (u64, usize),
    ) -> Result<Transformer, autodistillation_models::Error> {
        match self.start(&config) {
            Start::Random => Ok(Transformer::random(config, seed, &self.device)),
            Start::Copied => Ok(self.inherited(config, seed).0),
            Start::Projected => {
                let states = self.states(self.counterparts(&config), threads);
                project(Transformer::random(config, seed, &self.device), &*states?, seed)
            }
        }
    }

    /// A student of `config` with the teacher's embeddings, and its layers where the shapes are equal; and what it got.
    pub fn inherited(&self, config: TransformerConfig, seed: u64) -> (Transformer, Vec<Inherited>) {
        let network = Transformer::random(config, seed, &self.device);
        let plan = InheritancePlan::evenly_spaced(network.config(), &self.teacher_config);
        inherit(network, &self.materials.teacher, &plan)
    }

    /// How the student of `config` starts that goes on from no other student.
    pub fn start(&self, config: &TransformerConfig) -> Start {
        let teacher = &self.teacher_config;
        let shape = |config: &TransformerConfig| {
            let sizes = (config.hidden_size, config.num_attention_heads, config.intermediate_size);
            (sizes, config.mobilebert)
        };
        match &self.plan.student.initialize {
            _ if self.teaching == Teaching::LabelsAlone => Start::Random,
            Initialize::Random => Start::Random,
            Initialize::Embeddings => Start::Copied,
            // Without a student to go on from, the next best is the teacher.
            _ if shape(config) == shape(teacher) || !can_project(config, teacher) => Start::Copied,
            Initialize::Teacher | Initialize::Trial | Initialize::Student(_) => Start::Projected,
        }
    }

    /// The teacher layer of each layer of the student of `config`: the one whose output the student's is taught, else
    /// the evenly spaced one.
    pub fn counterparts(&self, config: &TransformerConfig) -> Vec<usize> {
        let mut counterparts = InheritancePlan::evenly_spaced(config, &self.teacher_config).layers;
        let (students, teachers) = (layers(config), layers(&self.teacher_config));
        let scheduler = self.scheduler(config);
        for mapping in scheduler.stages().iter().flat_map(|stage| stage.criterion.mappings()) {
            let pair = (output_of(&students, &mapping.student), output_of(&teachers, &mapping.teacher));
            if let (Some(own), Some(theirs)) = pair {
                counterparts[own] = theirs;
            }
        }
        counterparts
    }

    /// The teacher's states at these layers on a sample of the training set, observed once for all trials.
    fn states(
        &self,
        layers: Vec<usize>,
        threads: usize,
    ) -> Result<Arc<TeacherStates>, autodistillation_models::Error> {
        let mut observed = self.observed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(states) = observed.get(&layers) {
            return Ok(Arc::clone(states));
        }
        let batches = self.sample(layers.len());
        let states =
            TeacherStates::observe(self.teacher.network().first(), batches, layers.clone(), threads)?;
        let states = Arc::new(states);
        observed.insert(layers, Arc::clone(&states));
        Ok(states)
    }

    /// Random training batches whose states fit into memory.
    pub(super) fn sample(&self, layers: usize) -> Vec<Batch> {
        let set = &self.materials.sets.training;
        let per_token = self.teacher_config.hidden_size * (2 * layers + 1);
        let longest = set.examples.iter().map(|example| example.ids.len()).max().unwrap_or(1).max(1);
        let batch_size = (SAMPLE_FLOATS / (4 * longest * per_token)).clamp(1, SAMPLE_BATCH);
        let order = Order { seed: self.plan.seed, stage: u64::MAX, batch_size };
        let mut floats = 0;
        let batches =
            order.epoch(set, 0).into_iter().take(SAMPLE_BATCHES).map(|rows| set.batch(&rows, &self.device));
        batches
            .take_while(|batch| {
                floats += batch.size() * batch.length() * per_token;
                floats <= SAMPLE_FLOATS
            })
            .collect()
    }

    /// A student with what lies behind its last trained block solved again; as it is unless it was projected.
    ///
    /// # Errors
    ///
    /// A fit without a solution.
    pub(super) fn solved_behind(
        &self,
        student: Transformer,
        block: usize,
        (seed, threads): (u64, usize),
    ) -> Result<Transformer, autodistillation_models::Error> {
        if self.start(student.config()) != Start::Projected {
            return Ok(student);
        }
        // Its start has observed the same states before.
        let states = self.states(self.counterparts(student.config()), threads)?;
        solve_behind(student, &states, (block, seed))
    }
}

/// The highest block that a flash stage has trained, unless the next stage trains the one above it and what lies behind can
/// wait; `None` if it is no flash stage or trains no encoder layer.
pub(super) fn last_trained(stage: &Stage, next: Option<&Stage>, stack: &LayerStack) -> Option<usize> {
    let (_, block) = flash_layers(stage, stack)?;
    // A block that no stage trains next would keep expecting what the ones before it gave.
    let waits = next.and_then(|next| flash_layers(next, stack)).is_some_and(|(next, _)| next == block + 1);
    (!waits).then_some(block)
}

/// The layer whose output `path` is.
fn output_of(stack: &LayerStack, path: &LayerPath) -> Option<usize> {
    let layer = path.module.strip_suffix(&stack.output)?.strip_suffix('.')?;
    stack.index(layer).or_else(|| stack.index(&path.module))
}

/// The lowest and the highest layer that a flash stage trains; what is no encoder layer lies below all of them.
fn flash_layers(stage: &Stage, stack: &LayerStack) -> Option<(usize, usize)> {
    let modules = || stage.block.modules().iter().map(|module| stack.index(module));
    let highest = modules().flatten().max().filter(|_| stage.kind == StageKind::Flash)?;
    Some((modules().map(Option::unwrap_or_default).min()?, highest))
}

#[cfg(test)]
mod tests {
    use autodistillation_distillation::{Block, CriterionConfig, LogitScale, LossKind};

    use super::*;

    fn stage(kind: StageKind, modules: &[&str]) -> Stage {
        let criterion = CriterionConfig::KnowledgeDistillation {
            temperature: 1.0.into(),
            losses: [LossKind::CrossEntropy, LossKind::KullbackLeibler],
            weights: [0.5.into(); 2],
            logits: LogitScale::Plain,
        };
        let block = Block::new(modules.iter().copied());
        Stage { kind, block, criterion, steps: 1, learning_rate: 1e-3 }
    }

    fn stack() -> LayerStack {
        LayerStack { prefix: "layer".to_owned(), ..LayerStack::bert(4) }
    }

    /// What a stage of `own` modules, followed by one of `next`, has trained last.
    fn followed(own: &[&str], next: &[&str]) -> Option<usize> {
        let next = stage(StageKind::Flash, next);
        last_trained(&stage(StageKind::Flash, own), Some(&next), &stack())
    }

    #[test]
    fn what_lies_above_a_trained_block_waits_for_the_next_stage_only_if_that_trains_it() {
        assert_eq!(followed(&["layer.0"], &["layer.1"]), None);
        assert_eq!(followed(&["layer.0"], &["layer.1", "layer.2"]), None);
        assert_eq!(followed(&["layer.0"], &["layer.2"]), Some(0), "nobody trains layer 1");
        assert_eq!(followed(&["layer.1"], &["layer.1"]), Some(1));
        assert_eq!(followed(&["layer.2"], &["layer.0"]), Some(2));
        assert_eq!(followed(&["embeddings", "layer.2"], &["layer.3"]), None);
        assert_eq!(followed(&["embeddings"], &["layer.0"]), None, "no layer is trained");
    }

    #[test]
    fn after_the_last_flash_stage_nothing_waits() {
        let stack = stack();
        let (flash, regular) = (stage(StageKind::Flash, &["layer.3"]), stage(StageKind::Regular, &[""]));
        assert_eq!(last_trained(&flash, Some(&regular), &stack), Some(3));
        assert_eq!(last_trained(&regular, None, &stack), None);
    }
}
