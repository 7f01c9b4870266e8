//! A network's answers on a whole set, one by one and exact: no mean of batch means.

mod masked;

use std::sync::Arc;

use crate::criterion::feature;
use crate::{
    AnswerSpan, Batch, Error, ExampleSet, Feature, Mode, Network, Parameters, Questions, Taps, Target,
};

pub use masked::{MaskedAnswers, MaskedScores, Score, evaluate_masked_with, masked_answers};

/// The answers of a network on every example of a set, in the set's order.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Logits, one row per example; where tokens have classes, those of its tokens one after another; where answers are
    /// spans, the scores of being the first token and then those of being the last.
    pub logits: Vec<Vec<f32>>,
    /// The targets, one per example.
    pub targets: Vec<Target>,
    /// Mean loss on the labels over the examples; absent without labels.
    pub loss: Option<f64>,
    /// Logits of each example, or of each token where tokens have classes or answers are spans.
    pub outputs: usize,
    /// Names of the classes by index, where the caller has given them: entities are read from the tags of tokens.
    pub names: Vec<String>,
    /// For masked texts, how good the answers are: they themselves are not kept, nor are their targets.
    pub masked: Option<MaskedScores>,
    /// Where answers are spans, the questions and their right answers.
    pub questions: Option<Arc<Questions>>,
}

impl Evaluation {
    /// The same with the names of the classes.
    #[must_use]
    pub fn named(self, names: &[String]) -> Self {
        Self { names: names.to_vec(), ..self }
    }
}

/// Runs `network` without dropout over `set`, `batch_size` examples at a time.
///
/// # Errors
///
/// [`Error::NoExamples`] for an empty set, [`Error::MissingFeature`] for a network without logits.
pub fn evaluate<N: Network>(network: &N, set: &ExampleSet, batch_size: usize) -> Result<Evaluation, Error> {
    if set.example(0).is_some_and(|example| matches!(example.target, Target::Masked(_))) {
        return masked::evaluate(network, set, batch_size);
    }
    let network = network.clone().frozen().valid();
    let path = network.logits();
    let taps = Taps::new([path.clone()]);
    let device = network.device();
    evaluate_with(set, batch_size, |rows| {
        let batch = set.batch(rows, &device);
        let features = network.forward(&batch, &taps, Mode::Evaluation);
        rows_of(feature(&features, &path)?, &batch)
    })
}

/// As [`evaluate`], with `answer` in place of a network: from rows of the set to the logits of each.
///
/// # Errors
///
/// [`Error::NoExamples`] for an empty set, and those of `answer`.
pub fn evaluate_with<E: From<Error>>(
    set: &ExampleSet,
    batch_size: usize,
    mut answer: impl FnMut(&[u32]) -> Result<Vec<Vec<f32>>, E>,
) -> Result<Evaluation, E> {
    if set.is_empty() {
        return Err(Error::NoExamples { role: "evaluation" }.into());
    }
    let mut logits = vec![Vec::new(); set.len()];
    let (mut loss, mut outputs) = (Sum::default(), 0);
    for rows in set.by_length(batch_size) {
        for (row, values) in rows.iter().zip(answer(&rows)?) {
            let target = &set.examples[*row as usize].target;
            loss.add(&values, target);
            outputs = match target {
                Target::Tokens(classes) => values.len() / classes.len().max(1),
                Target::Span(_) => 2,
                _ => values.len(),
            };
            logits[*row as usize] = values;
        }
    }
    let targets = set.examples.iter().map(|example| example.target.clone()).collect();
    let (names, questions) = (Vec::new(), set.questions.clone());
    Ok(Evaluation { logits, targets, loss: loss.mean(), outputs, names, masked: None, questions })
}

/// The logits of each example: a row, or the rows of its tokens that are not padding, or two rows of their scores.
fn rows_of(logits: &Feature, batch: &Batch) -> Result<Vec<Vec<f32>>, Error> {
    let unreadable = |_| Error::Unreadable { what: "logits" };
    let dims = logits.dims();
    let values: Vec<f32> = logits.clone().into_data().try_to_vec().map_err(unreadable)?;
    let examples = values.chunks(dims[1..].iter().product::<usize>().max(1)).zip(&batch.lengths);
    let of_example = |(row, real): (&[f32], &u32)| {
        let real = *real as usize;
        match logits {
            Feature::Vectors(_) => Ok(row.to_vec()),
            Feature::Sequence(_) => Ok(row[..dims[2] * real].to_vec()),
            Feature::Spans(_) => {
                Ok(row.chunks(dims[2].max(1)).flat_map(|scores| &scores[..real]).copied().collect())
            }
            _ => Err(Error::Unreadable { what: "logits" }),
        }
    };
    examples.map(of_example).collect()
}

/// The summed loss of labelled examples, or of the tokens that count.
#[derive(Default)]
struct Sum {
    total: f64,
    count: usize,
}

impl Sum {
    fn add(&mut self, logits: &[f32], target: &Target) {
        match target {
            Target::Class(class) => self.extend(class_loss(logits, *class)),
            Target::Value(value) => {
                let squares = logits.iter().map(|logit| f64::from(logit - value).powi(2));
                self.extend(Some(squares.sum::<f64>() / logits.len() as f64));
            }
            Target::Labels(labels) => {
                let each = logits.iter().zip(labels).map(|(&logit, &label)| label_loss(logit, label));
                self.extend(Some(each.sum::<f64>() / logits.len().max(1) as f64));
            }
            Target::Tokens(classes) => {
                let rows = logits.chunks((logits.len() / classes.len().max(1)).max(1));
                let each = classes.iter().zip(rows);
                self.extend(each.filter_map(|(class, row)| class_loss(row, (*class)?)));
            }
            Target::Span(AnswerSpan { first, last }) => {
                let (firsts, lasts) = logits.split_at(logits.len() / 2);
                let both = class_loss(firsts, *first).zip(class_loss(lasts, *last));
                self.extend(both.map(|(first, last)| (first + last) / 2.0));
            }
            Target::Masked(_) | Target::Absent => {} // Masked texts are evaluated by themselves.
        }
    }

    fn extend(&mut self, losses: impl IntoIterator<Item = f64>) {
        for loss in losses {
            self.total += loss;
            self.count += 1;
        }
    }

    fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.total / self.count as f64)
    }
}

/// Cross entropy with a class; `None` for one that the logits do not have.
fn class_loss(logits: &[f32], class: u32) -> Option<f64> {
    log_probabilities(logits).get(class as usize).map(|value| -value)
}

/// Cross entropy of sigmoid(logit) with whether the label applies.
fn label_loss(logit: f32, label: bool) -> f64 {
    let towards = f64::from(if label { logit } else { -logit });
    (-towards.abs()).exp().ln_1p() - towards.min(0.0)
}

/// Sigmoid of `logit`, in f64: the probability that a label applies.
pub fn probability(logit: f32) -> f64 {
    1.0 / (1.0 + f64::from(-logit).exp())
}

/// Log of the softmax of `logits`, in f64.
pub(crate) fn log_probabilities(logits: &[f32]) -> Vec<f64> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let normaliser = logits.iter().map(|logit| f64::from(logit - most).exp()).sum::<f64>().ln();
    logits.iter().map(|logit| f64::from(logit - most) - normaliser).collect()
}

/// Softmax of `logits`, in f64.
pub fn probabilities(logits: &[f32]) -> Vec<f64> {
    log_probabilities(logits).into_iter().map(f64::exp).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loss_of_labels_is_the_binary_cross_entropy_of_pytorch() {
        let mut sum = Sum::default();
        sum.add(&[0.5, -2.0, 30.0], &Target::Labels(vec![true, false, false]));
        // torch.nn.functional.binary_cross_entropy_with_logits
        assert!((sum.mean().unwrap() - 10.200_335_1).abs() < 1e-6, "{:?}", sum.mean());
    }

    #[test]
    fn the_loss_of_an_answer_is_the_mean_of_both_ends() {
        let mut sum = Sum::default();
        sum.add(&[1.0, 1.0, 0.0, f32::NEG_INFINITY], &Target::Span(AnswerSpan { first: 0, last: 0 }));
        assert!((sum.mean().unwrap() - 2.0f64.ln() / 2.0).abs() < 1e-12);
    }

    #[test]
    fn only_tokens_that_count_have_a_loss() {
        let mut sum = Sum::default();
        sum.add(&[9.0, 1.0, 0.0, 0.0, 5.0, 2.0], &Target::Tokens(vec![None, Some(1), None]));
        assert!((sum.mean().unwrap() - 2.0f64.ln()).abs() < 1e-12);
    }
}
