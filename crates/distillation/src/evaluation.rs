//! A network's answers on a whole set, one by one and exact: no mean of batch means.

use burn::tensor::Tensor;

use crate::{Error, ExampleSet, Mode, Network, Parameters, Taps, Target};

/// The answers of a network on every example of a set, in the set's order.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Logits, one row per example.
    pub logits: Vec<Vec<f32>>,
    /// The targets, one per example.
    pub targets: Vec<Target>,
    /// Mean loss on the labels over the examples; absent without labels.
    pub loss: Option<f64>,
}

/// Runs `network` without dropout over `set`, `batch_size` examples at a time.
///
/// # Errors
///
/// [`Error::NoExamples`] for an empty set, [`Error::MissingFeature`] for a network without logits.
pub fn evaluate<N: Network>(network: &N, set: &ExampleSet, batch_size: usize) -> Result<Evaluation, Error> {
    let network = network.clone().frozen().valid();
    let path = network.logits();
    let taps = Taps::new([path.clone()]);
    let device = network.device();
    evaluate_with(set, batch_size, |rows| {
        let features = network.forward(&set.batch(rows, &device), &taps, Mode::Evaluation);
        rows_of(crate::criterion::logits(&features, &path)?)
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
    let mut loss = Sum::default();
    for rows in set.by_length(batch_size) {
        for (row, values) in rows.iter().zip(answer(&rows)?) {
            loss.add(&values, set.examples[*row as usize].target);
            logits[*row as usize] = values;
        }
    }
    let targets = set.examples.iter().map(|example| example.target).collect();
    Ok(Evaluation { logits, targets, loss: loss.mean() })
}

/// A matrix as rows of numbers.
fn rows_of(tensor: Tensor<2>) -> Result<Vec<Vec<f32>>, Error> {
    let width = tensor.dims()[1].max(1);
    let values: Vec<f32> =
        tensor.into_data().try_to_vec().map_err(|_| Error::Unreadable { what: "logits" })?;
    Ok(values.chunks(width).map(<[f32]>::to_vec).collect())
}

/// The summed loss of labelled examples.
#[derive(Default)]
struct Sum {
    total: f64,
    count: usize,
}

impl Sum {
    fn add(&mut self, logits: &[f32], target: Target) {
        let loss = match target {
            Target::Class(class) => match log_probabilities(logits).get(class as usize) {
                Some(value) => -value,
                None => return,
            },
            Target::Value(value) => {
                logits.iter().map(|logit| f64::from(logit - value).powi(2)).sum::<f64>() / logits.len() as f64
            }
            Target::Absent => return,
        };
        self.total += loss;
        self.count += 1;
    }

    fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.total / self.count as f64)
    }
}

/// Log of the softmax of `logits`, in f64.
fn log_probabilities(logits: &[f32]) -> Vec<f64> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let normaliser = logits.iter().map(|logit| f64::from(logit - most).exp()).sum::<f64>().ln();
    logits.iter().map(|logit| f64::from(logit - most) - normaliser).collect()
}

/// Softmax of `logits`, in f64.
pub fn probabilities(logits: &[f32]) -> Vec<f64> {
    log_probabilities(logits).into_iter().map(f64::exp).collect()
}
