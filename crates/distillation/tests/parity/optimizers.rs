//! AdamW, Adam and SGD over several steps, and the clipping of gradients by their global norm.

use autodistillation_distillation::gradients::{FlatGradients, Gradient};
use autodistillation_distillation::optimizer::StepSize;
use autodistillation_distillation::{AdamConfig, Optimizer, OptimizerConfig, SgdConfig};
use burn::module::{Module, Param};
use burn::tensor::Tensor;

use crate::reference::{Reference, floats, leaf, parameters};

const TOLERANCE: f32 = 1e-6;
const STEPS: usize = 5;

/// A matrix, which is decayed, and a vector, which is not.
#[derive(Module, Debug)]
struct Pair {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

impl Pair {
    fn of(reference: &Reference) -> Self {
        Self {
            weight: Param::from_tensor(leaf(reference.tensor("start/weight"))),
            bias: Param::from_tensor(leaf(reference.tensor("start/bias"))),
        }
    }

    /// The reference's gradients of `step`.
    fn gradients(&self, reference: &Reference, step: usize) -> FlatGradients {
        let weight = reference.tensor::<2>(&format!("gradient/{step}/weight"));
        let bias = reference.tensor::<1>(&format!("gradient/{step}/bias"));
        let sum = (self.weight.val() * weight).sum() + (self.bias.val() * bias).sum();
        let mut flat = FlatGradients::default();
        flat.collect(self, &mut sum.backward());
        flat
    }
}

#[test]
fn several_steps_of_every_optimizer_agree_with_pytorch() {
    let adam = |weight_decay| AdamConfig { weight_decay, ..AdamConfig::default() };
    let sgd = |momentum, nesterov, weight_decay| {
        let learning_rate = SgdConfig::default().learning_rate;
        OptimizerConfig::Sgd(SgdConfig { learning_rate, momentum, nesterov, weight_decay })
    };
    let other_constants = AdamConfig { beta1: 0.8, beta2: 0.95, epsilon: 1e-3, ..adam(0.2) };
    for (name, config, learning_rate) in [
        ("adamw", OptimizerConfig::AdamW(adam(0.05)), 0.02),
        ("adamw_constants", OptimizerConfig::AdamW(other_constants), 0.02),
        ("adam", OptimizerConfig::Adam(adam(0.1)), 0.02),
        ("sgd", sgd(0.0, false, 0.0), 0.1),
        ("sgd_decay", sgd(0.0, false, 0.3), 0.1),
        ("sgd_momentum", sgd(0.9, false, 0.3), 0.1),
        ("sgd_nesterov", sgd(0.9, true, 0.3), 0.1),
    ] {
        follow(&Reference::read("optimizers.safetensors"), (name, config), learning_rate);
    }
}

fn follow(reference: &Reference, (name, config): (&str, OptimizerConfig), learning_rate: f64) {
    let mut pair = Pair::of(reference);
    let mut optimizer = Optimizer::new(config);
    for step in 0..STEPS {
        let mut gradients = pair.gradients(reference, step);
        optimizer.next_step();
        pair = optimizer.update(pair, &mut gradients, StepSize { learning_rate, gradient_scale: 1.0 });
        for (part, values) in ["weight", "bias"].iter().zip(parameters(&pair)) {
            reference.assert_values_close(&format!("{name}/{step}/{part}"), &values, TOLERANCE);
        }
    }
}

#[test]
fn gradients_are_clipped_by_their_global_norm_as_in_pytorch() {
    let reference = Reference::read("optimizers.safetensors");
    let pair = Pair::of(&reference);
    for (most, step) in [0.5, 100.0].into_iter().flat_map(|most| (0..STEPS).map(move |step| (most, step))) {
        let case = format!("clip/{most:?}/{step}");
        let mut gradients = pair.gradients(&reference, step);
        reference.assert_values_close(&format!("{case}/norm"), &[gradients.norm() as f32], TOLERANCE);
        let scale = gradients.clipping(most);
        for (part, id) in [("weight", pair.weight.id), ("bias", pair.bias.id)] {
            let Some(Gradient::Dense(gradient)) = gradients.take(id) else { panic!("no gradient of {part}") };
            let clipped = floats(gradient * scale);
            reference.assert_values_close(&format!("{case}/{part}"), &clipped, TOLERANCE);
        }
    }
}
