//! The operators composed from Burn's own: the reference that fused bodies are tested and timed against.

use burn::tensor::{Int, Tensor, activation};

use crate::{AdamWStep, DropoutKey, WeightDecay};

/// Added to the scores of padding keys: far below any real score, yet finite, so that a row of padding alone stays finite.
pub(crate) const MASKED_SCORE: f32 = -1.0e30;

/// `input · weight + bias` on rows.
pub fn linear<const D: usize>(input: Tensor<D>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<D> {
    let mut dims = input.dims();
    let [width, output] = weight.dims();
    let rows = dims[..D - 1].iter().product();
    let product = input.reshape([rows, width]).matmul(weight); // (rows, out)
    let product = match bias {
        Some(bias) => product + bias.unsqueeze::<2>(),
        None => product,
    };
    dims[D - 1] = output;
    product.reshape(dims)
}

/// `(input − mean) / sqrt(variance + epsilon) · weight + bias` over the last dimension, with the population variance.
pub fn layer_norm<const D: usize>(
    input: Tensor<D>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    epsilon: f64,
) -> Tensor<D> {
    let centred = input.clone() - input.mean_dim(D - 1);
    let variance = centred.clone().square().mean_dim(D - 1);
    let normalized = centred / variance.add_scalar(epsilon).sqrt();
    normalized * weight.unsqueeze::<D>() + bias.unsqueeze::<D>()
}

/// `x · Φ(x)` with the exact normal distribution function.
pub fn gelu<const D: usize>(input: Tensor<D>) -> Tensor<D> {
    activation::gelu(input)
}

/// `x/2 · (1 + tanh(sqrt(2/π) · (x + 0.044715 x³)))`.
pub fn gelu_tanh<const D: usize>(input: Tensor<D>) -> Tensor<D> {
    let cube = input.clone() * input.clone() * input.clone();
    let inner = (input.clone() + cube * 0.044715) * (2.0 / core::f64::consts::PI).sqrt();
    input * (inner.tanh() + 1.0) * 0.5
}

/// `softmax(scale · scores)` over the keys, where padding keys get probability 0.
pub fn masked_softmax(scores: Tensor<4>, mask: Tensor<2>, scale: f32) -> Tensor<4> {
    let [batch, keys] = mask.dims();
    let padding = mask.sub_scalar(1.0).mul_scalar(-MASKED_SCORE).reshape([batch, 1, 1, keys]);
    activation::softmax(scores * scale + padding, 3)
}

/// `softmax(q · kᵀ / √size) · v` in each head.
pub fn attention([query, key, value]: [Tensor<3>; 3], mask: Tensor<2>, heads: usize) -> Tensor<3> {
    let [batch, rows, hidden] = query.dims();
    let size = hidden / heads;
    let [query, key, value] = [query, key, value].map(|states| {
        let rows = states.dims()[1];
        states.reshape([batch, rows, heads, size]).swap_dims(1, 2) // (batch, heads, rows, size)
    });
    let scores = query.matmul(key.swap_dims(2, 3)); // (batch, heads, rows, length)
    let probabilities = masked_softmax(scores, mask, (size as f32).sqrt().recip());
    probabilities.matmul(value).swap_dims(1, 2).reshape([batch, rows, hidden])
}

/// Zeroes each element with `probability` and divides the rest by `1 − probability`.
pub fn dropout<const D: usize>(input: Tensor<D>, probability: f64, key: DropoutKey) -> Tensor<D> {
    let mask = key.mask(probability, input.shape().num_elements());
    let mask = Tensor::<1>::from_floats(mask.as_slice(), &input.device()).reshape(input.shape());
    input * mask
}

/// Rows of `weight` at `ids`.
pub fn embedding(weight: Tensor<2>, ids: Tensor<2, Int>) -> Tensor<3> {
    burn::tensor::module::embedding(weight, ids)
}

/// Mean over rows of `−log softmax(logits)[target]`.
pub fn cross_entropy(logits: Tensor<2>, targets: Tensor<1, Int>) -> Tensor<1> {
    let rows = targets.dims()[0];
    let log_probabilities = activation::log_softmax(logits, 1);
    log_probabilities.gather(1, targets.reshape([rows, 1])).mean().neg()
}

/// One step of AdamW or Adam, as in PyTorch.
pub fn adamw_step<const D: usize>(
    parameter: Tensor<D>,
    gradient: Tensor<D>,
    (first, second): (Tensor<D>, Tensor<D>),
    step: &AdamWStep,
) -> (Tensor<D>, (Tensor<D>, Tensor<D>)) {
    let gradient = gradient * step.gradient_scale;
    let (parameter, gradient) = match step.decoupled {
        WeightDecay::Decoupled => (parameter * (1.0 - step.learning_rate * step.weight_decay), gradient),
        WeightDecay::L2 => (parameter.clone(), gradient + parameter * step.weight_decay),
    };
    let first = first * step.beta1 + gradient.clone() * (1.0 - step.beta1);
    let second = second * step.beta2 + gradient.square() * (1.0 - step.beta2);
    let (correction1, correction2) = step.bias_corrections();
    let denominator = second.clone().sqrt() / correction2.sqrt() + step.epsilon;
    let parameter = parameter - first.clone() / denominator * (step.learning_rate / correction1);
    (parameter, (first, second))
}
