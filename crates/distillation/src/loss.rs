//! Losses between two matrices of features: pure functions of tensors.
//!
//! Features arrive as rows, (rows, width): one row per token, per example, or per query of an attention
//! map. [`Rows`] carries which rows are real, so that padding never counts.

use burn::tensor::Tensor;
use burn::tensor::activation::{log_sigmoid, log_softmax, sigmoid, softmax};

use crate::{LossKind, Reduction};

/// Added to probabilities before a logarithm.
const PROBABILITY_FLOOR: f32 = 1e-9;

/// Far below any score: a padded key gets no probability.
const EXCLUDED: f32 = -1e9;

/// Which rows of a feature count, and how many elements they hold.
#[derive(Clone, Debug)]
pub struct Rows {
    /// 1 for a real row and 0 for padding, (rows, 1); absent when every row is real.
    pub mask: Option<Tensor<2>>,
    /// Number of real rows.
    pub real_rows: f64,
    /// Number of real elements: real rows times the real width of each.
    pub real_elements: f64,
}

/// What the values of a feature are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// Probabilities over the last axis: attention maps.
    Probabilities,
    /// Anything else: a softmax over the last axis makes them probabilities.
    Scores {
        /// Divides the scores before the softmax; the divergence is multiplied by its square.
        temperature: f64,
    },
}

/// The loss of `kind` between student rows and teacher rows, both (rows, width); a tensor of one element.
pub fn between(kind: LossKind, student: Tensor<2>, teacher: Tensor<2>, terms: &Comparison) -> Tensor<1> {
    match kind {
        LossKind::MeanSquared => mean((terms.real(student) - teacher).powi_scalar(2), &terms.rows),
        LossKind::MeanAbsolute => mean((terms.real(student) - teacher).abs(), &terms.rows),
        LossKind::KullbackLeibler => divergence(student, teacher, terms, Entropy::Subtracted),
        LossKind::CrossEntropy => divergence(student, teacher, terms, Entropy::Kept),
        LossKind::BinaryKullbackLeibler => binary(student, teacher, terms, Entropy::Subtracted),
        LossKind::BinaryCrossEntropy => binary(student, teacher, terms, Entropy::Kept),
    }
}

/// How two features are read by a loss.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Which rows count.
    pub rows: Rows,
    /// What the student's values are.
    pub student: Scale,
    /// What the teacher's values are.
    pub teacher: Scale,
    /// What a divergence is averaged over.
    pub reduction: Reduction,
    /// Which elements of a row are real, (rows, width): 1 for a real key and 0 for padding. Absent when both sides are 0
    /// at every other element.
    pub keys: Option<Tensor<2>>,
}

impl Comparison {
    /// The student's values with 0 where the teacher has 0 by definition.
    fn real(&self, student: Tensor<2>) -> Tensor<2> {
        match &self.keys {
            Some(keys) => student * keys.clone(),
            None => student,
        }
    }

    /// The student's scores with those of padding far below any other.
    fn possible(&self, student: Tensor<2>) -> Tensor<2> {
        match &self.keys {
            Some(keys) => student + (keys.clone() - 1.0) * -EXCLUDED,
            None => student,
        }
    }
}

/// Whether the teacher's entropy is taken off: the difference between the KL divergence and cross entropy.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Entropy {
    Subtracted,
    Kept,
}

/// T² · Σ t (log t − log s) over the last axis (Hinton et al. 2015), or −T² · Σ t log s.
fn divergence(student: Tensor<2>, teacher: Tensor<2>, terms: &Comparison, entropy: Entropy) -> Tensor<1> {
    let temperature = temperature(terms);
    let log_student = logarithm(terms.possible(student), terms.student);
    let (probabilities, log_teacher) = match terms.teacher {
        Scale::Probabilities => (teacher.clone(), (teacher + PROBABILITY_FLOOR).log()),
        Scale::Scores { temperature } => {
            let scores = teacher / temperature;
            (softmax(scores.clone(), 1), log_softmax(scores, 1))
        }
    };
    let difference = match entropy {
        Entropy::Subtracted => log_teacher - log_student,
        Entropy::Kept => -log_student,
    };
    let elements = probabilities * difference; // (rows, width)
    let reduced = match terms.reduction {
        Reduction::RowMean => masked(elements.sum_dim(1), &terms.rows).sum() / terms.rows.real_rows,
        Reduction::ElementMean => masked(elements, &terms.rows).mean(),
    };
    reduced * (temperature * temperature)
}

/// T² · Σ over yes and no of t (log t − log s), or −T² · Σ t log s, with yes = sigmoid(logit / T) for each label by
/// itself: the divergence of [`divergence`] between the pairs (logit, 0). The mean is over the elements of real rows.
fn binary(student: Tensor<2>, teacher: Tensor<2>, terms: &Comparison, entropy: Entropy) -> Tensor<1> {
    let temperature = temperature(terms);
    let (student, teacher) = (student / temperature, teacher / temperature);
    let (yes, no) = (sigmoid(teacher.clone()), sigmoid(-teacher.clone()));
    let mut elements = -(yes.clone() * log_sigmoid(student.clone()) + no.clone() * log_sigmoid(-student));
    if entropy == Entropy::Subtracted {
        elements = elements + yes * log_sigmoid(teacher.clone()) + no * log_sigmoid(-teacher);
    }
    mean(elements, &terms.rows) * (temperature * temperature)
}

fn temperature(terms: &Comparison) -> f64 {
    match (terms.student, terms.teacher) {
        (Scale::Scores { temperature }, _) | (_, Scale::Scores { temperature }) => temperature,
        _ => 1.0,
    }
}

fn logarithm(values: Tensor<2>, scale: Scale) -> Tensor<2> {
    match scale {
        Scale::Probabilities => (values + PROBABILITY_FLOOR).log(),
        Scale::Scores { temperature } => log_softmax(values / temperature, 1),
    }
}

/// The mean over the elements of real rows.
fn mean(elements: Tensor<2>, rows: &Rows) -> Tensor<1> {
    masked(elements, rows).sum_dim(1).sum() / rows.real_elements
}

fn masked(elements: Tensor<2>, rows: &Rows) -> Tensor<2> {
    match &rows.mask {
        Some(mask) => elements * mask.clone(),
        None => elements,
    }
}

/// The variance of a feature across its real rows, mean over the width: what a squared error is measured
/// against. 1 − MSE / variance is the explained variance.
pub fn variance(values: Tensor<2>, rows: &Rows) -> Tensor<1> {
    let center = masked(values.clone(), rows).sum_dim(0) / rows.real_rows; // (1, width)
    // Row by row first: one long sum would be cut among threads in an order that changes from run to run.
    masked((values - center).powi_scalar(2), rows).sum_dim(1).sum() / rows.real_elements
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use proptest::prelude::*;

    fn rows(count: usize, width: usize) -> Rows {
        Rows { mask: None, real_rows: count as f64, real_elements: (count * width) as f64 }
    }

    fn compare(count: usize, width: usize, temperature: f64) -> Comparison {
        let scale = Scale::Scores { temperature };
        Comparison {
            rows: rows(count, width),
            student: scale,
            teacher: scale,
            reduction: Reduction::RowMean,
            keys: None,
        }
    }

    fn tensor(values: &[f32], width: usize) -> Tensor<2> {
        Tensor::<1>::from_floats(values, &Device::flex()).reshape([values.len() / width, width])
    }

    fn number(tensor: Tensor<1>) -> f32 {
        tensor.into_scalar::<f32>()
    }

    proptest! {
        #[test]
        fn kl_is_positive_and_zero_only_when_equal(values in prop::collection::vec(-4f32..4.0, 12), other in prop::collection::vec(-4f32..4.0, 12)) {
            let terms = compare(3, 4, 2.0);
            let (a, b) = (tensor(&values, 4), tensor(&other, 4));
            prop_assert!(number(between(LossKind::KullbackLeibler, a.clone(), b, &terms)) >= -1e-5);
            prop_assert!(number(between(LossKind::KullbackLeibler, a.clone(), a, &terms)).abs() < 1e-5);
        }

        #[test]
        fn losses_do_not_depend_on_padding(values in prop::collection::vec(-4f32..4.0, 8), padding in prop::collection::vec(-9f32..9.0, 4)) {
            let teacher: Vec<f32> = values.iter().map(|x| x * 0.5 - 0.1).collect();
            let mut padded = (values.clone(), teacher.clone());
            padded.0.extend(&padding);
            padded.1.extend(padding.iter().map(|x| -x));
            let mask = tensor(&[1., 1., 0.], 1);
            for kind in [LossKind::MeanSquared, LossKind::MeanAbsolute, LossKind::KullbackLeibler, LossKind::CrossEntropy, LossKind::BinaryKullbackLeibler, LossKind::BinaryCrossEntropy] {
                let plain = number(between(kind, tensor(&values, 4), tensor(&teacher, 4), &compare(2, 4, 1.5)));
                let mut terms = compare(2, 4, 1.5);
                terms.rows.mask = Some(mask.clone());
                let with = number(between(kind, tensor(&padded.0, 4), tensor(&padded.1, 4), &terms));
                prop_assert!((plain - with).abs() < 1e-4, "{kind:?}: {plain} and {with}");
            }
        }
    }

    #[test]
    fn a_binary_divergence_is_the_divergence_between_pairs_of_the_logit_and_zero() {
        let (s, t) = (tensor(&[0.3, -0.2, 1.0, 0.1], 2), tensor(&[0.5, 0.4, -1.0, 0.3], 2));
        let pairs = |logits: &Tensor<2>| {
            let logits = logits.clone().reshape([4, 1]);
            Tensor::cat(vec![logits.clone(), logits.zeros_like()], 1)
        };
        let kinds = [
            (LossKind::BinaryKullbackLeibler, LossKind::KullbackLeibler),
            (LossKind::BinaryCrossEntropy, LossKind::CrossEntropy),
        ];
        for (binary, plain) in kinds {
            let found = number(between(binary, s.clone(), t.clone(), &compare(2, 2, 2.0)));
            let expected = number(between(plain, pairs(&s), pairs(&t), &compare(4, 2, 2.0)));
            assert!((found - expected).abs() < 1e-6, "{binary:?}: {found} and {expected}");
        }
    }

    #[test]
    fn cross_entropy_is_kl_plus_the_teachers_entropy() {
        let (s, t) = (tensor(&[0.3, -0.2, 1.0, 0.1], 2), tensor(&[0.5, 0.4, -1.0, 0.3], 2));
        let terms = compare(2, 2, 1.0);
        let kl = number(between(LossKind::KullbackLeibler, s.clone(), t.clone(), &terms));
        let ce = number(between(LossKind::CrossEntropy, s, t.clone(), &terms));
        let entropy = number(between(LossKind::CrossEntropy, t.clone(), t, &terms));
        assert!((ce - kl - entropy).abs() < 1e-6);
    }

    #[test]
    fn in_the_origins_reduction_padding_counts_as_zero() {
        let (s, t) = (tensor(&[0.3, -0.2, 1.0, 0.1], 2), tensor(&[0.5, 0.4, -1.0, 0.3], 2));
        let plain = Comparison { reduction: Reduction::ElementMean, ..compare(1, 2, 1.0) };
        let mut padded = Comparison { reduction: Reduction::ElementMean, ..compare(2, 2, 1.0) };
        padded.rows.mask = Some(tensor(&[1., 0.], 1));
        let first = |rows: &Tensor<2>| rows.clone().slice([0..1, 0..2]);
        let expected = number(between(LossKind::KullbackLeibler, first(&s), first(&t), &plain)) / 2.0;
        assert!((number(between(LossKind::KullbackLeibler, s, t, &padded)) - expected).abs() < 1e-6);
    }

    #[test]
    fn the_origins_reduction_is_smaller_by_the_width() {
        let (s, t) = (tensor(&[0.3, -0.2, 1.0, 0.1], 2), tensor(&[0.5, 0.4, -1.0, 0.3], 2));
        let row = number(between(LossKind::KullbackLeibler, s.clone(), t.clone(), &compare(2, 2, 1.0)));
        let terms = Comparison { reduction: Reduction::ElementMean, ..compare(2, 2, 1.0) };
        assert!((row / number(between(LossKind::KullbackLeibler, s, t, &terms)) - 2.0).abs() < 1e-5);
    }
}
