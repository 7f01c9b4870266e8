//! A stage: what is trained, on which criterion, for how long; and the scheduler that lists stages.

use serde::{Deserialize, Serialize};

use crate::{Block, LayerMapping, LayerPath, LogitScale, LossKind, MatchingOptions, Ramp};

/// One training run over one part of the student.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// Flash (block by block) or regular.
    pub kind: StageKind,
    /// The part of the student that is trained.
    pub block: Block,
    /// What is minimised.
    pub criterion: CriterionConfig,
    /// Optimiser steps.
    pub steps: u32,
    /// Peak learning rate.
    pub learning_rate: f64,
}

/// The two kinds of stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StageKind {
    /// A block learns from the teacher's intermediate layers.
    Flash,
    /// The whole student learns from the teacher's logits.
    Regular,
}

/// What a stage minimises, as data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum CriterionConfig {
    /// Features or logits at layer paths, compared pair by pair.
    IntermediateLayers {
        /// The pairs.
        mappings: Vec<LayerMapping>,
        /// Choices shared by all pairs.
        options: MatchingOptions,
        /// Whether the student's own loss on the labels is added, with weight 1.
        origin_loss: OriginLoss,
    },
    /// Layers of the student, the shallower of each pair compared with the deeper; no teacher is asked.
    SelfDistillation {
        /// The pairs: the layer that learns as `student`, the one that teaches as `teacher`.
        mappings: Vec<LayerMapping>,
        /// Choices shared by all pairs.
        options: MatchingOptions,
        /// Whether the student's own loss on the labels is added, with weight 1.
        origin_loss: OriginLoss,
    },
    /// Logits against labels and against the teacher's logits.
    KnowledgeDistillation {
        /// Softens both sides' logits in the teacher term.
        temperature: Ramp,
        /// Loss of [student–targets, teacher–student].
        losses: [crate::LossKind; 2],
        /// Weight of [student–targets, teacher–student].
        weights: [Ramp; 2],
        /// What a divergence does to both sides' logits before the temperature.
        #[serde(default, skip_serializing_if = "LogitScale::is_plain")]
        logits: LogitScale,
    },
}

impl CriterionConfig {
    /// The pairs of a student's and a teacher's layer; empty where only logits are compared.
    pub fn mappings(&self) -> &[LayerMapping] {
        match self {
            Self::IntermediateLayers { mappings, .. } => mappings,
            Self::SelfDistillation { .. } | Self::KnowledgeDistillation { .. } => &[],
        }
    }
}

/// Whether the student's own loss on the labels counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OriginLoss {
    /// Added with weight 1.
    Added,
    /// Left out.
    LeftOut,
}

/// Blockwise stages, each learning from intermediate layers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FlashDistillation {
    /// One stage per block, in order.
    pub stages: Vec<Stage>,
}

/// Stages that train the whole student.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RegularDistillation {
    /// Usually one.
    pub stages: Vec<Stage>,
}

/// An ordered list of stages, run one after another on the same student.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scheduler {
    stages: Vec<Stage>,
}

impl Scheduler {
    /// The flash stages, then the regular ones. Either may be empty.
    pub fn combine(flash: FlashDistillation, regular: RegularDistillation) -> Self {
        let mut stages = flash.stages;
        stages.extend(regular.stages);
        Self { stages }
    }

    /// The stages in order.
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// One stage of as many steps that trains the whole student on its labels, without the teacher: the yardstick of
    /// what distillation adds.
    pub fn on_labels_alone(&self, learning_rate: f64) -> Self {
        let criterion = CriterionConfig::IntermediateLayers {
            mappings: Vec::new(),
            options: MatchingOptions::default(),
            origin_loss: OriginLoss::Added,
        };
        let steps = u32::try_from(self.total_steps()).unwrap_or(u32::MAX);
        let block = Block::everything();
        Self { stages: vec![Stage { kind: StageKind::Regular, block, criterion, steps, learning_rate }] }
    }

    /// The same stages for a head of one value, at `logits`: a softmax over one value is always 1, so that divergences
    /// and cross entropies between such logits would teach nothing; squared errors take their place.
    pub fn on_single_values(&self, logits: &LayerPath) -> Self {
        self.with_losses_on(logits, |loss| if loss.is_divergence() { LossKind::MeanSquared } else { loss })
    }

    /// The same stages for a head whose labels apply or not each by itself, at `logits`: a softmax would make them
    /// compete; binary divergences and cross entropies take the place of those over all labels.
    pub fn on_independent_labels(&self, logits: &LayerPath) -> Self {
        self.with_losses_on(logits, |loss| match loss {
            LossKind::CrossEntropy => LossKind::BinaryCrossEntropy,
            other if other.is_divergence() => LossKind::BinaryKullbackLeibler,
            other => other,
        })
    }

    /// The same stages with other losses between the logits of student and teacher.
    fn with_losses_on(&self, logits: &LayerPath, change: impl Fn(LossKind) -> LossKind) -> Self {
        let changed = |stage: &Stage| {
            let mut stage = stage.clone();
            match &mut stage.criterion {
                CriterionConfig::IntermediateLayers { mappings, .. } => {
                    for mapping in
                        mappings.iter_mut().filter(|it| it.student == *logits && it.teacher == *logits)
                    {
                        mapping.loss = change(mapping.loss);
                    }
                }
                CriterionConfig::KnowledgeDistillation { losses, .. } => *losses = losses.map(&change),
                CriterionConfig::SelfDistillation { .. } => {} // Nothing lies behind the logits to teach them.
            }
            stage
        };
        Self { stages: self.stages.iter().map(changed).collect() }
    }

    /// The same stages, the learning rates of the regular ones multiplied by `factor`.
    pub fn with_regular_rates_times(&self, factor: f64) -> Self {
        let slower = |stage: &Stage| match stage.kind {
            StageKind::Flash => stage.clone(),
            StageKind::Regular => Stage { learning_rate: stage.learning_rate * factor, ..stage.clone() },
        };
        Self { stages: self.stages.iter().map(slower).collect() }
    }

    /// Optimiser steps of all stages.
    pub fn total_steps(&self) -> u64 {
        self.stages.iter().map(|stage| u64::from(stage.steps)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_of_one_value_is_taught_by_squared_errors() {
        let logits = LayerPath::new("classifier");
        let pair = |path: &LayerPath, loss| LayerMapping {
            student: path.clone(),
            teacher: path.clone(),
            loss,
            weight: 1.0.into(),
        };
        let mappings = vec![
            pair(&logits, LossKind::KullbackLeibler),
            pair(&LayerPath::with_output("layer.attention", 1), LossKind::KullbackLeibler),
        ];
        let options = MatchingOptions::default();
        let criterion =
            CriterionConfig::IntermediateLayers { mappings, options, origin_loss: OriginLoss::Added };
        let block = Block::everything();
        let stage = Stage { kind: StageKind::Regular, block, criterion, steps: 1, learning_rate: 0.1 };
        let regular = RegularDistillation { stages: vec![stage] };
        let scheduler = Scheduler::combine(FlashDistillation::default(), regular).on_single_values(&logits);
        let CriterionConfig::IntermediateLayers { mappings, .. } = &scheduler.stages()[0].criterion else {
            panic!("another criterion")
        };
        let losses: Vec<LossKind> = mappings.iter().map(|mapping| mapping.loss).collect();
        assert_eq!(losses, [LossKind::MeanSquared, LossKind::KullbackLeibler], "attention maps keep theirs");
    }

    #[test]
    fn only_regular_stages_are_slowed_down() {
        let criterion = CriterionConfig::KnowledgeDistillation {
            temperature: 1.0.into(),
            losses: [LossKind::CrossEntropy; 2],
            weights: [0.5.into(); 2],
            logits: LogitScale::Plain,
        };
        let stage = |kind| Stage {
            kind,
            block: Block::everything(),
            criterion: criterion.clone(),
            steps: 1,
            learning_rate: 0.1,
        };
        let flash = FlashDistillation { stages: vec![stage(StageKind::Flash)] };
        let scheduler =
            Scheduler::combine(flash, RegularDistillation { stages: vec![stage(StageKind::Regular)] });
        let rates = scheduler
            .with_regular_rates_times(0.5)
            .stages()
            .iter()
            .map(|it| it.learning_rate)
            .collect::<Vec<_>>();
        assert_eq!(rates, [0.1, 0.05]);
    }
}
