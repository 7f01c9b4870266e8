//! A batch's feature put together from the outputs of its examples.

use burn::tensor::{Device, Tensor, TensorData};
use half::f16;
use half::slice::HalfFloatSliceExt;

use crate::{Batch, Extent, Feature, Shape};

/// A feature of a batch while it is filled, example by example. Padding is 0.
pub(super) struct Padded<'a> {
    shape: Shape,
    batch: &'a Batch,
    /// Where the numbers of each example begin, and where the last one's end.
    starts: Vec<usize>,
    values: Vec<f32>,
}

impl<'a> Padded<'a> {
    pub(super) fn new(shape: Shape, batch: &'a Batch) -> Self {
        let mut starts = vec![0];
        let mut end = 0;
        for example in 0..batch.size() {
            end += shape.elements(Extent { tokens: batch.length(), ..batch.extent(example) });
            starts.push(end);
        }
        Self { shape, batch, starts, values: vec![0.0; end] }
    }

    /// Numbers of the example at position `example`.
    pub(super) fn elements(&self, example: usize) -> usize {
        self.shape.elements(self.batch.extent(example))
    }

    /// Puts in the output of the example at position `example`.
    pub(super) fn place(&mut self, example: usize, output: &[f16]) {
        let (own, length) = (self.batch.extent(example).tokens, self.batch.length());
        let target = &mut self.values[self.starts[example]..self.starts[example + 1]];
        match self.shape {
            Shape::Vectors { .. } | Shape::Sequence { .. } | Shape::MaskedTokens { .. } => {
                output.convert_to_f32_slice(&mut target[..output.len()]);
            }
            Shape::Spans if own > 0 => {
                for (scores, padded) in output.chunks_exact(own).zip(target.chunks_exact_mut(length)) {
                    scores.convert_to_f32_slice(&mut padded[..own]);
                }
            }
            Shape::Spans => {}
            Shape::Attention { .. } if own == length => output.convert_to_f32_slice(target),
            Shape::Attention { .. } => {
                let heads = output.chunks_exact((own * own).max(1));
                for (map, padded) in heads.zip(target.chunks_exact_mut(length * length)) {
                    let queries = map.chunks_exact(own.max(1));
                    for (query, padded) in queries.zip(padded.chunks_exact_mut(length)) {
                        query.convert_to_f32_slice(&mut padded[..own]);
                    }
                }
            }
        }
    }

    /// The feature, on `device`.
    pub(super) fn into_feature(self, device: &Device) -> Feature {
        let (examples, length) = (self.batch.size(), self.batch.length());
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
            Shape::Spans => {
                Feature::Spans(Tensor::from_data(TensorData::new(self.values, [examples, 2, length]), device))
            }
            Shape::MaskedTokens { width } => {
                let masked = self.values.len() / width.max(1);
                let data = TensorData::new(self.values, [masked, width]);
                Feature::MaskedTokens(Tensor::from_data(data, device))
            }
        }
    }
}
