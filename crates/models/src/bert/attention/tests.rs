//! Self-attention on its own against PyTorch's numbers.

use autodistillation_distillation::{Feature, Mode, Taps};
use burn::module::Param;

use super::*;
use crate::test_reference::{Reference, difference, relative_difference};
use crate::weights::transposed;

const TOLERANCE: f32 = 1e-5;

fn trainable<const D: usize>(tensor: Tensor<D>) -> Param<Tensor<D>> {
    Param::from_tensor(tensor.autodiff().require_grad())
}

fn linear(reference: &Reference, name: &str) -> Linear {
    Linear {
        weight: trainable(reference.tensor::<2>(&format!("{name}.weight")).transpose()),
        bias: trainable(reference.tensor(&format!("{name}.bias"))),
        arithmetic: kernels::Arithmetic::F32,
    }
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.without_autodiff().into_data().try_into_vec().unwrap()
}

#[test]
fn attention_agrees_with_pytorch_forward_and_backward() {
    let reference = Reference::of("attention");
    let [query, key, value] = ["query", "key", "value"].map(|name| linear(&reference, name));
    let attention = SelfAttention { query, key, value, heads: 3, dropout: 0.5 };
    let hidden = reference.tensor::<3>("hidden").autodiff().require_grad();
    let (mask, probabilities) = (reference.tensor("mask"), paths::probabilities(0));
    let taps = Taps::new([probabilities.clone(), paths::in_layer(0, "output")]);
    let mut pass = Pass::new(&taps, Mode::Evaluation);
    let (queries, mode) = (hidden.clone(), Mode::Evaluation);
    let input = LayerInput { layer: 0, hidden: hidden.clone(), queries, mask: &mask, mode };
    let context = attention.forward(&input.attention(), &mut pass).unwrap();
    let features = pass.into_features(&taps, Clone::clone);
    let Some(Feature::Attention(maps)) = features.get(&probabilities) else { panic!("{features:?}") };

    assert!(difference(&values(context.clone()), reference.values("context")) < TOLERANCE);
    assert!(difference(&values(maps.clone()), reference.values("probabilities")) < TOLERANCE);
    let loss = (context * reference.tensor::<3>("weight.context")).sum()
        + (maps.clone() * reference.tensor::<4>("weight.probabilities")).sum();
    let gradients = loss.backward();
    let close = |name: &str, found: Vec<f32>| {
        let apart = relative_difference(&found, reference.values(&format!("gradient.{name}")));
        assert!(apart < TOLERANCE, "gradient of {name} differs by {apart}");
    };
    close("hidden", values(hidden.grad(&gradients).unwrap()));
    for (name, linear) in [("query", &attention.query), ("key", &attention.key), ("value", &attention.value)]
    {
        let weight = values(linear.weight.val().grad(&gradients).unwrap());
        close(&format!("{name}.weight"), transposed(&weight, 12, 12));
        if name != "key" {
            close(&format!("{name}.bias"), values(linear.bias.val().grad(&gradients).unwrap()));
        }
    }
    // A key's bias moves all scores of a query alike, so that its gradient is zero but for rounding.
    let of_key_bias = values(attention.key.bias.val().grad(&gradients).unwrap());
    assert!(difference(&of_key_bias, &[0.0; 12]) < TOLERANCE, "{of_key_bias:?}");
}
