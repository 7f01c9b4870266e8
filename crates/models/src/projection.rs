//! Starts a narrower student inside its teacher: one basis of the teacher's hidden space, its weights sliced in that
//! basis, and each block fitted in closed form to the teacher's states. No gradient step is taken.
//!
//! The basis keeps the directions in which the teacher's states vary and those its logits depend on (the principal
//! components of state covariances plus gradient covariances). Slicing in principal components follows SliceGPT
//! (Ashkboos et al. 2024); fitting each block's output map by ridge regression on the student's own activations,
//! one block after another, is block-wise distillation with a squared error, solved exactly.

mod basis;
mod embeddings;
mod fit;
mod head;
mod observe;
mod refits;
mod sensitivity;
mod slice;
mod states;
#[cfg(test)]
mod tests;

use autodistillation_distillation::{Feature, Mode, Network, Parameters, Taps};
use burn::tensor::Tensor;

pub use basis::Basis;
pub use refits::{Refits, Trained};
pub use states::TeacherStates;

use crate::bert::head::HeadActivation;
use crate::weights::{Weight, Weights};
use crate::{Bert, Error, Family, Head, Transformer, TransformerConfig};
use fit::{Line, Rows, fit_norm, fit_residual, rows};

/// Weight of the first token's rows in the last block's fits: only that token reaches the head.
const FIRST_TOKEN_WEIGHT: f32 = 10.0;

/// A student on its way from random weights to a projection of its teacher.
struct Projection<'a> {
    student: Bert,
    states: &'a TeacherStates,
    basis: &'a Basis,
    /// The student's states that enter the next block, one (batch, length, hidden) for each batch of the sample.
    hidden: Vec<Tensor<3>>,
}

/// Where the states behind a fitted block come from; they differ in their rounding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Onwards {
    /// From the fits, which have computed them already.
    Fitted,
    /// From the student, for states that are kept: a run that goes on later computes them so.
    Computed,
}

/// Whether a student of these sizes can be projected from a teacher of those: both classify texts and compute as BERT does, without a
/// width of their own for the embeddings, over the same vocabulary, and the student is no wider.
pub fn can_project(student: &TransformerConfig, teacher: &TransformerConfig) -> bool {
    let is_plain = |config: &TransformerConfig| {
        config.head == Head::Classifier
            && config.family != Family::MobileBert
            && config.embedding_size == config.hidden_size
    };
    is_plain(student)
        && is_plain(teacher)
        && student.vocab_size == teacher.vocab_size
        && student.hidden_size <= teacher.hidden_size
}

/// Gives `student` weights computed from its teacher's, as seen on the sample of `states`.
///
/// The student must have the teacher's classes, as many layers as `states` names counterparts, and be one that
/// [`can_project`]; `seed` rotates the basis.
///
/// # Errors
///
/// [`Error::Projection`] when a student cannot be projected or a fit has no solution.
pub fn project(student: Transformer, states: &TeacherStates, seed: u64) -> Result<Transformer, Error> {
    let config = student.config();
    if !can_project(config, states.config()) || config.num_hidden_layers != states.layers().len() {
        return Err(Error::Projection { reason: "its family, vocabulary, width or layers do not allow it" });
    }
    student.try_map_bert(|student| project_bert(student, states, seed))
}

fn project_bert(student: Bert, states: &TeacherStates, seed: u64) -> Result<Bert, Error> {
    let (width, layers) = (student.config().hidden_size, student.config().num_hidden_layers);
    let basis = Basis::new(states, width, seed);
    let mut projection = Projection { student: student.frozen(), states, basis: &basis, hidden: Vec::new() };
    let words = embeddings::project(&basis, states, projection.student.config());
    projection.give(words);
    projection.embed()?;
    (0..layers).try_for_each(|block| projection.fit_block(block))?;
    projection.finish()
}

impl Projection<'_> {
    fn give(&mut self, weights: Weights) {
        self.student = weights.give(self.student.clone());
    }

    /// Fits the head, once every block is fitted and `hidden` is what leaves the last one.
    fn finish(mut self) -> Result<Bert, Error> {
        let head = self.fit_head()?;
        self.give(head);
        Ok(self.student)
    }

    /// Cuts a block out of its counterpart and fits its output maps.
    fn fit_block(&mut self, block: usize) -> Result<(), Error> {
        let sliced = slice::block(self.basis, self.states, (block, self.student.config()));
        self.give(sliced);
        self.fit_outputs(block, Onwards::Fitted)
    }

    /// Takes the states that enter the first block.
    fn embed(&mut self) -> Result<(), Error> {
        let embedded = states::input(0);
        let taps = Taps::new([embedded.clone()]);
        let state = |batch| match self.student.forward(batch, &taps, Mode::Evaluation).get(&embedded) {
            Some(Feature::Sequence(hidden)) => Ok(hidden.clone()),
            _ => Err(Error::Projection { reason: "a state of the student is missing" }),
        };
        self.hidden = self.states.batches().iter().map(state).collect::<Result<_, _>>()?;
        Ok(())
    }

    /// Goes through a block as it is.
    fn pass(&mut self, block: usize) {
        let masks = self.states.batches().iter().map(|batch| &batch.mask);
        let through = |(hidden, mask)| {
            let attended = self.student.attend(block, (hidden, mask));
            self.student.feed_forward(block, attended)
        };
        self.hidden = std::mem::take(&mut self.hidden).into_iter().zip(masks).map(through).collect();
    }

    /// Fits the output maps of a block on what it computes inside, and goes through it: by what the fits leave, or, where
    /// bits count, as the student itself computes.
    fn fit_outputs(&mut self, block: usize, onwards: Onwards) -> Result<(), Error> {
        let hidden = std::mem::take(&mut self.hidden);
        let masks = self.states.batches().iter().map(|batch| &batch.mask);
        let contexts: Vec<_> =
            hidden.iter().cloned().zip(masks).map(|input| self.student.context(block, input)).collect();
        let fitted = self.fit_sublayer((block, "attention.output"), &contexts, &hidden)?;
        let attended: Vec<_> = match onwards {
            Onwards::Fitted => fitted,
            Onwards::Computed => {
                contexts.into_iter().zip(hidden).map(|inputs| self.student.attended(block, inputs)).collect()
            }
        };
        let wide: Vec<_> = attended.iter().cloned().map(|state| self.student.widened(block, state)).collect();
        let fitted = self.fit_sublayer((block, "output"), &wide, &attended)?;
        self.hidden = match onwards {
            Onwards::Fitted => fitted,
            Onwards::Computed => {
                wide.into_iter().zip(attended).map(|inputs| self.student.narrowed(block, inputs)).collect()
            }
        };
        Ok(())
    }

    /// Fits the output map and the norm of `module`, whose input is `features` and whose residual is `residual`, so
    /// that its output, which is returned, comes near the teacher's state there.
    fn fit_sublayer(
        &mut self,
        (block, module): (usize, &str),
        features: &[Tensor<3>],
        residuals: &[Tensor<3>],
    ) -> Result<Vec<Tensor<3>>, Error> {
        let module = format!("bert.encoder.layer.{block}.{module}");
        let target = self.states.counterpart(block, &module);
        let last = block + 1 == self.states.layers().len();
        let first_token = if last { FIRST_TOKEN_WEIGHT } else { 1.0 };
        let batch = |(place, (features, residual)): (usize, (&Tensor<3>, &Tensor<3>))| Rows {
            features: rows(features),
            residual: rows(residual),
            target: self.basis.coordinates(&target, self.states.state(place, &target)),
            weight: self.states.weights(place, first_token),
        };
        let rows: Vec<Rows> = features.iter().zip(residuals).enumerate().map(batch).collect();
        let (map, shift) = fit_residual(&rows)?;
        let (Line { scale, offset }, outputs) = fit_norm(&rows, (&map, &shift));
        let mut weights = Weights::default();
        let width = shift.len();
        weights.0.insert(
            format!("{module}.dense.weight"),
            Weight { dims: vec![width, map.nrows()], values: fit::row_major(&map.transpose()) },
        );
        weights.0.insert(
            format!("{module}.dense.bias"),
            vector(shift.iter().map(|value| *value as f32).collect()),
        );
        weights.0.insert(format!("{module}.LayerNorm.weight"), vector(scale));
        weights.0.insert(format!("{module}.LayerNorm.bias"), vector(offset));
        self.give(weights);
        Ok(outputs.into_iter().zip(residuals).map(|(rows, like)| rows.reshape(like.dims())).collect())
    }

    /// Fits the head on the first tokens of the states that left the last block.
    fn fit_head(&self) -> Result<Weights, Error> {
        let first_token = |hidden: &Tensor<3>| {
            let [examples, _, width] = hidden.dims();
            hidden.clone().slice([0..examples, 0..1]).reshape([examples, width])
        };
        let first_tokens: Vec<_> = self.hidden.iter().map(first_token).collect();
        head::fit(self.states, (&first_tokens, HeadActivation::of(self.student.config().family)))
    }
}

fn vector(values: Vec<f32>) -> Weight {
    Weight { dims: vec![values.len()], values }
}
