//! A padded batch of tokenised examples on a device.

use burn::tensor::{Int, Tensor};

use crate::{Extent, Targets};

/// Examples of one step, padded to the longest of them.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Token ids, (batch, length).
    pub ids: Tensor<2, Int>,
    /// Segment ids, 0 for the first text and 1 for the second, (batch, length).
    pub token_types: Tensor<2, Int>,
    /// 1 for a real token and 0 for padding, (batch, length).
    pub mask: Tensor<2>,
    /// What the task wants for each example.
    pub targets: Targets,
    /// The row of each example in its [`ExampleSet`](crate::ExampleSet), the key of cached teacher outputs.
    pub rows: Vec<u32>,
    /// Real tokens of each example.
    pub lengths: Vec<u32>,
    /// Masked tokens of each example.
    pub masked: Vec<u32>,
}

impl Batch {
    /// Number of examples.
    pub fn size(&self) -> usize {
        self.rows.len()
    }

    /// How much there is of the example at position `example`; nothing outside the batch.
    pub fn extent(&self, example: usize) -> Extent {
        let at = |counts: &[u32]| counts.get(example).map_or(0, |&count| count as usize);
        Extent { tokens: at(&self.lengths), masked: at(&self.masked) }
    }

    /// Padded length in tokens.
    pub fn length(&self) -> usize {
        self.ids.dims()[1]
    }
}
