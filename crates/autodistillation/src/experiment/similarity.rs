//! How similar the teacher's layers are on the training set, for `layer_mappings_for_knowledge_transfer: similarity`.

use autodistillation_distillation::{
    Feature, LayerPath, LayerSimilarity, Mode, Network, Shape, SimilaritySums, Taps,
};
use autodistillation_models::TransformerConfig;
use burn::tensor::Tensor;

use crate::config::LayerChoice;
use crate::experiment::built_in::{BuiltInExperiment, layers};

/// Batches of the sample that the teacher's states are compared on.
const COMPARED_BATCHES: usize = 16;

impl BuiltInExperiment {
    /// The similarity of the teacher's layers, measured once; `None` where the config does not choose by it.
    ///
    /// The teacher is compared with itself, not with a student: what a student starts from already depends on the choice.
    pub(super) fn similarity(&self) -> Option<&LayerSimilarity> {
        let choice = self.plan.automatic_flash.as_ref()?.choice;
        (choice == LayerChoice::Similarity).then(|| self.similarity.get_or_init(|| self.compared()))
    }

    /// Why the layers of the student of `config` learn from those that they learn from, where similarity decides.
    pub fn layer_choice(&self, config: &TransformerConfig) -> Option<String> {
        let (similarity, students) = (self.similarity()?, config.num_hidden_layers);
        let Some(path) = similarity.path(students) else {
            return Some(format!(
                "similarity: {students} layers are more than the teacher's {}, which are evenly spaced instead",
                similarity.layers()
            ));
        };
        let before = std::iter::once(0).chain(path.iter().map(|layer| layer + 1));
        let step = |(own, (from, to)): (usize, (usize, &usize))| {
            let value = similarity.across(from, *to).unwrap_or(f64::NAN);
            format!("{own} ← {to} ({value:.3})")
        };
        let steps: Vec<String> = before.zip(&path).enumerate().map(step).collect();
        Some(format!(
            "similarity: student layer ← teacher layer (CKA of its output with that of the chosen one before): {}",
            steps.join(", ")
        ))
    }

    fn compared(&self) -> LayerSimilarity {
        let network = self.teacher.network();
        let stack = layers(&self.teacher_config);
        let first = network.layers().into_iter().map(|layer| layer.path).next();
        let outputs = (0..stack.layers).map(|index| network.resolve(&stack.output(index)));
        let places: Vec<LayerPath> = first.into_iter().chain(outputs).collect();
        let taps = Taps::new(places.iter().cloned());
        let known = network.layers();
        let width = |path: &LayerPath| {
            known
                .iter()
                .find(|layer| layer.path == *path)
                .map_or(0, |layer| if let Shape::Sequence { width } = layer.shape { width } else { 0 })
        };
        let mut sums = SimilaritySums::new(&places.iter().map(width).collect::<Vec<_>>());
        for batch in self.sample(stack.layers).into_iter().take(COMPARED_BATCHES) {
            let features = network.forward(&batch, &taps, Mode::Evaluation);
            let rows = |path: &LayerPath| match features.get(path) {
                Some(Feature::Sequence(states)) => Some(states.clone().flatten(0, 1)),
                _ => None,
            };
            let states: Vec<Tensor<2>> = places.iter().filter_map(rows).collect(); // (batch · length, width) each
            if states.len() == places.len() {
                let real = batch.lengths.iter().map(|&length| f64::from(length)).sum();
                sums.add(&states, batch.mask.clone().reshape([batch.size() * batch.length(), 1]), real);
            }
        }
        sums.similarity()
    }
}
