//! Cross entropy of logits with class ids.

use burn::tensor::{Int, Tensor};

use crate::composed;

/// Mean over rows of `−log softmax(logits)[target]`; logits are (rows, classes), targets (rows), the result has one element.
pub fn cross_entropy(logits: Tensor<2>, targets: Tensor<1, Int>) -> Tensor<1> {
    composed::cross_entropy(logits, targets)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Int, Tensor};

    use super::*;
    use crate::parity::{assert_gradients_match_differences, floats, plain, values};

    fn targets() -> Tensor<1, Int> {
        Tensor::from_ints([2, 0, 1], &Device::flex())
    }

    #[test]
    fn equal_logits_cost_the_logarithm_of_the_number_of_classes() {
        let loss = floats(cross_entropy(plain(&[5.0; 12], [3, 4]), targets()));
        assert!((loss[0] - 4.0_f32.ln()).abs() < 1.0e-6);
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        assert_gradients_match_differences(&[values(1, 12)], |mut inputs| {
            cross_entropy(inputs.remove(0).reshape([3, 4]), targets())
        });
    }
}
