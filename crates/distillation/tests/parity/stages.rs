//! Whole stages of a tiny network: criterion, clipping, schedule and optimiser together, step by step.

use std::cell::RefCell;
use std::ops::ControlFlow;

use autodistillation_distillation::{
    AdamConfig, Block, Course, CriterionConfig, Decay, Event, Example, ExampleSet, FeatureMatcher,
    LayerMapping, LayerPath, LogitScale, LossKind, MatcherValues, Matchers, MatchingOptions, Normalize,
    OptimizerConfig, OriginLoss, Ramp, Schedule, Seeds, SgdConfig, Stage, StageKind, Target, Teacher,
    TrainingSettings,
};

use crate::networks::Averager;
use crate::reference::{Reference, parameters};

const TOLERANCE: f32 = 1e-5;
const STEPS: u32 = 8;

#[test]
fn a_stage_on_features_with_a_matcher_takes_the_steps_of_pytorch() {
    let reference = Reference::read("stages.safetensors");
    let mapping = |layer: &str, loss, weight| LayerMapping {
        student: LayerPath::new(layer),
        teacher: LayerPath::new(layer),
        loss,
        weight: f64::into(weight),
    };
    let criterion = CriterionConfig::IntermediateLayers {
        mappings: vec![
            mapping("hidden", LossKind::MeanSquared, 0.5),
            mapping("classifier", LossKind::KullbackLeibler, 0.25),
        ],
        options: MatchingOptions {
            normalize: Normalize::TeacherVariance,
            temperature: 2.0.into(),
            ..MatchingOptions::default()
        },
        origin_loss: OriginLoss::Added,
    };
    let settings = TrainingSettings {
        optimizer: OptimizerConfig::AdamW(AdamConfig { weight_decay: 0.1, ..AdamConfig::default() }),
        schedule: Schedule { warmup: 0.25, decay: Decay::Linear },
        max_gradient_norm: Some(1.0),
        ..settings()
    };
    let mut matchers = Matchers::from([("hidden → hidden".to_owned(), matcher(&reference))]);
    follow(&reference, "features", (&stage(criterion, 0.05), &settings), &mut matchers);
    let [weight, bias] = parameters(&matchers["hidden → hidden"]).try_into().unwrap();
    reference.assert_values_close("features/matcher_weight", &weight, TOLERANCE);
    reference.assert_values_close("features/matcher_bias", &bias, TOLERANCE);
}

#[test]
fn a_stage_on_logits_in_micro_batches_takes_the_steps_of_pytorch() {
    let reference = Reference::read("stages.safetensors");
    let criterion = CriterionConfig::KnowledgeDistillation {
        temperature: 2.0.into(),
        losses: [LossKind::CrossEntropy, LossKind::KullbackLeibler],
        weights: [0.4.into(), 0.6.into()],
        logits: LogitScale::Plain,
    };
    let sgd = SgdConfig { learning_rate: 0.3, momentum: 0.9, nesterov: true, weight_decay: 0.1 };
    let settings = TrainingSettings {
        optimizer: OptimizerConfig::Sgd(sgd),
        schedule: Schedule { warmup: 0.5, decay: Decay::Cosine },
        accumulation: 2,
        max_gradient_norm: Some(0.5),
        ..settings()
    };
    follow(&reference, "logits", (&stage(criterion, 0.3), &settings), &mut Matchers::new());
}

#[test]
fn temperatures_and_weights_change_step_by_step_as_in_pytorch() {
    let reference = Reference::read("ramped_stage.safetensors");
    let mapping = |layer: &str, loss, weight| {
        let path = LayerPath::new(layer);
        LayerMapping { student: path.clone(), teacher: path, loss, weight }
    };
    let criterion = CriterionConfig::IntermediateLayers {
        mappings: vec![
            mapping("hidden", LossKind::Cosine, Ramp { from: 0.8, to: 0.0 }),
            mapping("classifier", LossKind::KullbackLeibler, Ramp { from: 0.2, to: 0.5 }),
        ],
        options: MatchingOptions { temperature: Ramp { from: 4.0, to: 1.0 }, ..MatchingOptions::default() },
        origin_loss: OriginLoss::Added,
    };
    let settings = TrainingSettings {
        optimizer: OptimizerConfig::AdamW(AdamConfig { weight_decay: 0.1, ..AdamConfig::default() }),
        schedule: Schedule { warmup: 0.25, decay: Decay::Linear },
        max_gradient_norm: Some(1.0),
        ..settings()
    };
    follow(&reference, "ramps", (&stage(criterion, 0.05), &settings), &mut Matchers::new());
}

/// A batch holds the whole set, so that its order does not matter.
fn settings() -> TrainingSettings {
    TrainingSettings {
        optimizer: OptimizerConfig::AdamW(AdamConfig::default()),
        schedule: Schedule::default(),
        batch_size: 6,
        accumulation: 1,
        max_gradient_norm: None,
        early_stop: None,
    }
}

fn stage(criterion: CriterionConfig, learning_rate: f64) -> Stage {
    Stage { kind: StageKind::Regular, block: Block::everything(), criterion, steps: STEPS, learning_rate }
}

fn matcher(reference: &Reference) -> FeatureMatcher {
    let numbers = |name: &str| reference.values(name).to_vec();
    let (weight, bias) = (numbers("matcher/weight"), numbers("matcher/bias"));
    FeatureMatcher::from_values(
        &MatcherValues { student: 3, teacher: 4, weight, bias },
        &burn::tensor::Device::flex(),
    )
}

fn follow(
    reference: &Reference,
    case: &str,
    (stage, settings): (&Stage, &TrainingSettings),
    matchers: &mut Matchers,
) {
    let losses = RefCell::new(Vec::new());
    let listener = |event: &Event| {
        if let Event::Step { loss, .. } = event {
            losses.borrow_mut().push(*loss);
        }
        ControlFlow::<()>::Continue(())
    };
    let course = Course {
        teacher: &Teacher::new(Averager::of(reference, "teacher"), 1 << 20),
        training: &texts(),
        validation: &texts(),
        settings,
        seeds: Seeds { order: 1, trial: 2 },
        listener: &listener,
    };
    let (student, _) = course.run_stage(Averager::of(reference, "start"), (0, stage), matchers).unwrap();
    reference.assert_values_close(&format!("{case}/losses"), &losses.borrow(), TOLERANCE);
    for (name, values) in ["table", "weight", "bias"].iter().zip(parameters(&student)) {
        reference.assert_values_close(&format!("{case}/{name}"), &values, TOLERANCE);
    }
}

fn texts() -> ExampleSet {
    let texts: [&[u32]; 6] = [&[1, 2, 3, 4], &[5, 6], &[2, 1], &[4], &[6, 3, 1, 5], &[3]];
    let example = |(place, ids): (usize, &&[u32])| Example {
        ids: ids.to_vec(),
        token_types: vec![0; ids.len()],
        target: Target::Class(place as u32 % 3),
    };
    ExampleSet::new(texts.iter().enumerate().map(example).collect(), 0)
}
