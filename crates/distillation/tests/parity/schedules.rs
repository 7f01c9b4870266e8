//! Learning rates step by step.

use autodistillation_distillation::{Decay, Schedule};

use crate::reference::Reference;

const TOLERANCE: f32 = 1e-7;
const STEPS: [u32; 3] = [1, 7, 40];

fn factors(schedule: Schedule, steps: u32) -> Vec<f32> {
    (0..steps).map(|step| schedule.factor(step, steps) as f32).collect()
}

#[test]
fn without_warm_up_the_rates_are_those_of_transformers() {
    let reference = Reference::read("schedules.safetensors");
    for steps in STEPS {
        for (name, decay) in [("linear", Decay::Linear), ("cosine", Decay::Cosine)] {
            let found = factors(Schedule { warmup: 0.0, decay }, steps);
            reference.assert_values_close(&format!("transformers/{name}/{steps}"), &found, TOLERANCE);
        }
    }
}

/// The first step of transformers has the rate 0; ours begins with its second.
#[test]
fn the_warm_up_is_that_of_transformers_without_its_idle_first_step() {
    let reference = Reference::read("schedules.safetensors");
    for (steps, warmup) in STEPS.into_iter().flat_map(|steps| [(steps, 0.1), (steps, 0.5)]) {
        let mut found = vec![0.0];
        found.extend(factors(Schedule { warmup, decay: Decay::Constant }, steps));
        reference.assert_values_close(&format!("transformers/constant/{steps}/{warmup}"), &found, TOLERANCE);
    }
}

#[test]
fn warm_up_and_decay_are_multiplied() {
    let reference = Reference::read("schedules.safetensors");
    let decays = [("constant", Decay::Constant), ("linear", Decay::Linear), ("cosine", Decay::Cosine)];
    for (steps, warmup) in STEPS.into_iter().flat_map(|steps| [(steps, 0.1), (steps, 0.5)]) {
        for (name, decay) in decays {
            let found = factors(Schedule { warmup, decay }, steps);
            reference.assert_values_close(&format!("product/{name}/{steps}/{warmup}"), &found, TOLERANCE);
        }
    }
}
