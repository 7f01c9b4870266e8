//! A table of vectors looked up by id.

use autodistillation_kernels as kernels;
use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor};

use super::blank;

/// What a pass does with a table of word embeddings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TableUse {
    /// Looks words up, once.
    LookUpAlone,
    /// Scores words with it too, so that all its rows have a gradient.
    DecoderToo,
}

/// One vector per id.
#[derive(Module, Debug)]
pub struct Embedding {
    /// (ids, width)
    pub weight: Param<Tensor<2>>,
}

impl Embedding {
    pub(crate) fn blank(rows: usize, width: usize, device: &Device) -> Self {
        Self { weight: blank([rows, width], device) }
    }

    /// (batch, length) → (batch, length, width)
    pub fn forward(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        kernels::embedding(self.weight.val(), ids)
    }

    /// As [`Embedding::forward`], with a gradient that lists only the rows that were looked up; for a table that is
    /// looked up once in a pass.
    pub fn forward_by_rows(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        kernels::embedding_by_rows(self.weight.val(), ids)
    }

    /// As [`Embedding::forward`], with the form of the gradient that the table's uses in the pass allow.
    pub(crate) fn look_up(&self, ids: Tensor<2, Int>, uses: TableUse) -> Tensor<3> {
        match uses {
            TableUse::LookUpAlone => self.forward_by_rows(ids),
            TableUse::DecoderToo => self.forward(ids),
        }
    }

    /// The vectors of the ids from `first` to `first + length - 1`, (1, length, width).
    pub fn run(&self, first: usize, length: usize) -> Tensor<3> {
        self.weight.val().narrow(0, first, length).unsqueeze()
    }

    /// The vectors of segments, (batch, length) → (batch, length, width), or (1, 1, width) for a table that knows only
    /// one: as RoBERTa, whose tokenizer marks none.
    pub(crate) fn of_segments(&self, segments: Tensor<2, Int>) -> Tensor<3> {
        match self.weight.lazy_shape()[0] {
            1 => self.run(0, 1),
            _ => self.forward(segments),
        }
    }
}
