//! Dropout that is drawn from the key of its site in the network, and absent in evaluation.

use autodistillation_distillation::Mode;
use autodistillation_kernels as kernels;
use burn::tensor::Tensor;

/// Drops elements in training with `probability`; the rest is scaled up so that the expectation stays.
pub(crate) fn dropout<const D: usize>(input: Tensor<D>, probability: f64, mode: Mode) -> Tensor<D> {
    match mode {
        Mode::Evaluation => input,
        Mode::Training(key) => kernels::dropout(input, probability, key),
    }
}

/// The mode of one part of a network: its dropout is unrelated to that of the other parts.
pub(crate) fn site(mode: Mode, label: usize) -> Mode {
    match mode {
        Mode::Evaluation => Mode::Evaluation,
        Mode::Training(key) => Mode::Training(key.derive(label as u64)),
    }
}
