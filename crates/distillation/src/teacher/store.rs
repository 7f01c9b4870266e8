//! Where a teacher's outputs on one example set are kept.

use std::fmt;

use half::f16;

use crate::{Extent, LayerOutput, Shape};

/// Keeps outputs of one teacher on one example set, by layer and row.
///
/// An output holds the numbers of one example alone, without padding, in half precision. Equal questions have equal
/// answers to the bit, so it does not matter which of several writers comes last.
pub trait OutputStore: fmt::Debug + Send + Sync {
    /// Copies the output of `layer` for example `row` into `values`; whether it is there, whole and undamaged.
    fn read(&self, layer: &LayerOutput, row: u32, values: &mut [f16]) -> bool;

    /// Keeps the output; whether there was room for it.
    fn write(&self, layer: &LayerOutput, row: u32, values: &[f16]) -> bool;
}

impl Shape {
    /// Numbers that one example has at such a layer.
    pub fn elements(self, of: Extent) -> usize {
        match self {
            Self::Vectors { width } => width,
            Self::Sequence { width } => of.tokens * width,
            Self::Attention { heads } => heads * of.tokens * of.tokens,
            Self::MaskedTokens { width } => of.masked * width,
            Self::Spans => 2 * of.tokens,
        }
    }
}
