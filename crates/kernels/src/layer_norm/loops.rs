//! The loops of layer normalisation over rows.

use burn::{backend::flex::FlexTensor, tensor::Shape};

use crate::{
    buffer::{contiguous, elements, from_elements, update, update_with_copy, width},
    column_sum::add_in_order,
    simd::{Kernel, rows_per_chunk, run, sum, sum_of_three, sum_of_two},
};

/// Mean of a row, and the reciprocal of its standard deviation.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowMoments {
    mean: f32,
    scale: f32,
}

/// Result of [`add_normalize`].
pub(super) struct Normalized {
    pub(super) sum: FlexTensor,
    pub(super) output: FlexTensor,
    pub(super) moments: Vec<RowMoments>,
}

/// Result of [`backward`].
pub(super) struct LayerNormGradients {
    pub(super) input: FlexTensor,
    pub(super) weight: FlexTensor,
    pub(super) bias: FlexTensor,
}

/// Normalises each row of `input`.
pub(super) fn normalize(
    input: FlexTensor,
    weight: &FlexTensor,
    bias: &FlexTensor,
    epsilon: f32,
) -> (FlexTensor, Vec<RowMoments>) {
    let (weight, bias) = (contiguous(weight.clone()), contiguous(bias.clone()));
    let affine = Affine { weight: elements(&weight), bias: elements(&bias), epsilon };
    let chunk = rows_per_chunk(width(&input)) * width(&input);
    let (output, moments) = update(input, chunk, |_, rows| run(Normalize { rows, affine }));
    (output, moments.concat())
}

/// Adds `residual` to `input`, and normalises each row of the sum.
pub(super) fn add_normalize(
    input: FlexTensor,
    residual: FlexTensor,
    weight: &FlexTensor,
    bias: &FlexTensor,
    epsilon: f32,
) -> Normalized {
    let (weight, bias, residual) =
        (contiguous(weight.clone()), contiguous(bias.clone()), contiguous(residual));
    let affine = Affine { weight: elements(&weight), bias: elements(&bias), epsilon };
    let residual = elements(&residual);
    let chunk = rows_per_chunk(width(&input)) * width(&input);
    let (sum, output, moments) = update_with_copy(input, chunk, |index, sums, rows| {
        let residual = &residual[index * chunk..][..sums.len()];
        run(AddNormalize { sums, residual, normalize: Normalize { rows, affine } })
    });
    Normalized { sum, output, moments: moments.concat() }
}

/// Gradients of the input, the weight and the bias.
pub(super) fn backward(
    output_gradient: FlexTensor,
    input: &FlexTensor,
    moments: &[RowMoments],
    weight: &FlexTensor,
) -> LayerNormGradients {
    let (input, weight) = (contiguous(input.clone()), contiguous(weight.clone()));
    let (input, weight) = (elements(&input), elements(&weight));
    let rows = rows_per_chunk(weight.len());
    let chunk = rows * weight.len();
    let (input_gradient, partial) = update(output_gradient, chunk, |index, gradients| {
        let inputs = &input[index * chunk..][..gradients.len()];
        run(NormalizeBackward { gradients, inputs, moments: &moments[index * rows..], weight })
    });
    let (weights, biases): (Vec<_>, Vec<_>) = partial.into_iter().unzip();
    let vector = |partial| from_elements(add_in_order(partial, weight.len()), Shape::from([weight.len()]));
    LayerNormGradients { input: input_gradient, weight: vector(weights), bias: vector(biases) }
}

#[derive(Clone, Copy)]
struct Affine<'a> {
    weight: &'a [f32],
    bias: &'a [f32],
    epsilon: f32,
}

struct Normalize<'a> {
    rows: &'a mut [f32],
    affine: Affine<'a>,
}

impl Kernel for Normalize<'_> {
    type Output = Vec<RowMoments>;

    #[inline(always)]
    fn run(self) -> Vec<RowMoments> {
        let width = self.affine.weight.len();
        let mut moments = Vec::with_capacity(self.rows.len() / width);
        // A loop, because a collecting iterator would be compiled without the caller's features.
        for row in self.rows.chunks_exact_mut(width) {
            moments.push(normalize_row(row, self.affine));
        }
        moments
    }
}

struct AddNormalize<'a> {
    sums: &'a mut [f32],
    residual: &'a [f32],
    normalize: Normalize<'a>,
}

impl Kernel for AddNormalize<'_> {
    type Output = Vec<RowMoments>;

    #[inline(always)]
    fn run(self) -> Vec<RowMoments> {
        let Normalize { rows, affine } = self.normalize;
        let width = affine.weight.len();
        let mut moments = Vec::with_capacity(rows.len() / width);
        let sums = self.sums.chunks_exact_mut(width).zip(self.residual.chunks_exact(width));
        for ((sum, residual), row) in sums.zip(rows.chunks_exact_mut(width)) {
            add_rows(sum, residual, row);
            moments.push(normalize_row(row, affine));
        }
        moments
    }
}

/// Adds `residual` to `sum`, and leaves a copy of it in `copy`.
#[inline(always)]
fn add_rows(sum: &mut [f32], residual: &[f32], copy: &mut [f32]) {
    for ((sum, residual), copy) in sum.iter_mut().zip(residual).zip(copy) {
        *sum += residual;
        *copy = *sum;
    }
}

#[inline(always)]
fn normalize_row(row: &mut [f32], affine: Affine<'_>) -> RowMoments {
    let width = row.len() as f32;
    let mean = sum(row, |x| x) / width;
    let variance = sum(row, |x| (x - mean) * (x - mean)) / width;
    let scale = 1.0 / (variance + affine.epsilon).sqrt();
    for ((x, weight), bias) in row.iter_mut().zip(affine.weight).zip(affine.bias) {
        *x = (*x - mean) * scale * weight + bias;
    }
    RowMoments { mean, scale }
}

/// Turns the output's gradients into the input's; returns the sums over its rows for weight and bias.
struct NormalizeBackward<'a> {
    gradients: &'a mut [f32],
    inputs: &'a [f32],
    moments: &'a [RowMoments],
    weight: &'a [f32],
}

impl Kernel for NormalizeBackward<'_> {
    type Output = (Vec<f32>, Vec<f32>);

    #[inline(always)]
    fn run(self) -> (Vec<f32>, Vec<f32>) {
        let width = self.weight.len();
        let mut sums = (vec![0.0; width], vec![0.0; width]);
        let rows = self.gradients.chunks_exact_mut(width).zip(self.inputs.chunks_exact(width));
        for ((gradient, input), moments) in rows.zip(self.moments) {
            add_row(&mut sums.0, &mut sums.1, gradient, input, *moments);
            backward_row(gradient, input, self.weight, *moments);
        }
        sums
    }
}

#[inline(always)]
fn add_row(weight: &mut [f32], bias: &mut [f32], gradient: &[f32], input: &[f32], moments: RowMoments) {
    let sums = weight.iter_mut().zip(bias.iter_mut());
    for ((weight, bias), (gradient, x)) in sums.zip(gradient.iter().zip(input)) {
        *weight += gradient * ((x - moments.mean) * moments.scale);
        *bias += gradient;
    }
}

#[inline(always)]
fn backward_row(gradient: &mut [f32], input: &[f32], weight: &[f32], moments: RowMoments) {
    let RowMoments { mean, scale } = moments;
    let width = gradient.len() as f32;
    let offset = sum_of_two(gradient, weight, |g, w| g * w) / width;
    let slope = sum_of_three(gradient, weight, input, |g, w, x| g * w * ((x - mean) * scale)) / width;
    for ((g, w), x) in gradient.iter_mut().zip(weight).zip(input) {
        *g = scale * (*g * w - offset - (x - mean) * scale * slope);
    }
}
