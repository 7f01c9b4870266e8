//! Several labels at once, classes of tokens, masked texts and answers to questions: losses as PyTorch's, metrics as
//! scikit-learn's, seqeval's and SQuAD's.

use autodistillation_distillation::criterion::{Forwards, Heads, task_loss};
use autodistillation_distillation::metrics::Metric;
use autodistillation_distillation::{
    AnswerSpan, Batch, Criterion, Evaluation, Example, ExampleSet, Feature, Features,
    KnowledgeDistillationLoss, LayerOutput, LayerPath, LogitScale, LossKind, MaskedText, Mode, Network,
    Question, Questions, Shape, Taps, Target, Targets, Window, evaluate,
};
use burn::module::{Module, Param};
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
        questions: None,
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
    let targets = Targets::of(&targets.iter().collect::<Vec<_>>(), (&[], 5), &Device::flex());
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
    let targets = Targets::of(&[&Target::Tokens(vec![None, None])], (&[2], 2), &Device::flex());
    let logits = leaf(Tensor::<2>::ones([2, 4], &Device::flex()));
    let loss = task_loss(logits.clone(), &targets).unwrap();
    let gradients = loss.backward();
    assert_eq!(floats(loss), [0.0]);
    assert!(floats(logits.grad(&gradients).unwrap()).iter().all(|value| *value == 0.0));
}

/// Two pairs of texts with three masked tokens: words 6, 0 and 3; the second pair's texts do not follow each other.
fn masked_texts() -> Vec<Example> {
    let example = |tokens: [Option<u32>; 3], follows| {
        let target = Target::Masked(MaskedText { tokens: tokens.to_vec(), follows: Some(follows) });
        Example { ids: vec![1; 3], token_types: vec![0; 3], target }
    };
    vec![example([None, Some(6), Some(0)], true), example([Some(3), None, None], false)]
}

#[test]
fn masked_texts_have_the_losses_of_transformers() {
    let reference = reference();
    let batch = ExampleSet::new(masked_texts(), 0).batch(&[0, 1], &Device::flex());
    let (words, follows) =
        (leaf(reference.tensor::<2>("masked/student")), leaf(reference.tensor::<2>("masked/follows")));
    let path = LayerPath::new("cls");
    let heads = Heads { logits: path.clone(), next_sentence: Some(LayerPath::with_output("cls", 1)) };
    let criterion = KnowledgeDistillationLoss::new((heads, path.clone()), 2.0).unwrap();
    let losses = [LossKind::CrossEntropy, LossKind::KullbackLeibler];
    let criterion = criterion.with_losses(losses).with_weights([0.3, 0.7]).unwrap();
    let (mut student, mut teacher) = (Features::new(), Features::new());
    student.insert(path.clone(), Feature::MaskedTokens(words.clone()));
    student.insert(LayerPath::with_output("cls", 1), Feature::Vectors(follows.clone()));
    teacher.insert(path, Feature::MaskedTokens(reference.tensor("masked/teacher")));
    let forwards = Forwards { batch: &batch, student: &student, teacher: &teacher, progress: 0.0 };
    let loss = criterion.terms(forwards).unwrap().total().unwrap();
    let gradients = loss.backward();
    reference.assert_close("masked/loss", loss, TOLERANCE);
    let gradient = |of: &Tensor<2>| floats(of.grad(&gradients).unwrap());
    reference.assert_values_close("masked/gradient", &gradient(&words), TOLERANCE);
    reference.assert_values_close("masked/follows_gradient", &gradient(&follows), TOLERANCE);
}

/// Says what is written down about the masked texts, whatever it is shown.
#[derive(Module, Debug)]
struct Prompter {
    words: Param<Tensor<2>>,
    follows: Param<Tensor<2>>,
}

impl Network for Prompter {
    fn forward(&self, batch: &Batch, taps: &Taps, _mode: Mode) -> Features {
        let mut features = Features::new();
        let first = if batch.rows[0] == 0 { 0 } else { 2 };
        let masked = batch.masked.iter().sum::<u32>() as usize;
        features.capture(taps, &self.logits(), || {
            Feature::MaskedTokens(self.words.val().slice([first..first + masked, 0..7]))
        });
        let pairs = batch.rows[0] as usize..batch.rows[0] as usize + batch.size();
        features.capture(taps, &LayerPath::with_output("cls", 1), || {
            Feature::Vectors(self.follows.val().slice([pairs, 0..2]))
        });
        features
    }

    fn layers(&self) -> Vec<LayerOutput> {
        vec![LayerOutput { path: self.logits(), shape: Shape::MaskedTokens { width: 7 } }]
    }

    fn logits(&self) -> LayerPath {
        LayerPath::new("cls")
    }

    fn next_sentence(&self) -> Option<LayerPath> {
        Some(LayerPath::with_output("cls", 1))
    }
}

#[test]
fn masked_texts_are_evaluated_over_all_batches() {
    let reference = reference();
    let parameter = |name: &str| Param::from_tensor(reference.tensor::<2>(name));
    let network = Prompter { words: parameter("masked/student"), follows: parameter("masked/follows") };
    for batch_size in [1, 2] {
        let evaluation = evaluate(&network, &ExampleSet::new(masked_texts(), 0), batch_size).unwrap();
        let metrics = [Metric::Accuracy, Metric::NextSentence, Metric::Perplexity, Metric::Loss];
        let found = metrics.map(|metric| metric.of(&evaluation).unwrap() as f32);
        reference.assert_values_close("masked/metrics", &found, 2e-6);
        for absent in [Metric::F1, Metric::MicroF1, Metric::Matthews, Metric::Pearson, Metric::Spearman] {
            assert_eq!(absent.of(&evaluation), None, "{}", absent.name());
        }
    }
}

#[test]
fn answers_have_the_losses_of_transformers_without_padding() {
    let reference = reference();
    let ends = reference.values("answers/ends").chunks(2);
    let targets: Vec<Target> =
        ends.map(|ends| Target::Span(AnswerSpan { first: ends[0] as u32, last: ends[1] as u32 })).collect();
    let lengths = LENGTHS.map(|length| length as u32);
    let targets = Targets::of(&targets.iter().collect::<Vec<_>>(), (&lengths, 5), &Device::flex());
    let batch = batch(5, &LENGTHS, targets);
    let logits = || leaf(reference.tensor::<3>("answers/student"));
    let teacher = || Feature::Spans(reference.tensor("answers/teacher"));
    let compare = |name: &str, criterion: &KnowledgeDistillationLoss| {
        let logits = logits();
        let loss = total(criterion, &batch, [Feature::Spans(logits.clone()), teacher()]);
        assert_graded(&reference, name, loss, &logits);
    };
    compare("answers/ce", &criterion(LossKind::CrossEntropy, 1.0, [1.0, 0.0]));
    let kl = criterion(LossKind::KullbackLeibler, 2.0, [0.0, 1.0]);
    compare("answers/kl", &kl);
    compare("answers/standardized", &kl.with_logits(LogitScale::Standardized));
}

/// Says of every token of each example how likely the answer begins and ends there, whatever it is shown.
#[derive(Module, Debug)]
struct Answerer {
    scores: Param<Tensor<3>>,
}

impl Network for Answerer {
    fn forward(&self, batch: &Batch, taps: &Taps, _mode: Mode) -> Features {
        let mut features = Features::new();
        let rows: Vec<i32> = batch.rows.iter().map(|&row| row as i32).collect();
        let rows = Tensor::<1, Int>::from_ints(rows.as_slice(), &Device::flex());
        features.capture(taps, &self.logits(), || {
            let scores = self.scores.val().select(0, rows);
            Feature::Spans(scores.slice([0..batch.size(), 0..2, 0..batch.length()]))
        });
        features
    }

    fn layers(&self) -> Vec<LayerOutput> {
        vec![LayerOutput { path: self.logits(), shape: Shape::Spans }]
    }

    fn logits(&self) -> LayerPath {
        LayerPath::new("qa_outputs")
    }
}

/// As in scripts/fixtures/tasks.py: what is answered and what is right.
const TEXTS: [(&str, &str); 10] = [
    ("The  U.S.A.", "usa"),
    ("a b c", "b c d"),
    ("", ""),
    ("", "x"),
    ("x", ""),
    ("the", "an"),
    ("to be or not to be", "to be"),
    ("Größe: 3,5 km", "größe 35 km"),
    ("an-other theory", "another theory"),
    ("the\u{2013}sea", "sea"),
];

#[test]
fn answers_have_squads_metrics() {
    let reference = reference();
    for (place, (given, right)) in TEXTS.into_iter().enumerate() {
        // Two tokens, of which the second is all of the text.
        let says = if given.is_empty() { [9.0, 0.0] } else { [0.0, 9.0] };
        let network =
            Answerer { scores: Param::from_tensor(Tensor::from_floats([[says, says]], &Device::flex())) };
        let context = format!("{given} ");
        let answers = Some(right.to_owned()).filter(|answer| !answer.is_empty()).into_iter().collect();
        let questions = Questions {
            questions: vec![Question { context: context.as_str().into(), answers }],
            windows: vec![Window { question: 0, places: vec![None, Some((0, given.len() as u32))] }],
        };
        let target = Target::Span(AnswerSpan { first: 1, last: 1 });
        let example = Example { ids: vec![1, 2], token_types: vec![0; 2], target };
        let evaluation = evaluate(&network, &ExampleSet::new(vec![example], 0).asking(questions), 1).unwrap();
        let found = [Metric::ExactMatch, Metric::F1].map(|metric| metric.of(&evaluation).unwrap() as f32);
        let expected = &reference.values("answers/metrics")[2 * place..2 * place + 2];
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{given} {right}: {found:?}");
        assert_eq!(Metric::Accuracy.of(&evaluation), None);
    }
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
        let evaluation =
            Evaluation { logits, targets, loss: None, outputs, names, masked: None, questions: None };
        let found = [Metric::Accuracy, Metric::F1].map(|metric| metric.of(&evaluation).unwrap() as f32);
        reference.assert_values_close(&format!("{scheme}/metrics"), &found, TOLERANCE);
    }
}
