//! A batch's feature put together from the outputs of its examples.

use burn::tensor::{Device, Tensor, TensorData};
use half::f16;
use half::slice::HalfFloatSliceExt;

use crate::{Batch, Feature, Shape};

/// A feature of a batch while it is filled, example by example. Padding is 0.
pub(super) struct Padded<'a> {
    shape: Shape,
    lengths: &'a [u32],
    length: usize,
    values: Vec<f32>,
}

impl<'a> Padded<'a> {
    pub(super) fn new(shape: Shape, batch: &'a Batch) -> Self {
        let length = batch.length();
        let values = vec![0.0; batch.size() * shape.elements(length)];
        Self { shape, lengths: &batch.lengths, length, values }
    }

    /// Numbers of the example at position `example`.
    pub(super) fn elements(&self, example: usize) -> usize {
        self.shape.elements(self.lengths[example] as usize)
    }

    /// Puts in the output of the example at position `example`.
    pub(super) fn place(&mut self, example: usize, output: &[f16]) {
        let size = self.shape.elements(self.length);
        let own = self.lengths[example] as usize;
        let target = &mut self.values[example * size..(example + 1) * size];
        match self.shape {
            Shape::Vectors { .. } | Shape::Sequence { .. } => {
                output.convert_to_f32_slice(&mut target[..output.len()]);
            }
            Shape::Attention { .. } if own == self.length => output.convert_to_f32_slice(target),
            Shape::Attention { .. } => {
                let heads = output.chunks_exact((own * own).max(1));
                for (map, padded) in heads.zip(target.chunks_exact_mut(self.length * self.length)) {
                    let queries = map.chunks_exact(own.max(1));
                    for (query, padded) in queries.zip(padded.chunks_exact_mut(self.length)) {
                        query.convert_to_f32_slice(&mut padded[..own]);
                    }
                }
            }
        }
    }

    /// The feature, on `device`.
    pub(super) fn into_feature(self, device: &Device) -> Feature {
        let (examples, length) = (self.lengths.len(), self.length);
        match self.shape {
            Shape::Vectors { width } => {
                Feature::Vectors(Tensor::from_data(TensorData::new(self.values, [examples, width]), device))
            }
            Shape::Sequence { width } => {
                let data = TensorData::new(self.values, [examples, length, width]);
                Feature::Sequence(Tensor::from_data(data, device))
            }
            Shape::Attention { heads } => {
                let data = TensorData::new(self.values, [examples, heads, length, length]);
                Feature::Attention(Tensor::from_data(data, device))
            }
        }
    }
}
