//! `IntermediateLayersKnowledgeDistillationLoss`: every kind of feature with every loss, padding present.

use autodistillation_distillation::criterion::Forwards;
use autodistillation_distillation::{
    Batch, Criterion, Feature, FeatureMatcher, Features, HeadMatching,
    IntermediateLayersKnowledgeDistillationLoss, LayerMapping, LayerPath, LogitScale, LossKind,
    MatcherValues, MatchingOptions, Normalize, OriginLoss, Reduction, Targets,
};
use burn::tensor::{Device, Gradients, Int, Tensor};

use crate::networks::Shapes;
use crate::reference::{Reference, floats, gradients, leaf};

const TOLERANCE: f32 = 2e-6;
const LENGTHS: [u32; 3] = [5, 3, 1];

#[test]
fn every_loss_between_every_kind_of_feature_agrees_with_pytorch() {
    let reference = Reference::read("features.safetensors");
    let cases = reference.cases("", "/gradient");
    assert_eq!(cases.len(), 7 * 7 + 4 * 3);
    for case in cases {
        agrees(&reference, case);
    }
}

#[test]
fn losses_beyond_the_origins_agree_with_pytorch() {
    let reference = Reference::read("further_losses.safetensors");
    let cases = reference.cases("", "/gradient");
    assert_eq!(cases.len(), 7 * 8 + 4 * 2 + 2 * 3 + 4);
    for case in cases {
        agrees(&reference, case);
    }
}

/// A case is `kind/loss/temperature`.
fn agrees(reference: &Reference, case: &str) {
    let parts: Vec<&str> = case.split('/').collect();
    let [kind, loss, temperature] = parts.as_slice() else { panic!("{case}") };
    let (loss, options) = options(kind, loss, temperature.parse().unwrap());
    let mut criterion = criterion(reference, &[mapping(kind, loss, 1.0)], options);
    let student = Leaf::of(reference, kind);
    let total = total(&criterion, &features(&[(*kind, &student)]), reference, Targets::Absent);
    let of_student = total.backward();
    reference.assert_close(&format!("{case}/loss"), total, TOLERANCE);
    reference.assert_values_close(&format!("{case}/gradient"), &student.gradient(&of_student), TOLERANCE);
    let matchers = criterion.matchers().unwrap();
    assert_eq!(matchers.len(), usize::from(kind.ends_with("_matched")), "{case}");
    for matcher in matchers.values() {
        let found = gradients(matcher, &of_student);
        for (name, gradient) in ["weight", "bias"].iter().zip(&found) {
            reference.assert_values_close(&format!("{case}/{name}_gradient"), gradient, TOLERANCE);
        }
    }
}

#[test]
fn weighted_terms_and_the_students_own_loss_add_up_as_in_pytorch() {
    let reference = Reference::read("features.safetensors");
    let options = MatchingOptions { normalize: Normalize::TeacherVariance, ..MatchingOptions::default() };
    let mappings = [
        mapping("sequence", LossKind::MeanSquared, 0.7),
        mapping("attention", LossKind::KullbackLeibler, 0.3),
        mapping("vectors", LossKind::KullbackLeibler, 0.5),
    ];
    let criterion = criterion(&reference, &mappings, options)
        .with_origin_loss(OriginLoss::Added, LayerPath::new("vectors"));
    for (name, targets) in [
        ("classes", Targets::Classes(reference.integers("labels"))),
        ("values", Targets::Values(reference.tensor("values"))),
    ] {
        let leaves = ["sequence", "attention", "vectors"].map(|kind| (kind, Leaf::of(&reference, kind)));
        let student = features(&leaves.each_ref().map(|(kind, leaf)| (*kind, leaf)));
        let total = total(&criterion, &student, &reference, targets);
        let found = total.backward();
        reference.assert_close(&format!("sum/{name}/loss"), total, TOLERANCE);
        for (kind, leaf) in &leaves {
            reference.assert_values_close(&format!("sum/{name}/{kind}"), &leaf.gradient(&found), TOLERANCE);
        }
    }
}

fn options(kind: &str, loss: &str, temperature: f64) -> (LossKind, MatchingOptions) {
    let (name, option) = loss.split_once('_').unwrap_or((loss, ""));
    let loss_kind = match name {
        "mse" => LossKind::MeanSquared,
        "l1" => LossKind::MeanAbsolute,
        "l2" => LossKind::Euclidean,
        "kl" => LossKind::KullbackLeibler,
        "rkl" => LossKind::ReverseKullbackLeibler,
        "jsd" => LossKind::JensenShannon,
        "ce" => LossKind::CrossEntropy,
        "cos" => LossKind::Cosine,
        "pkd" => LossKind::Patient,
        "relation" => LossKind::Relation,
        _ => panic!("{loss}"),
    };
    let options = MatchingOptions {
        normalize: if option == "relative" { Normalize::TeacherVariance } else { Normalize::None },
        reduction: if option == "elements" { Reduction::ElementMean } else { Reduction::RowMean },
        heads: if kind.ends_with("_means") { HeadMatching::Mean } else { HeadMatching::Matcher },
        logits: if option == "standardized" { LogitScale::Standardized } else { LogitScale::Plain },
        relation_heads: option.parse().ok(),
        temperature: temperature.into(),
    };
    (loss_kind, options)
}

fn mapping(kind: &str, loss: LossKind, weight: f64) -> LayerMapping {
    let path = LayerPath::new(kind);
    LayerMapping { student: path.clone(), teacher: path, loss, weight: weight.into() }
}

/// The criterion with the reference's matchers in place of its random ones.
fn criterion(
    reference: &Reference,
    mappings: &[LayerMapping],
    options: MatchingOptions,
) -> IntermediateLayersKnowledgeDistillationLoss {
    let kinds: Vec<&str> = mappings.iter().map(|mapping| mapping.student.module.as_str()).collect();
    let networks = (&Shapes::of(reference, &kinds, "student"), &Shapes::of(reference, &kinds, "teacher"));
    let mut criterion =
        IntermediateLayersKnowledgeDistillationLoss::new(networks, mappings, options, 1).unwrap();
    for matcher in criterion.feature_matchers.values_mut() {
        let name = |part: &str| format!("{}/{part}", kinds[0]);
        let [student, teacher] = *reference.dims(&name("weight")) else { panic!("{kinds:?}") };
        let numbers = |part: &str| reference.values(&name(part)).to_vec();
        let values = MatcherValues { student, teacher, weight: numbers("weight"), bias: numbers("bias") };
        *matcher = FeatureMatcher::from_values(&values, &Device::flex());
    }
    criterion
}

fn total(
    criterion: &IntermediateLayersKnowledgeDistillationLoss,
    student: &Features,
    reference: &Reference,
    targets: Targets,
) -> Tensor<1> {
    let mut teacher = Features::new();
    for path in criterion.teacher_taps().paths() {
        teacher.insert(path.clone(), constant(reference, &format!("{path}/teacher")));
    }
    let forwards = Forwards { batch: &batch(targets), student, teacher: &teacher, progress: 0.0 };
    criterion.terms(forwards).unwrap().total().unwrap()
}

pub fn batch(targets: Targets) -> Batch {
    let device = Device::flex();
    let mask = LENGTHS.map(|length| std::array::from_fn::<f32, 5, _>(|at| f32::from((at as u32) < length)));
    let ids = Tensor::<2, Int>::zeros([3, 5], &device);
    let mask = Tensor::from_floats(mask, &device);
    let (rows, lengths, masked) = (vec![0, 1, 2], LENGTHS.to_vec(), vec![0; 3]);
    Batch { token_types: ids.clone(), ids, mask, targets, rows, lengths, masked }
}

fn constant(reference: &Reference, name: &str) -> Feature {
    match reference.dims(name).len() {
        2 => Feature::Vectors(reference.tensor(name)),
        3 => Feature::Sequence(reference.tensor(name)),
        _ => Feature::Attention(reference.tensor(name)),
    }
}

/// A student's feature whose gradient can be asked for.
struct Leaf(Feature);

impl Leaf {
    fn of(reference: &Reference, kind: &str) -> Self {
        Self(match constant(reference, &format!("{kind}/student")) {
            Feature::Vectors(tensor) | Feature::MaskedTokens(tensor) => Feature::Vectors(leaf(tensor)),
            Feature::Sequence(tensor) | Feature::Spans(tensor) => Feature::Sequence(leaf(tensor)),
            Feature::Attention(tensor) => Feature::Attention(leaf(tensor)),
        })
    }

    fn gradient(&self, gradients: &Gradients) -> Vec<f32> {
        match &self.0 {
            Feature::Vectors(tensor) | Feature::MaskedTokens(tensor) => {
                floats(tensor.grad(gradients).unwrap())
            }
            Feature::Sequence(tensor) | Feature::Spans(tensor) => floats(tensor.grad(gradients).unwrap()),
            Feature::Attention(tensor) => floats(tensor.grad(gradients).unwrap()),
        }
    }
}

fn features(leaves: &[(&str, &Leaf)]) -> Features {
    let mut features = Features::new();
    for (kind, leaf) in leaves {
        features.insert(LayerPath::new(*kind), leaf.0.clone());
    }
    features
}
