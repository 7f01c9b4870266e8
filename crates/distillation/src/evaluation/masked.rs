//! A network's answers on masked texts, added up as they come: a score for every word of the vocabulary at every masked
//! token would not fit into memory.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor};

use super::Evaluation;
use crate::criterion::{Heads, scores};
use crate::{Batch, Error, ExampleSet, MaskedTargets, Mode, Network, Parameters, Taps, Targets};

/// How well a network says what masks hide, and whether texts follow each other.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MaskedScores {
    /// Over masked tokens.
    pub words: Score,
    /// Over pairs of texts; nothing where there are none or the network does not say.
    pub next_sentence: Score,
}

/// What a network says of a batch of masked texts.
#[derive(Clone, Debug)]
pub struct MaskedAnswers {
    /// Scores of all words for each masked token, example by example, (masked tokens, vocabulary); absent where none is
    /// masked.
    pub words: Option<Tensor<2>>,
    /// Scores of the second text following the first and of not following, (batch, 2); absent where the network does not
    /// say.
    pub follows: Option<Tensor<2>>,
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
    evaluate_masked_with(set, (batch_size, &network.device()), |batch| masked_answers(&network, batch))
}

/// What `network` says of a batch of masked texts, without dropout.
///
/// # Errors
///
/// [`Error::MissingFeature`] for a network without such answers.
pub fn masked_answers<N: Network>(network: &N, batch: &Batch) -> Result<MaskedAnswers, Error> {
    let heads = Heads::of(network);
    let masked = batch.targets.masked_places().is_some();
    let paths = heads.next_sentence.iter().chain(masked.then_some(&heads.logits));
    let features = network.forward(batch, &Taps::new(paths.cloned()), Mode::Evaluation);
    let of = |path| scores(&features, path);
    Ok(MaskedAnswers {
        words: masked.then(|| of(&heads.logits)).transpose()?,
        follows: heads.next_sentence.as_ref().map(of).transpose()?,
    })
}

/// The scores of `answer`, from batches on the device to what is said of them, over the masked texts of `set`, under the
/// masks of the first pass over the data.
///
/// # Errors
///
/// Those of `answer`, and [`Error::Unreadable`].
pub fn evaluate_masked_with<E: From<Error>>(
    set: &ExampleSet,
    (batch_size, device): (usize, &Device),
    mut answer: impl FnMut(&Batch) -> Result<MaskedAnswers, E>,
) -> Result<Evaluation, E> {
    let mut sums = MaskedScores::default();
    for rows in set.by_length(batch_size) {
        let batch = set.batch(&rows, device);
        let Targets::Masked(MaskedTargets { tokens, next }) = &batch.targets else { continue };
        let MaskedAnswers { words, follows } = answer(&batch)?;
        if let Some(words) = words {
            sums.words.add(words, &tokens.classes)?;
        }
        if let (Some(follows), Some(next)) = (follows, next) {
            sums.next_sentence.add(follows, next)?;
        }
    }
    let losses = [sums.words.mean_loss(), sums.next_sentence.mean_loss()];
    let loss = losses.into_iter().flatten().reduce(|sum, loss| sum + loss);
    let (logits, targets, names) = (Vec::new(), Vec::new(), Vec::new());
    Ok(Evaluation { logits, targets, loss, outputs: 0, names, masked: Some(sums), questions: None })
}
