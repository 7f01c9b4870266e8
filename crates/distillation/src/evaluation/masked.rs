//! A network's answers on masked texts, added up as they come: a score for every word of the vocabulary at every masked
//! token would not fit into memory.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor};

use super::Evaluation;
use crate::criterion::{Heads, scores};
use crate::{Error, ExampleSet, MaskedTargets, Mode, Network, Parameters, Taps, Targets};

/// How well a network says what masks hide, and whether texts follow each other.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MaskedScores {
    /// Over masked tokens.
    pub words: Score,
    /// Over pairs of texts; nothing where there are none or the network does not say.
    pub next_sentence: Score,
}

/// Answers of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    /// How many there are.
    pub count: usize,
    /// Of these, how many are right: the largest logit is the target's.
    pub right: usize,
    /// The sum of their cross entropies.
    pub loss: f64,
}

impl Score {
    /// The share that is right; `None` without answers.
    pub fn accuracy(&self) -> Option<f64> {
        (self.count > 0).then(|| self.right as f64 / self.count as f64)
    }

    /// The mean cross entropy; `None` without answers.
    pub fn mean_loss(&self) -> Option<f64> {
        (self.count > 0).then(|| self.loss / self.count as f64)
    }

    /// Adds logits (rows, classes) on `targets`, (rows).
    fn add(&mut self, logits: Tensor<2>, targets: &Tensor<1, Int>) -> Result<(), Error> {
        let unreadable = |_| Error::Unreadable { what: "logits" };
        let [count, _] = logits.dims();
        let best = logits.clone().argmax(1).reshape([count]);
        let right: Vec<bool> = best.equal(targets.clone()).into_data().try_to_vec().map_err(unreadable)?;
        let logarithms = log_softmax(logits, 1).gather(1, targets.clone().reshape([count, 1]));
        let losses: Vec<f32> = logarithms.into_data().try_to_vec().map_err(unreadable)?;
        self.count += count;
        self.right += right.into_iter().filter(|right| *right).count();
        self.loss -= losses.into_iter().map(f64::from).sum::<f64>();
        Ok(())
    }
}

/// Runs `network` without dropout over the masked texts of `set`, under the masks of the first pass over the data.
pub(super) fn evaluate<N: Network>(
    network: &N,
    set: &ExampleSet,
    batch_size: usize,
) -> Result<Evaluation, Error> {
    let network = network.clone().frozen().valid();
    let heads = Heads::of(&network);
    let (taps, device) = (Taps::new(heads.paths()), network.device());
    let mut sums = MaskedScores::default();
    for rows in set.by_length(batch_size) {
        let batch = set.batch(&rows, &device);
        let Targets::Masked(MaskedTargets { tokens, next }) = &batch.targets else { continue };
        let features = network.forward(&batch, &taps, Mode::Evaluation);
        if tokens.classes.dims()[0] > 0 {
            sums.words.add(scores(&features, &heads.logits)?, &tokens.classes)?;
        }
        if let (Some(path), Some(next)) = (&heads.next_sentence, next) {
            sums.next_sentence.add(scores(&features, path)?, next)?;
        }
    }
    let losses = [sums.words.mean_loss(), sums.next_sentence.mean_loss()];
    let loss = losses.into_iter().flatten().reduce(|sum, loss| sum + loss);
    let (logits, targets, names) = (Vec::new(), Vec::new(), Vec::new());
    Ok(Evaluation { logits, targets, loss, outputs: 0, names, masked: Some(sums), questions: None })
}
