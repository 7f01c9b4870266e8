//! Several labels at once and classes of tokens: losses as PyTorch's, metrics as scikit-learn's and seqeval's.

use autodistillation_distillation::criterion::{Forwards, task_loss};
use autodistillation_distillation::metrics::Metric;
use autodistillation_distillation::{
    Batch, Criterion, Evaluation, Feature, Features, KnowledgeDistillationLoss, LayerPath, LossKind, Target,
    Targets,
};
use burn::tensor::{Device, Int, Tensor};

use crate::reference::{Reference, floats, leaf};

const TOLERANCE: f32 = 1e-6;
const LENGTHS: [usize; 3] = [5, 3, 2];

fn reference() -> Reference {
    Reference::read("tasks.safetensors")
}

fn assert_graded<const D: usize>(reference: &Reference, case: &str, loss: Tensor<1>, logits: &Tensor<D>) {
    let gradients = loss.backward();
    reference.assert_close(&format!("{case}/loss"), loss, TOLERANCE);
    let gradient = floats(logits.grad(&gradients).unwrap());
    reference.assert_values_close(&format!("{case}/gradient"), &gradient, TOLERANCE);
}

fn criterion(loss: LossKind, temperature: f64, weights: [f64; 2]) -> KnowledgeDistillationLoss {
    let paths = (LayerPath::new("classifier"), LayerPath::new("classifier"));
    let criterion = KnowledgeDistillationLoss::new(paths, temperature).unwrap().with_losses([loss; 2]);
    criterion.with_weights(weights).unwrap()
}

fn total(criterion: &KnowledgeDistillationLoss, batch: &Batch, sides: [Feature; 2]) -> Tensor<1> {
    let [student, teacher] = sides.map(|feature| {
        let mut features = Features::new();
        features.insert(LayerPath::new("classifier"), feature);
        features
    });
    let forwards = Forwards { batch, student: &student, teacher: &teacher, progress: 0.0 };
    criterion.terms(forwards).unwrap().total().unwrap()
}

fn batch(length: usize, lengths: &[usize], targets: Targets) -> Batch {
    let device = Device::flex();
    let ids = Tensor::<2, Int>::zeros([lengths.len(), length], &device);
    let rows: Vec<f32> = lengths
        .iter()
        .flat_map(|real| (0..length).map(move |at| if at < *real { 1.0 } else { 0.0 }))
        .collect();
    let mask = Tensor::<1>::from_floats(rows.as_slice(), &device).reshape([lengths.len(), length]);
    let rows: Vec<u32> = (0..lengths.len() as u32).collect();
    let lengths = lengths.iter().map(|&length| length as u32).collect();
    let masked = vec![0; rows.len()];
    Batch { token_types: ids.clone(), ids, mask, targets, rows, lengths, masked }
}

#[test]
fn several_labels_have_pytorchs_losses() {
    let reference = reference();
    let student = || leaf(reference.tensor::<2>("labels/student"));
    let targets = Targets::Labels(reference.tensor("labels/targets"));
    let logits = student();
    assert_graded(&reference, "labels/bce", task_loss(logits.clone(), &targets).unwrap(), &logits);
    let (logits, squares) = (student(), criterion(LossKind::MeanSquared, 1.0, [1.0, 0.0]));
    let loss = squares.student_targets_loss(logits.clone(), &targets).unwrap();
    assert_graded(&reference, "labels/mse", loss, &logits);
    for (name, kind) in [("kl", LossKind::BinaryKullbackLeibler), ("ce", LossKind::BinaryCrossEntropy)] {
        for temperature in [1.0, 2.5] {
            let logits = student();
            let sides = [logits.clone(), reference.tensor("labels/teacher")].map(Feature::Vectors);
            let batch = batch(1, &[1; 4], targets.clone());
            let loss = total(&criterion(kind, temperature, [0.0, 1.0]), &batch, sides);
            assert_graded(&reference, &format!("labels/{name}/{temperature:.1}"), loss, &logits);
        }
    }
}

#[test]
fn several_labels_have_scikit_learns_metrics() {
    let reference = reference();
    let rows = |name: &str| reference.values(name).chunks(5).map(<[f32]>::to_vec).collect::<Vec<_>>();
    let truth = rows("labels/truth").into_iter();
    let targets = truth.map(|row| Target::Labels(row.iter().map(|&label| label > 0.5).collect())).collect();
    let evaluation = Evaluation {
        logits: rows("labels/scores"),
        targets,
        loss: None,
        outputs: 5,
        names: Vec::new(),
        masked: None,
    };
    let found = [Metric::Accuracy, Metric::F1, Metric::MicroF1].map(|it| it.of(&evaluation).unwrap() as f32);
    reference.assert_values_close("labels/metrics", &found, TOLERANCE);
    assert_eq!(Metric::Matthews.of(&evaluation), None);
}

#[test]
fn classes_of_tokens_have_the_losses_of_transformers() {
    let reference = reference();
    let classes = reference.values("tokens/classes").chunks(5).zip(LENGTHS);
    let targets: Vec<Target> = classes
        .map(|(row, length)| {
            Target::Tokens(
                row[..length].iter().map(|&class| (class >= 0.0).then_some(class as u32)).collect(),
            )
        })
        .collect();
    let targets = Targets::of(&targets.iter().collect::<Vec<_>>(), 5, &Device::flex());
    let logits = leaf(reference.tensor::<3>("tokens/student"));
    let loss = task_loss(logits.clone().reshape([15, 4]), &targets).unwrap();
    assert_graded(&reference, "tokens/ce", loss, &logits);
    let sides = || [logits.clone(), reference.tensor("tokens/teacher")].map(Feature::Sequence);
    let kl = criterion(LossKind::KullbackLeibler, 2.0, [0.0, 1.0]);
    let loss = total(&kl, &batch(5, &LENGTHS, targets.clone()), sides());
    assert_graded(&reference, "tokens/kl", loss, &logits);
}

#[test]
fn a_batch_without_a_token_that_counts_teaches_nothing() {
    let targets = Targets::of(&[&Target::Tokens(vec![None, None])], 2, &Device::flex());
    let logits = leaf(Tensor::<2>::ones([2, 4], &Device::flex()));
    let loss = task_loss(logits.clone(), &targets).unwrap();
    let gradients = loss.backward();
    assert_eq!(floats(loss), [0.0]);
    assert!(floats(logits.grad(&gradients).unwrap()).iter().all(|value| *value == 0.0));
}

#[test]
fn entities_have_seqevals_metrics() {
    let reference = reference();
    for (scheme, prefixes) in [("iob2", "BI"), ("bioes", "BIES")] {
        let tag = |kind| prefixes.chars().map(move |prefix| format!("{prefix}-{kind}"));
        let names: Vec<String> = ["O".to_owned()].into_iter().chain(tag("PER")).chain(tag("LOC")).collect();
        let (mut logits, mut targets, mut start) = (Vec::new(), Vec::new(), 0);
        for &length in reference.values(&format!("{scheme}/lengths")) {
            let row =
                |name: &str| &reference.values(&format!("{scheme}/{name}"))[start..start + length as usize];
            let one_hot =
                |&tag: &f32| (0..names.len()).map(move |at| f32::from(u8::from(at == tag as usize)));
            logits.push(row("guess").iter().flat_map(one_hot).collect());
            targets.push(Target::Tokens(row("truth").iter().map(|&tag| Some(tag as u32)).collect()));
            start += length as usize;
        }
        let outputs = names.len();
        let evaluation = Evaluation { logits, targets, loss: None, outputs, names, masked: None };
        let found = [Metric::Accuracy, Metric::F1].map(|metric| metric.of(&evaluation).unwrap() as f32);
        reference.assert_values_close(&format!("{scheme}/metrics"), &found, TOLERANCE);
    }
}
