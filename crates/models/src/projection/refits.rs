//! Closed forms again, on what gradient steps have changed.

use std::sync::Arc;

use burn::tensor::Tensor;

use super::{Basis, Blocks, Onwards, Projection, TeacherStates};
use crate::{Error, Transformer};

/// Solves a projected student again behind each block that was trained: that block's output maps on what it computes
/// inside now, after the last stage those of the blocks above it and the head too. What else the blocks have learned
/// stays.
///
/// Without it the layers above still expect the states that the block gave before it was trained.
#[derive(Debug)]
pub struct Refits {
    states: Arc<TeacherStates>,
    basis: Basis,
    /// A block with the states that enter it, valid as long as nothing before it changes.
    entered: Option<(usize, Vec<Tensor<3>>)>,
}

/// What gradient steps have changed in a projected student.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trained {
    /// The lowest block that was trained, 0 if the embeddings were.
    pub lowest: usize,
    /// The highest block that was trained.
    pub block: usize,
    /// Whether the block right above is trained next, and what lies above can wait until then.
    pub goes_on: bool,
}

impl Refits {
    /// Refits of a student of `width` that was projected with `seed` from the teacher of `states`.
    pub fn new(states: Arc<TeacherStates>, width: usize, seed: u64) -> Self {
        let basis = Basis::new(&states, width, seed);
        Self { states, basis, entered: None }
    }

    /// The student with what lies behind its trained block solved again.
    ///
    /// # Errors
    ///
    /// [`Error::Projection`] when a fit has no solution.
    pub fn settle(&mut self, student: Transformer, trained: Trained) -> Result<Transformer, Error> {
        match student {
            Transformer::MobileBert(student) => {
                self.settle_blocks(student, trained).map(Transformer::MobileBert)
            }
            student => student.try_map_bert(|student| self.settle_blocks(student, trained)),
        }
    }

    fn settle_blocks<N: Blocks>(&mut self, student: N, trained: Trained) -> Result<N, Error> {
        let layers = self.states.layers().len();
        let known = self.entered.take().filter(|(block, _)| *block <= trained.lowest);
        let (states, basis) = (&*self.states, &self.basis);
        let mut projection = Projection { student: student.frozen(), states, basis, hidden: Vec::new() };
        let first = match known {
            Some((block, hidden)) => {
                projection.hidden = hidden;
                block
            }
            None => {
                projection.embed()?;
                0
            }
        };
        (first..trained.block).for_each(|block| projection.pass(block));
        let onwards = if trained.goes_on { Onwards::Computed } else { Onwards::Fitted };
        N::fit_outputs(&mut projection, trained.block, onwards)?;
        let above = trained.block + 1;
        if trained.goes_on {
            self.entered = Some((above, projection.hidden));
            return Ok(projection.student);
        }
        (above..layers).try_for_each(|block| N::fit_outputs(&mut projection, block, Onwards::Fitted))?;
        projection.finish()
    }
}
