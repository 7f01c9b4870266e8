//! Flash distillation without a hand-written layer mapping: teacher layers evenly spaced.

use autodistillation_distillation::{
    Block, CriterionConfig, LayerMapping, LayerPath, LossKind, MatchingOptions, OriginLoss, Stage, StageKind,
};
use serde::Serialize;

/// `layer_mappings_for_knowledge_transfer: auto`, to be resolved once both networks' depths are known.
///
/// A search over the number of layers resolves it for every architecture.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AutomaticFlash {
    /// One for all blocks, or one per block in order.
    pub blocks: Vec<BlockTemplate>,
}

/// How one block is trained.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BlockTemplate {
    /// What is trained; absent = the student's layer itself.
    pub block: Option<Block>,
    /// The term on `attention.self`, output 1.
    pub attention: Term,
    /// The term on the layer's output.
    pub hidden: Term,
    /// Choices shared by both terms.
    pub options: MatchingOptions,
    /// Whether the student's own loss is added.
    pub origin_loss: OriginLoss,
    /// Optimiser steps.
    pub steps: u32,
    /// Peak learning rate.
    pub learning_rate: f64,
}

/// A loss and its weight.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Term {
    /// How the two features are compared.
    pub loss: LossKind,
    /// The term's weight in the sum.
    pub weight: f64,
}

/// The repeated layers of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerStack {
    /// The dotted path in front of a layer's number (`bert.encoder.layer`).
    pub prefix: String,
    /// How many layers there are.
    pub layers: usize,
    /// The module inside a layer whose output 1 is the attention probabilities (`attention.self`).
    pub attention: String,
    /// The module inside a layer whose output is the layer's (`output`).
    pub output: String,
}

impl LayerStack {
    /// The layers of a BERT.
    pub fn bert(layers: usize) -> Self {
        let [prefix, attention, output] =
            ["bert.encoder.layer", "attention.self", "output"].map(str::to_owned);
        Self { prefix, layers, attention, output }
    }

    fn layer(&self, index: usize) -> String {
        format!("{}.{index}", self.prefix)
    }

    /// The attention probabilities of a layer.
    fn probabilities(&self, index: usize) -> LayerPath {
        LayerPath::with_output(format!("{}.{}", self.layer(index), self.attention), 1)
    }

    /// What a layer puts out.
    fn hidden(&self, index: usize) -> LayerPath {
        LayerPath::new(format!("{}.{}", self.layer(index), self.output))
    }

    /// The number of the layer that `module` is, if it is one.
    pub fn index(&self, module: &str) -> Option<usize> {
        let number = module.strip_prefix(&self.prefix)?.strip_prefix('.')?.parse().ok()?;
        (number < self.layers).then_some(number)
    }
}

impl AutomaticFlash {
    /// One stage per student layer: layer i learns from teacher layer [`teacher_layer`]`(i, …)`.
    pub fn stages(&self, student: &LayerStack, teacher: &LayerStack) -> Vec<Stage> {
        let last = self.blocks.last();
        (0..student.layers)
            .zip(self.blocks.iter().chain(std::iter::repeat_with(|| last).flatten()))
            .map(|(index, template)| {
                let counterpart = teacher_layer(index, student.layers, teacher.layers);
                template.stage((student, index), (teacher, counterpart))
            })
            .collect()
    }
}

impl BlockTemplate {
    fn stage(&self, (student, own): (&LayerStack, usize), (teacher, theirs): (&LayerStack, usize)) -> Stage {
        let mappings = vec![
            self.attention.between(student.probabilities(own), teacher.probabilities(theirs)),
            self.hidden.between(student.hidden(own), teacher.hidden(theirs)),
        ];
        Stage {
            kind: StageKind::Flash,
            block: self.block.clone().unwrap_or_else(|| Block::new([student.layer(own)])),
            criterion: CriterionConfig::IntermediateLayers {
                mappings,
                options: self.options,
                origin_loss: self.origin_loss,
            },
            steps: self.steps,
            learning_rate: self.learning_rate,
        }
    }
}

impl Term {
    fn between(self, student: LayerPath, teacher: LayerPath) -> LayerMapping {
        LayerMapping { student, teacher, loss: self.loss, weight: self.weight }
    }
}

/// The teacher layer that a student layer learns from: round((i + 1) · teacher / student) − 1, so that the
/// layers are evenly spaced and the last learns from the last.
pub fn teacher_layer(index: usize, student_layers: usize, teacher_layers: usize) -> usize {
    let share = (index + 1) as f64 * teacher_layers as f64 / student_layers.max(1) as f64;
    (share.round() as usize).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn template() -> BlockTemplate {
        BlockTemplate {
            block: None,
            attention: Term { loss: LossKind::KullbackLeibler, weight: 0.5 },
            hidden: Term { loss: LossKind::MeanSquared, weight: 0.5 },
            options: MatchingOptions::default(),
            origin_loss: OriginLoss::LeftOut,
            steps: 200,
            learning_rate: 1e-3,
        }
    }

    proptest! {
        #[test]
        fn teacher_layers_exist_rise_and_end_with_the_last(student in 1usize..40, teacher in 1usize..40) {
            let layers: Vec<_> = (0..student).map(|index| teacher_layer(index, student, teacher)).collect();
            prop_assert!(layers.is_sorted() && layers.iter().all(|layer| *layer < teacher));
            prop_assert_eq!(layers.last(), Some(&(teacher - 1)));
            if student <= teacher {
                prop_assert!(layers.windows(2).all(|pair| pair[0] < pair[1]));
            }
        }
    }

    #[test]
    fn four_layers_learn_from_six_as_in_the_sst2_example() {
        let layers: Vec<_> = (0..4).map(|index| teacher_layer(index, 4, 6)).collect();
        assert_eq!(layers, [1, 2, 4, 5]);
    }

    #[test]
    fn every_layer_is_a_block_with_its_attention_and_its_output() {
        let flash = AutomaticFlash { blocks: vec![template()] };
        let stages = flash.stages(&LayerStack::bert(4), &LayerStack::bert(6));
        assert_eq!(stages.len(), 4);
        assert_eq!(stages[2].block, Block::new(["bert.encoder.layer.2"]));
        let CriterionConfig::IntermediateLayers { mappings, .. } = &stages[2].criterion else { panic!() };
        let shown: Vec<_> = mappings.iter().map(|m| format!("{} <- {}", m.student, m.teacher)).collect();
        assert_eq!(
            shown,
            [
                "bert.encoder.layer.2.attention.self[1] <- bert.encoder.layer.4.attention.self[1]",
                "bert.encoder.layer.2.output <- bert.encoder.layer.4.output",
            ]
        );
    }

    #[test]
    fn each_block_can_have_its_own_steps() {
        let blocks = [100, 300].map(|steps| BlockTemplate { steps, ..template() }).to_vec();
        let steps: Vec<_> = AutomaticFlash { blocks }
            .stages(&LayerStack::bert(2), &LayerStack::bert(6))
            .iter()
            .map(|stage| stage.steps)
            .collect();
        assert_eq!(steps, [100, 300]);
    }
}
