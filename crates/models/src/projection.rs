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
mod sensitivity;
mod slice;
mod states;
#[cfg(test)]
mod tests;

use autodistillation_distillation::{Features, LayerPath, Mode, Network, Parameters, Taps};
use burn::tensor::Tensor;

pub use basis::Basis;
pub use states::TeacherStates;

use crate::weights::{Weight, Weights};
use crate::{Bert, Error};
use fit::{Rows, fit_norm, fit_residual};

/// Weight of the first token's rows in the last block's fits: only that token reaches the head.
const FIRST_TOKEN_WEIGHT: f32 = 10.0;

/// A student on its way from random weights to a projection of its teacher.
struct Projection<'a> {
    student: Bert,
    states: &'a TeacherStates,
    basis: Basis,
}

/// Gives `student` weights computed from its teacher's, as seen on the sample of `states`.
///
/// The student must have the teacher's vocabulary and classes, at most its width, and as many layers as `states`
/// names counterparts; `seed` rotates the basis.
///
/// # Errors
///
/// [`Error::Projection`] when a student cannot be projected or a fit has no solution.
pub fn project(student: Bert, states: &TeacherStates, seed: u64) -> Result<Bert, Error> {
    let (width, layers) = (student.config().hidden_size, student.config().num_hidden_layers);
    if width > states.width() || layers != states.layers().len() {
        return Err(Error::Projection {
            reason: "the student is wider than its teacher or has other layers",
        });
    }
    let basis = Basis::new(states, width, seed);
    let mut projection = Projection { student: student.frozen(), states, basis };
    let words = embeddings::project(&projection.basis, states);
    projection.give(words);
    projection.finish(0..layers)
}

/// What gradient steps have changed in a projected student.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trained {
    /// The block that was trained.
    pub block: usize,
    /// The block above it that is trained next: what lies above that one can wait. Absent = nothing can.
    pub next: Option<usize>,
}

/// Solves a projected student again behind a trained block: that block's output maps on what it computes inside now,
/// then the blocks above it, then the head. `seed` is that of the projection.
///
/// Without it the layers above still expect the states that the block gave before it was trained.
///
/// # Errors
///
/// [`Error::Projection`] when a fit has no solution.
pub fn refit(student: Bert, states: &TeacherStates, seed: u64, trained: Trained) -> Result<Bert, Error> {
    let (width, layers) = (student.config().hidden_size, student.config().num_hidden_layers);
    let basis = Basis::new(states, width, seed);
    let mut projection = Projection { student: student.frozen(), states, basis };
    projection.fit_outputs(trained.block)?;
    let above = trained.block + 1;
    match trained.next.filter(|next| *next >= above) {
        Some(next) => {
            projection.fit_blocks(above..next + 1)?;
            Ok(projection.student)
        }
        None => projection.finish(above..layers),
    }
}

impl Projection<'_> {
    fn give(&mut self, weights: Weights) {
        self.student = weights.give(self.student.clone());
    }

    /// Fits these blocks, one on the states of the other, and the head.
    fn finish(mut self, blocks: std::ops::Range<usize>) -> Result<Bert, Error> {
        self.fit_blocks(blocks)?;
        let head = self.fit_head()?;
        self.give(head);
        Ok(self.student)
    }

    fn fit_blocks(&mut self, mut blocks: std::ops::Range<usize>) -> Result<(), Error> {
        blocks.try_for_each(|block| self.fit_block(block))
    }

    fn fit_block(&mut self, block: usize) -> Result<(), Error> {
        let sliced = slice::block(&self.basis, self.states, (block, self.student.config()));
        self.give(sliced);
        self.fit_outputs(block)
    }

    /// Fits the output maps of a block on what it computes inside.
    fn fit_outputs(&mut self, block: usize) -> Result<(), Error> {
        let prefix = format!("bert.encoder.layer.{block}");
        let input = match block {
            0 => LayerPath::new("bert.embeddings"),
            _ => LayerPath::new(format!("bert.encoder.layer.{}.output", block - 1)),
        };
        let attended = (input, LayerPath::new(format!("{prefix}.attention.self")));
        self.fit_sublayer(block, &attended, &format!("{prefix}.attention.output"))?;
        let wide = (
            LayerPath::new(format!("{prefix}.attention.output")),
            LayerPath::new(format!("{prefix}.intermediate")),
        );
        self.fit_sublayer(block, &wide, &format!("{prefix}.output"))
    }

    /// Fits the output map and the norm of `module`, whose input is `features` and whose residual is `residual`, so
    /// that its output comes near the teacher's state there.
    fn fit_sublayer(
        &mut self,
        block: usize,
        (residual, features): &(LayerPath, LayerPath),
        module: &str,
    ) -> Result<(), Error> {
        let taps = Taps::new([residual.clone(), features.clone()]);
        let target = self.states.counterpart(block, module);
        let last = block + 1 == self.states.layers().len();
        let mut rows = Vec::new();
        for (place, batch) in self.states.batches().iter().enumerate() {
            let captured = self.student.forward(batch, &taps, Mode::Evaluation);
            let weight = self.states.weights(place, if last { FIRST_TOKEN_WEIGHT } else { 1.0 });
            let target = self.basis.coordinates(&target, self.states.state(place, &target));
            rows.push(Rows {
                features: sequence(&captured, features)?,
                residual: sequence(&captured, residual)?,
                target,
                weight,
            });
        }
        let (map, shift) = fit_residual(&rows)?;
        let (scale, offset) = fit_norm(&rows, (&map, &shift));
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
        Ok(())
    }

    fn fit_head(&self) -> Result<Weights, Error> {
        let last = LayerPath::new(format!("bert.encoder.layer.{}.output", self.states.layers().len() - 1));
        let taps = Taps::new([last.clone()]);
        let mut first_tokens = Vec::new();
        for batch in self.states.batches() {
            let captured = self.student.forward(batch, &taps, Mode::Evaluation);
            let Some(autodistillation_distillation::Feature::Sequence(hidden)) = captured.get(&last) else {
                return Err(Error::Projection { reason: "the student's last state is missing" });
            };
            let [examples, _, width] = hidden.dims();
            first_tokens.push(hidden.clone().slice([0..examples, 0..1]).reshape([examples, width]));
        }
        head::fit(self.states, &first_tokens)
    }
}

/// The hidden states at `path` as rows, (tokens, width).
fn sequence(features: &Features, path: &LayerPath) -> Result<Tensor<2>, Error> {
    match features.get(path) {
        Some(autodistillation_distillation::Feature::Sequence(hidden)) => {
            let [batch, length, width] = hidden.dims();
            Ok(hidden.clone().reshape([batch * length, width]))
        }
        _ => Err(Error::Projection { reason: "a state of the student is missing" }),
    }
}

fn vector(values: Vec<f32>) -> Weight {
    Weight { dims: vec![values.len()], values }
}
