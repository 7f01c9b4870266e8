//! Flash distillation without a hand-written layer mapping.

use autodistillation_distillation::{
    Block, CriterionConfig, LayerMapping, LayerPath, LayerSimilarity, LossKind, MatchingOptions, OriginLoss,
    Ramp, Stage, StageKind,
};
use serde::Serialize;

use super::layer_choice::LayerChoice;

/// `layer_mappings_for_knowledge_transfer: auto`, `last` or `similarity`, to be resolved once both networks' depths are known.
///
/// A search over the number of layers resolves it for every architecture.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AutomaticFlash {
    /// Which teacher layers teach.
    #[serde(skip_serializing_if = "LayerChoice::is_evenly_spaced")]
    pub choice: LayerChoice,
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
    /// The term's weight in the sum, over the stage.
    pub weight: Ramp,
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

    /// Where the hidden states of layer `index` come out.
    pub fn output(&self, index: usize) -> LayerPath {
        LayerPath::new(format!("{}.{}", self.layer(index), self.output))
    }

    /// The number of the layer that `module` is, if it is one.
    pub fn index(&self, module: &str) -> Option<usize> {
        let number = module.strip_prefix(&self.prefix)?.strip_prefix('.')?.parse().ok()?;
        (number < self.layers).then_some(number)
    }
}

impl AutomaticFlash {
    /// One stage per student layer, which learns from the teacher layer that [`LayerChoice::teacher_layers`] names.
    pub fn stages(
        &self,
        student: &LayerStack,
        teacher: &LayerStack,
        similarity: Option<&LayerSimilarity>,
    ) -> Vec<Stage> {
        let last = self.blocks.last();
        let templates = self.blocks.iter().chain(std::iter::repeat_with(|| last).flatten());
        let counterparts = self.choice.teacher_layers(student.layers, teacher.layers, similarity);
        let layers = counterparts.into_iter().enumerate().zip(templates);
        layers.map(|((own, theirs), template)| template.stage((student, own), (teacher, theirs))).collect()
    }
}

impl BlockTemplate {
    fn stage(&self, (student, own): (&LayerStack, usize), (teacher, theirs): (&LayerStack, usize)) -> Stage {
        let mappings = vec![
            self.attention.between(student.probabilities(own), teacher.probabilities(theirs)),
            self.hidden.between(student.output(own), teacher.output(theirs)),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn template() -> BlockTemplate {
        BlockTemplate {
            block: None,
            attention: Term { loss: LossKind::KullbackLeibler, weight: 0.5.into() },
            hidden: Term { loss: LossKind::MeanSquared, weight: 0.5.into() },
            options: MatchingOptions::default(),
            origin_loss: OriginLoss::LeftOut,
            steps: 200,
            learning_rate: 1e-3,
        }
    }

    #[test]
    fn every_layer_is_a_block_with_its_attention_and_its_output() {
        let flash = AutomaticFlash { choice: LayerChoice::EvenlySpaced, blocks: vec![template()] };
        let stages = flash.stages(&LayerStack::bert(4), &LayerStack::bert(6), None);
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
        let flash = AutomaticFlash { choice: LayerChoice::Last, blocks };
        let stages = flash.stages(&LayerStack::bert(2), &LayerStack::bert(6), None);
        let steps: Vec<_> = stages.iter().map(|stage| stage.steps).collect();
        assert_eq!(steps, [100, 300]);
    }
}
