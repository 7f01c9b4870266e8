//! Which directions of the teacher's hidden states its logits depend on.

use std::collections::BTreeMap;

use autodistillation_distillation::{Batch, LayerPath};
use burn::tensor::Tensor;
use nalgebra::DMatrix;

use super::fit::add_gram;
use super::states::embeddings;
use crate::Bert;

/// For every state, Σ gᵀ g over tokens and classes, where g is the gradient of a centred logit with respect to the
/// state of a token. One backward pass through the layers per class.
pub(super) fn logit_gradients(teacher: &Bert, batch: &Batch) -> BTreeMap<LayerPath, DMatrix<f64>> {
    let trace = teacher.trace(batch);
    let width = teacher.config().hidden_size;
    let mut grams = BTreeMap::new();
    for class in 0..teacher.config().num_labels() {
        let mut add = |path: LayerPath, gradient: &Tensor<3>| {
            let [size, length, _] = gradient.dims();
            let rows = gradient.clone().reshape([size * length, width]);
            let gram = grams.entry(path).or_insert_with(|| DMatrix::zeros(width, width));
            add_gram(gram, &rows, &rows);
        };
        let Some(mut gradient) = head_gradient(teacher, &trace.hidden[trace.hidden.len() - 1], class) else {
            continue;
        };
        for layer in (0..teacher.config().num_hidden_layers).rev() {
            add(LayerPath::new(format!("bert.encoder.layer.{layer}.output")), &gradient);
            let Some(attended) =
                pull_back(&trace.attended[layer], &gradient, |state| teacher.feed_forward(layer, state))
            else {
                break;
            };
            add(LayerPath::new(format!("bert.encoder.layer.{layer}.attention.output")), &attended);
            let through = |state| teacher.attend(layer, (state, &batch.mask));
            let Some(below) = pull_back(&trace.hidden[layer], &attended, through) else { break };
            gradient = below;
        }
        add(embeddings(), &gradient);
    }
    grams
}

/// The gradient of class `class`'s centred logit (the logit itself where there is one) with respect to the last state.
fn head_gradient(teacher: &Bert, state: &Tensor<3>, class: usize) -> Option<Tensor<3>> {
    let leaf = state.clone().autodiff().require_grad();
    let logits = teacher.head(leaf.clone());
    let [size, classes] = logits.dims();
    let own = logits.clone().slice([0..size, class..class + 1]);
    let objective = if classes == 1 { own } else { own - logits.mean_dim(1) };
    leaf.grad(&objective.sum().backward())
}

/// The gradient with respect to `state`, from the gradient with respect to `layer(state)`.
fn pull_back(
    state: &Tensor<3>,
    gradient: &Tensor<3>,
    layer: impl Fn(Tensor<3>) -> Tensor<3>,
) -> Option<Tensor<3>> {
    let leaf = state.clone().autodiff().require_grad();
    let objective = (layer(leaf.clone()) * gradient.clone()).sum();
    leaf.grad(&objective.backward())
}
