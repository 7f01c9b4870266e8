//! The student's pooler and classifier, fitted to the teacher's.

use burn::tensor::{Device, Tensor};
use nalgebra::DMatrix;

use super::fit::{apply, regress, row_major, tensor};
use super::states::{TeacherStates, output};
use crate::Error;
use crate::bert::head::HeadActivation;
use crate::weights::{Weight, Weights};

/// Ridge penalty of the head's fits, stronger because it has one row per text only.
const RIDGE: f64 = 1e-2;

/// What the student's classifier sees of the first token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pooling {
    /// What a dense map called by this name puts out, after its activation.
    Dense(&'static str, HeadActivation),
    /// The token itself.
    FirstToken,
}

/// Pooler: the teacher's pooler neurons that move its logits most, their inputs regressed on the student's first token.
/// Classifier: the teacher's logits regressed on the output of that pooler, or on the first token where there is none.
pub(super) fn fit(
    states: &TeacherStates,
    (first_tokens, pooling): (&[Tensor<2>], Pooling),
) -> Result<Weights, Error> {
    let ones: Vec<_> =
        first_tokens.iter().map(|rows| Tensor::ones([rows.dims()[0], 1], &rows.device())).collect();
    let mut weights = Weights::default();
    let mut insert = |name: &str, solution: &DMatrix<f64>| {
        let inputs = solution.nrows() - 1;
        let matrix = solution.rows(0, inputs).transpose();
        let bias = solution.row(inputs).iter().map(|value| *value as f32).collect();
        weights.0.insert(
            format!("{name}.weight"),
            Weight { dims: vec![matrix.nrows(), inputs], values: row_major(&matrix) },
        );
        weights.0.insert(format!("{name}.bias"), Weight { dims: vec![matrix.nrows()], values: bias });
    };
    let pooled = match pooling {
        Pooling::FirstToken => first_tokens.to_vec(),
        Pooling::Dense(name, activation) => {
            let pooler = regress((first_tokens, &pooler_targets(states, first_tokens)), &ones, RIDGE)?;
            insert(name, &pooler);
            first_tokens.iter().map(|rows| activation.apply(apply(rows, &pooler))).collect()
        }
    };
    insert("classifier", &regress((&pooled, states.logits()), &ones, RIDGE)?);
    Ok(weights)
}

/// The inputs of the teacher's most important pooler neurons, as many as the student's tokens are wide.
fn pooler_targets(states: &TeacherStates, first_tokens: &[Tensor<2>]) -> Vec<Tensor<2>> {
    let width = first_tokens.first().map_or(0, |rows| rows.dims()[1]);
    let inputs = teacher_pooler_inputs(states);
    let kept = important(states, &inputs, width);
    let chosen = |rows: &Tensor<2>| rows.clone().matmul(selection(&kept, rows.dims()[1], &rows.device()));
    inputs.iter().map(chosen).collect()
}

/// What the teacher's pooler takes the activation of, (batch, teacher width) per batch.
fn teacher_pooler_inputs(states: &TeacherStates) -> Vec<Tensor<2>> {
    let last = output(states.config().num_hidden_layers - 1);
    let map = states.matrix("bert.pooler.dense.weight").transpose();
    let joined = {
        let rows = map.nrows();
        let mut joined = map.insert_row(rows, 0.0);
        joined.set_row(rows, &states.matrix("bert.pooler.dense.bias").row(0));
        joined
    };
    let first_rows = |place: usize| {
        let batch = &states.batches()[place];
        let rows = states.state(place, &last);
        let [tokens, width] = rows.dims();
        rows.reshape([batch.size(), tokens / batch.size(), width])
            .slice([0..batch.size(), 0..1])
            .reshape([batch.size(), width])
    };
    (0..states.batches().len()).map(|place| apply(&first_rows(place), &joined)).collect()
}

/// The pooler neurons with the largest deviation of their output times the spread of their outgoing weights over classes.
fn important(states: &TeacherStates, inputs: &[Tensor<2>], count: usize) -> Vec<usize> {
    let width = states.width();
    let (mut sum, mut squares, mut rows) = (vec![0.0; width], vec![0.0; width], 0.0);
    let activation = HeadActivation::of(states.config().family);
    for input in inputs {
        let values: Vec<f32> = activation.apply(input.clone()).into_data().try_into_vec().unwrap_or_default();
        rows += input.dims()[0] as f64;
        for (place, value) in values.into_iter().enumerate() {
            sum[place % width] += f64::from(value);
            squares[place % width] += f64::from(value).powi(2);
        }
    }
    let classifier = states.matrix("classifier.weight");
    let spread = |neuron: usize| {
        let column = classifier.column(neuron);
        if column.len() == 1 { column[0].abs() } else { column.variance().sqrt() }
    };
    let importance = |i: usize| (squares[i] / rows - (sum[i] / rows).powi(2)).max(0.0).sqrt() * spread(i);
    let mut order: Vec<usize> = (0..width).collect();
    order.sort_by(|&a, &b| importance(b).total_cmp(&importance(a)).then(a.cmp(&b)));
    order.truncate(count);
    order
}

/// A matrix that picks columns.
fn selection(kept: &[usize], width: usize, device: &Device) -> Tensor<2> {
    let picked = DMatrix::from_fn(width, kept.len(), |row, column| f64::from(u8::from(kept[column] == row)));
    tensor(&picked, device)
}
