//! The same training on the CPU and through Vulkan. `scripts/test-gpu` builds and runs it.
#![cfg(feature = "vulkan")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use autodistillation::config::PlanOverrides;
use autodistillation::distill::{DistillOptions, distill};
use autodistillation::distillation::Event;
use autodistillation::experiment::Teaching;
use autodistillation::search::{Architecture, Metrics};
use autodistillation::{ComputeDevice, Plan, RunEvent};

const CONFIG: &str = "
model: {name: tiny, framework: pytorch}
teacher: {finetune: {hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 4, intermediate_size: 64, steps: 20, learning_rate: 2.0e-3}}
student: {family: bert, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 32}
data: {demo: {name: reviews, train: 200, validation: 80, test: 80, seed: 7}, max_length: 32}
auto_distillation:
  search: {search_space: {hidden_size: [16]}, metrics: [accuracy], max_trials: 1}
  flash_distillation:
    knowledge_transfer: {layer_mappings_for_knowledge_transfer: auto, train_steps: [5]}
    regular_distillation: {layer_mappings_for_knowledge_transfer: [[[classifier, '0', classifier, '0']]], loss_types: [[KL]], add_origin_loss: [true], temperature: [2.0], train_steps: [10]}
train: {optimizer: {AdamW: {learning_rate: 1.0e-3}}, batch_size: 16}
evaluation: {latency: {batch_size: 1, length: 8, threads: 1, repeats: 3}}
";

/// The losses of every step, flash stages first, and the student's metrics.
fn lesson(device: ComputeDevice) -> (Vec<f32>, Metrics) {
    let folder = tempfile::tempdir().unwrap();
    let overrides = PlanOverrides { device: Some(device), seed: Some(3), ..PlanOverrides::default() };
    let plan = Plan::parse(CONFIG, Path::new("config.yaml")).unwrap().overridden_by(&overrides);
    let losses = Mutex::new(Vec::new());
    let listener = |event: &RunEvent| {
        if let RunEvent::Training { event: Event::Step { loss, .. }, .. } = event {
            losses.lock().unwrap().push(*loss);
        }
    };
    let options = DistillOptions {
        output: folder.path().join("student"),
        architecture: [("hidden_size", 16)].into_iter().collect::<Architecture>(),
        teaching: Teaching::Distilled,
        cache: None,
    };
    let metrics = distill(plan, &options, (&listener, &AtomicBool::new(false))).unwrap();
    (losses.into_inner().unwrap(), metrics)
}

#[test]
fn a_short_training_has_the_losses_of_the_cpu() {
    let device = [ComputeDevice::Vulkan(None), ComputeDevice::VulkanOnCpu]
        .into_iter()
        .find(|device| device.open().is_ok());
    let device = device.expect("Vulkan finds a GPU or a software driver: scripts/test-gpu installs one");
    let (cpu, gpu) = (lesson(ComputeDevice::Flex), lesson(device));
    assert_eq!(cpu.0.len(), gpu.0.len());
    for (step, (cpu, gpu)) in cpu.0.iter().zip(&gpu.0).enumerate() {
        assert!(
            (cpu - gpu).abs() < 2e-3 * cpu.abs().max(1.0),
            "step {step}: {cpu} on the CPU, {gpu} on {device}"
        );
    }
    let loss = |metrics: &Metrics| metrics.get("loss").unwrap();
    assert!((loss(&cpu.1) - loss(&gpu.1)).abs() < 5e-3, "{cpu:?}\n{gpu:?}");
}
