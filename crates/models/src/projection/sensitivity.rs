//! Which directions of the teacher's hidden states its logits depend on.

use std::collections::BTreeMap;

use autodistillation_distillation::{Batch, Feature, Features, LayerPath};
use burn::tensor::{Tensor, TensorData};
use nalgebra::DMatrix;

use super::fit::{add_gram, rows};
use super::states::{attended, input, output};
use crate::Bert;

/// For every state, Σ gᵀ g over tokens, where g is the gradient of a centred logit with respect to the state of a token.
///
/// Each example asks about one class, the next example about the next class: one backward pass through the layers,
/// however many classes there are. `features` holds every layer's attention output and output on `batch`; the walk ends
/// at a state that is missing.
pub(super) fn logit_gradients(
    teacher: &Bert,
    (batch, features): (&Batch, &Features),
) -> BTreeMap<LayerPath, DMatrix<f64>> {
    let mut grams = BTreeMap::new();
    walk(teacher, (batch, features), &mut |path, gradient| {
        let rows = rows(gradient);
        let width = rows.dims()[1];
        let mut gram = DMatrix::zeros(width, width);
        add_gram(&mut gram, &rows, &rows);
        grams.insert(path, gram);
    });
    grams
}

/// Hands the gradient at every state to `seen`, from the last layer down to the embeddings.
fn walk(
    teacher: &Bert,
    (batch, features): (&Batch, &Features),
    seen: &mut dyn FnMut(LayerPath, &Tensor<3>),
) -> Option<()> {
    let state = |path: &LayerPath| match features.get(path) {
        Some(Feature::Sequence(hidden)) => Some(hidden.clone()),
        _ => None,
    };
    let layers = teacher.config().num_hidden_layers;
    let mut gradient = head_gradient(teacher, state(&output(layers - 1))?)?;
    for layer in (0..layers).rev() {
        seen(output(layer), &gradient);
        let narrow = |state| teacher.feed_forward(layer, state);
        gradient = pull_back(state(&attended(layer))?, gradient, narrow)?;
        seen(attended(layer), &gradient);
        let below = input(layer);
        gradient = pull_back(state(&below)?, gradient, |state| teacher.attend(layer, (state, &batch.mask)))?;
    }
    seen(input(0), &gradient);
    Some(())
}

/// The gradient of each example's centred logit of one class (the logit itself where there is one class) with respect to
/// the last state.
fn head_gradient(teacher: &Bert, state: Tensor<3>) -> Option<Tensor<3>> {
    let leaf = state.autodiff().require_grad();
    let logits = teacher.classify(leaf.clone())?;
    let [size, classes] = logits.dims();
    let in_turn =
        Tensor::<2>::from_data(TensorData::new(in_turn(size, classes), [size, classes]), &logits.device());
    let centred = if classes == 1 { logits } else { logits.clone() - logits.mean_dim(1) };
    leaf.grad(&(centred * in_turn).sum().backward())
}

/// Row i has a 1 at class i mod `classes`.
fn in_turn(size: usize, classes: usize) -> Vec<f32> {
    let one_hot = |row: usize| (0..classes).map(move |class| f32::from(u8::from(class == row % classes)));
    (0..size).flat_map(one_hot).collect()
}

/// The gradient with respect to `state`, from the gradient with respect to `layer(state)`.
fn pull_back(
    state: Tensor<3>,
    gradient: Tensor<3>,
    layer: impl Fn(Tensor<3>) -> Tensor<3>,
) -> Option<Tensor<3>> {
    let leaf = state.autodiff().require_grad();
    let objective = (layer(leaf.clone()) * gradient).sum();
    leaf.grad(&objective.backward())
}

#[cfg(test)]
mod tests {
    use super::in_turn;

    #[test]
    fn examples_ask_about_the_classes_in_turn() {
        assert_eq!(in_turn(3, 2), [1.0, 0.0, 0.0, 1.0, 1.0, 0.0]);
        assert_eq!(in_turn(2, 1), [1.0, 1.0]);
    }
}
