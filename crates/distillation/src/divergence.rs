//! Divergences between rows of probabilities, or of scores that a softmax makes probabilities.

use burn::tensor::Tensor;
use burn::tensor::activation::{log_sigmoid, log_softmax, sigmoid};

use crate::loss::{Comparison, Scale, masked};
use crate::{LossKind, Reduction};

/// Added to given probabilities before a logarithm.
const PROBABILITY_FLOOR: f32 = 1e-9;
/// Keeps the logarithm of a mixture finite where both sides are 0.
const MIXTURE_FLOOR: f32 = 1e-30;
/// Added to the deviation of logits, so that equal logits stay finite.
const DEVIATION_FLOOR: f32 = 1e-7;

/// T² times the divergence of `kind` between student rows and teacher rows, both (rows, width); one element.
///
/// `kind` is one for which [`LossKind::is_divergence`] holds, or [`LossKind::Relation`]: KL between relation scores.
pub(crate) fn divergence(
    kind: LossKind,
    student: Tensor<2>,
    teacher: Tensor<2>,
    terms: &Comparison,
) -> Tensor<1> {
    let temperature = temperature(terms);
    let student = Distribution::of(student, terms.student, terms);
    let teacher = Distribution::of(teacher, terms.teacher, terms);
    let elements = elements(kind, student, teacher); // (rows, width)
    let reduced = match terms.reduction {
        Reduction::RowMean => masked(elements.sum_dim(1), &terms.rows).sum() / terms.rows.real_rows,
        Reduction::ElementMean => masked(elements, &terms.rows).mean(),
    };
    reduced * (temperature * temperature)
}

/// T² times the elements of the divergence of `kind` between what logits say of each label by itself, (rows, labels): yes
/// with probability sigmoid(logit / T), the [`divergence`] between the pairs (logit, 0).
pub(crate) fn binary_divergence(
    kind: LossKind,
    student: Tensor<2>,
    teacher: Tensor<2>,
    terms: &Comparison,
) -> Tensor<2> {
    let temperature = temperature(terms);
    let (student, teacher) = (student / temperature, teacher / temperature);
    let (yes, no) = (sigmoid(teacher.clone()), sigmoid(-teacher.clone()));
    let mut elements = -(yes.clone() * log_sigmoid(student.clone()) + no.clone() * log_sigmoid(-student));
    if kind == LossKind::BinaryKullbackLeibler {
        elements = elements + yes * log_sigmoid(teacher.clone()) + no * log_sigmoid(-teacher);
    }
    elements * (temperature * temperature)
}

fn temperature(terms: &Comparison) -> f64 {
    match (terms.student, terms.teacher) {
        (Scale::Scores { temperature }, _) | (_, Scale::Scores { temperature }) => temperature,
        _ => 1.0,
    }
}

/// The logarithms of rows of probabilities, and the probabilities where they were given.
struct Distribution {
    logarithms: Tensor<2>,
    given: Option<Tensor<2>>,
}

impl Distribution {
    fn of(values: Tensor<2>, scale: Scale, terms: &Comparison) -> Self {
        match scale {
            Scale::Probabilities => {
                Self { logarithms: (values.clone() + PROBABILITY_FLOOR).log(), given: Some(values) }
            }
            Scale::Scores { temperature } => {
                Self { logarithms: log_softmax(terms.possible(values) / temperature, 1), given: None }
            }
        }
    }

    fn probabilities(&self) -> Tensor<2> {
        self.given.clone().unwrap_or_else(|| self.logarithms.clone().exp())
    }

    /// p (log p − log q), the elements of KL(p ‖ q).
    fn apart_from(self, log_q: Tensor<2>) -> Tensor<2> {
        self.probabilities() * (self.logarithms - log_q)
    }
}

fn elements(kind: LossKind, student: Distribution, teacher: Distribution) -> Tensor<2> {
    match kind {
        LossKind::CrossEntropy => -(teacher.probabilities() * student.logarithms),
        LossKind::ReverseKullbackLeibler => student.apart_from(teacher.logarithms),
        LossKind::JensenShannon => {
            let mixture = (student.probabilities() + teacher.probabilities()) * 0.5;
            let mixture = mixture.clamp_min(MIXTURE_FLOOR).log();
            (student.apart_from(mixture.clone()) + teacher.apart_from(mixture)) * 0.5
        }
        _ => teacher.apart_from(student.logarithms),
    }
}

/// The z-scores of each row: (x − mean) / (deviation + 1e-7), the deviation divided by the width; of the elements where
/// `keys`, (rows, width), has 1 and not 0.
pub(crate) fn standardized(logits: Tensor<2>, keys: Option<&Tensor<2>>) -> Tensor<2> {
    let mean = |values: Tensor<2>| match keys {
        Some(keys) => (values * keys.clone()).sum_dim(1) / keys.clone().sum_dim(1),
        None => values.mean_dim(1),
    };
    let centered = logits.clone() - mean(logits);
    let variance = mean(centered.clone().powi_scalar(2)); // (rows, 1)
    // Equal logits have no direction to learn; the floor keeps the root's gradient finite there.
    centered / (variance.clamp_min(DEVIATION_FLOOR * DEVIATION_FLOOR).sqrt() + DEVIATION_FLOOR)
}
