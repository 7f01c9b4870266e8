//! Starts a narrower student inside its teacher: one basis of the teacher's hidden space, its weights sliced in that
//! basis, and each block fitted in closed form to the teacher's states. No gradient step is taken.
//!
//! The basis keeps the directions in which the teacher's states vary and those its logits depend on (the principal
//! components of state covariances plus gradient covariances). Slicing in principal components follows SliceGPT
//! (Ashkboos et al. 2024); fitting each block's output map by ridge regression on the student's own activations,
//! one block after another, is block-wise distillation with a squared error, solved exactly.

mod basis;
mod behind;
mod bert;
mod embeddings;
mod fit;
mod head;
mod mobilebert;
mod observe;
mod reading;
mod sensitivity;
mod slice;
mod states;
#[cfg(test)]
mod tests;

use autodistillation_distillation::{Feature, LayerPath, Mode, Network, Parameters, Taps};
use burn::tensor::Tensor;

pub use basis::Basis;
pub use behind::solve_behind;
pub use states::TeacherStates;

use crate::bert::first_token_rows;
use crate::config::Normalization;
use crate::weights::Weights;
use crate::{Error, Family, Head, Transformer, TransformerConfig};
use fit::{Rows, fit_sublayer, rows};
use head::Pooling;

/// Weight of the first token's rows in the last block's fits: only that token reaches the head.
const FIRST_TOKEN_WEIGHT: f32 = 10.0;

/// A student on its way from random weights to a projection of its teacher.
struct Projection<'a, N> {
    student: N,
    states: &'a TeacherStates,
    basis: &'a Basis,
    /// The student's states that enter the next block, one (batch, length, hidden) for each batch of the sample.
    hidden: Vec<Tensor<3>>,
}

/// A network that is projected block by block.
trait Blocks: Network + Parameters {
    /// Where the states come out that enter the first block.
    fn embedded() -> LayerPath;

    /// What the classifier sees.
    fn pooling(&self) -> Pooling;

    /// Gives the embeddings.
    fn fit_embeddings(projection: &mut Projection<'_, Self>) -> Result<(), Error>;

    /// Cuts a block out of its counterpart, fits its output maps and goes through it.
    fn fit_block(projection: &mut Projection<'_, Self>, block: usize) -> Result<(), Error>;

    /// Fits the output maps of a block on what it computes inside, and goes through it.
    fn fit_outputs(projection: &mut Projection<'_, Self>, block: usize) -> Result<(), Error>;

    /// What leaves a block that these states enter, (batch, length, hidden).
    fn pass(&self, block: usize, entering: (Tensor<3>, &Tensor<2>)) -> Tensor<3>;
}

/// A sublayer to be fitted.
struct Sublayer<'a> {
    block: usize,
    /// The names of its map and its norm.
    names: (&'a str, &'a str),
    normalization: Normalization,
    /// What the map sees, (batch, length, inputs) for each batch.
    features: &'a [Tensor<3>],
    /// What is added, (batch, length, width) for each batch.
    residuals: Option<&'a [Tensor<3>]>,
    /// Where the output should come, (tokens, width) for each batch.
    targets: Vec<Tensor<2>>,
}

/// Whether a student of these sizes can be projected from a teacher of those: both classify texts in the same vocabulary,
/// the teacher computes as BERT does, and the student is no wider. Embeddings are as wide as hidden states, but for a
/// MobileBERT's, which may be narrower, as its bottlenecks may.
pub fn can_project(student: &TransformerConfig, teacher: &TransformerConfig) -> bool {
    let is_plain = |config: &TransformerConfig| {
        config.family != Family::MobileBert && config.embedding_size == config.hidden_size
    };
    let fits = match student.family {
        Family::MobileBert => student.embedding_size.max(student.true_hidden_size()) <= student.hidden_size,
        _ => is_plain(student),
    };
    let classify = student.head == Head::Classifier && teacher.head == Head::Classifier;
    classify
        && fits
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
    let basis = Basis::new(states, config.hidden_size, seed);
    match student {
        Transformer::MobileBert(student) => {
            project_blocks(student, states, &basis).map(Transformer::MobileBert)
        }
        student => student.try_map_bert(|student| project_blocks(student, states, &basis)),
    }
}

fn project_blocks<N: Blocks>(student: N, states: &TeacherStates, basis: &Basis) -> Result<N, Error> {
    let mut projection = Projection { student: student.frozen(), states, basis, hidden: Vec::new() };
    N::fit_embeddings(&mut projection)?;
    projection.embed()?;
    (0..states.layers().len()).try_for_each(|block| N::fit_block(&mut projection, block))?;
    projection.finish()
}

impl<N: Blocks> Projection<'_, N> {
    fn give(&mut self, weights: Weights) {
        self.student = weights.give(self.student.clone());
    }

    /// Fits the head, once every block is fitted and `hidden` is what leaves the last one.
    fn finish(mut self) -> Result<N, Error> {
        let first_tokens: Vec<_> = self.hidden.iter().map(first_token_rows).collect();
        let head = head::fit(self.states, (&first_tokens, self.student.pooling()))?;
        self.give(head);
        Ok(self.student)
    }

    /// Takes the states that enter the first block.
    fn embed(&mut self) -> Result<(), Error> {
        let embedded = N::embedded();
        let taps = Taps::new([embedded.clone()]);
        let state = |batch| match self.student.forward(batch, &taps, Mode::Evaluation).get(&embedded) {
            Some(Feature::Sequence(hidden)) => Ok(hidden.clone()),
            _ => Err(Error::Projection { reason: "a state of the student is missing" }),
        };
        self.hidden = self.states.batches().iter().map(state).collect::<Result<_, _>>()?;
        Ok(())
    }

    /// The mask of each batch, (batch, length).
    fn masks(&self) -> impl Iterator<Item = &Tensor<2>> {
        self.states.batches().iter().map(|batch| &batch.mask)
    }

    /// The weight of each token in the fits of a block, (tokens, 1) for each batch.
    fn weights(&self, block: usize) -> Vec<Tensor<2>> {
        let last = block + 1 == self.states.layers().len();
        let first_token = if last { FIRST_TOKEN_WEIGHT } else { 1.0 };
        (0..self.states.batches().len()).map(|place| self.states.weights(place, first_token)).collect()
    }

    /// The coordinates of the teacher's states at `path`, (tokens, width of `basis`) for each batch.
    fn coordinates(&self, basis: &Basis, path: &LayerPath) -> Vec<Tensor<2>> {
        let batches = 0..self.states.batches().len();
        basis.coordinates(path, batches.map(|place| self.states.state(place, path)))
    }

    /// Goes through a block as it is.
    fn pass(&mut self, block: usize) {
        let hidden = std::mem::take(&mut self.hidden);
        let through = |(hidden, mask)| self.student.pass(block, (hidden, mask));
        self.hidden = hidden.into_iter().zip(self.masks()).map(through).collect();
    }

    /// Fits the map and the norm of a sublayer, so that its output, which is returned, comes near its targets.
    fn fit(&mut self, sublayer: Sublayer<'_>) -> Result<Vec<Tensor<3>>, Error> {
        let Sublayer { block, names, normalization, features, residuals, targets } = sublayer;
        let weights = self.weights(block).into_iter();
        let batch = |(place, (target, weight)): (usize, (Tensor<2>, Tensor<2>))| Rows {
            features: rows(&features[place]),
            residual: residuals.map_or_else(|| target.zeros_like(), |residuals| rows(&residuals[place])),
            target,
            weight,
        };
        let rows: Vec<Rows> = targets.into_iter().zip(weights).enumerate().map(batch).collect();
        let (weights, outputs) = fit_sublayer(&rows, names, normalization)?;
        self.give(weights);
        let shaped = |(rows, like): (Tensor<2>, &Tensor<3>)| {
            let ([batch, length, _], [_, width]) = (like.dims(), rows.dims());
            rows.reshape([batch, length, width])
        };
        Ok(outputs.into_iter().zip(features).map(shaped).collect())
    }
}
