//! `KnowledgeDistillationLoss`: both terms with every loss, temperatures and weights.

use autodistillation_distillation::criterion::Forwards;
use autodistillation_distillation::{
    Batch, Criterion, Feature, Features, KnowledgeDistillationLoss, LayerPath, LossKind, Targets,
};
use burn::tensor::{Device, Int, Tensor};

use crate::reference::{Reference, floats, leaf};

const TOLERANCE: f32 = 1e-6;

#[test]
fn both_terms_with_every_loss_agree_with_pytorch() {
    let reference = Reference::read("knowledge_distillation.safetensors");
    let cases: Vec<&str> =
        reference.cases("", "/gradient").into_iter().filter(|case| *case != "regression").collect();
    assert_eq!(cases.len(), 3 * 3 * 2 * 3);
    for case in cases {
        let parts: Vec<&str> = case.split('/').collect();
        let [own, other, temperature, weight] = parts.as_slice() else { panic!("{case}") };
        let weight: f64 = weight.parse().unwrap();
        let criterion = criterion(temperature.parse().unwrap(), [kind(own), kind(other)])
            .with_weights([weight, 1.0 - weight])
            .unwrap();
        agrees(&reference, &criterion, case, Targets::Classes(reference.integers("labels")));
    }
}

#[test]
fn real_values_are_learned_by_squared_errors_as_in_pytorch() {
    let reference = Reference::read("knowledge_distillation.safetensors");
    for own in [LossKind::CrossEntropy, LossKind::MeanSquared] {
        let criterion = criterion(1.0, [own, LossKind::MeanSquared]);
        let targets = Targets::Values(reference.tensor("regression/values"));
        agrees(&reference, &criterion, "regression", targets);
    }
}

fn criterion(temperature: f64, losses: [LossKind; 2]) -> KnowledgeDistillationLoss {
    let paths = (LayerPath::new("classifier"), LayerPath::new("classifier"));
    KnowledgeDistillationLoss::new(paths, temperature).unwrap().with_losses(losses)
}

fn kind(name: &str) -> LossKind {
    match name {
        "ce" => LossKind::CrossEntropy,
        "kl" => LossKind::KullbackLeibler,
        "mse" => LossKind::MeanSquared,
        other => panic!("{other}"),
    }
}

fn agrees(reference: &Reference, criterion: &KnowledgeDistillationLoss, case: &str, targets: Targets) {
    let side = |name: &str| if case == "regression" { format!("regression/{name}") } else { name.to_owned() };
    let student = leaf(reference.tensor::<2>(&side("student")));
    let teacher = reference.tensor::<2>(&side("teacher"));
    let at_classifier = |tensor: Tensor<2>| {
        let mut features = Features::new();
        features.insert(LayerPath::new("classifier"), Feature::Vectors(tensor));
        features
    };
    let forwards = Forwards {
        batch: &batch(targets),
        student: &at_classifier(student.clone()),
        teacher: &if criterion.teacher_taps().is_empty() { Features::new() } else { at_classifier(teacher) },
        progress: 0.0,
    };
    let total = criterion.terms(forwards).unwrap().total().unwrap();
    let gradients = total.backward();
    reference.assert_close(&format!("{case}/loss"), total, TOLERANCE);
    let gradient = floats(student.grad(&gradients).unwrap());
    reference.assert_values_close(&format!("{case}/gradient"), &gradient, TOLERANCE);
}

fn batch(targets: Targets) -> Batch {
    let device = Device::flex();
    let ids = Tensor::<2, Int>::zeros([4, 1], &device);
    let mask = Tensor::ones([4, 1], &device);
    let (rows, lengths, masked) = (vec![0, 1, 2, 3], vec![1; 4], vec![0; 4]);
    Batch { token_types: ids.clone(), ids, mask, targets, rows, lengths, masked }
}
