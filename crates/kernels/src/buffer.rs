//! Flex tensors as slices of f32: updated in place where nobody else holds the buffer, copied chunk by chunk otherwise.

use burn::{
    backend::{
        DispatchTensorKind, TensorMetadata,
        flex::{FlexTensor, Layout},
    },
    tensor::{Bytes, DType, Shape, Tensor},
};
use rayon::prelude::*;

use crate::simd::is_parallel;

/// Whether the fused bodies apply: f32 on the Flex backend, with or without autodiff.
pub(crate) fn is_fused<const D: usize>(tensor: &Tensor<D>) -> bool {
    // A second handle costs less than asking for the device.
    let kind = tensor.clone().into_dispatch().kind;
    kind.dtype() == DType::F32 && is_flex(&kind)
}

#[expect(unreachable_patterns, reason = "they are reachable where another backend is compiled in")]
fn is_flex(kind: &DispatchTensorKind) -> bool {
    match kind {
        DispatchTensorKind::Flex(_) => true,
        DispatchTensorKind::Autodiff(inner) => is_flex(inner),
        _ => false,
    }
}

/// The tensor with its elements adjacent, in row-major order.
pub(crate) fn contiguous(tensor: FlexTensor) -> FlexTensor {
    if tensor.layout().contiguous_offsets().is_some() { tensor } else { tensor.to_contiguous() }
}

/// The elements of a [`contiguous`] tensor of f32.
pub(crate) fn elements(tensor: &FlexTensor) -> &[f32] {
    match tensor.as_slice() {
        Some(elements) => elements,
        None => unreachable!("fused bodies read contiguous tensors of f32"),
    }
}

/// The tensor in a contiguous buffer that nobody else holds.
pub(crate) fn unique(tensor: FlexTensor) -> FlexTensor {
    let tensor = contiguous(tensor);
    if tensor.is_unique() { tensor } else { from_elements(elements(&tensor).to_vec(), tensor.shape()) }
}

/// The elements of a [`unique`] tensor of f32.
pub(crate) fn elements_mut(tensor: &mut FlexTensor) -> &mut [f32] {
    match tensor.layout().contiguous_offsets() {
        Some((start, end)) => &mut tensor.storage_mut()[start..end],
        None => unreachable!("fused bodies write contiguous tensors of f32"),
    }
}

/// A tensor that owns `elements`.
pub(crate) fn from_elements(elements: Vec<f32>, shape: Shape) -> FlexTensor {
    FlexTensor::new(Bytes::from_elems(elements), Layout::contiguous(shape), DType::F32)
}

/// The last dimension.
pub(crate) fn width(tensor: &FlexTensor) -> usize {
    tensor.layout().shape().last().copied().unwrap_or(1)
}

/// Calls `update` with the index and the elements of each chunk, and returns what it leaves there and its results in order.
///
/// In place when nobody else holds the buffer; otherwise on a copy, made chunk by chunk while it is in cache.
pub(crate) fn update<R: Send>(
    tensor: FlexTensor,
    chunk: usize,
    update: impl Fn(usize, &mut [f32]) -> R + Sync,
) -> (FlexTensor, Vec<R>) {
    let mut tensor = contiguous(tensor);
    if tensor.is_unique() {
        let results = for_chunks(elements_mut(&mut tensor), chunk, &update);
        return (tensor, results);
    }
    let (copy, results) = updated_copy(elements(&tensor), chunk, update);
    (from_elements(copy, tensor.shape()), results)
}

/// As [`update`], with a copy of each chunk besides it: one pass that leaves two tensors.
pub(crate) fn update_with_copy<R: Send>(
    tensor: FlexTensor,
    chunk: usize,
    update: impl Fn(usize, &mut [f32], &mut [f32]) -> R + Sync,
) -> (FlexTensor, FlexTensor, Vec<R>) {
    let mut tensor = unique(tensor);
    let shape = tensor.shape();
    let originals = elements_mut(&mut tensor);
    let mut copies = Vec::with_capacity(originals.len());
    let results = if is_parallel(originals.len()) {
        copies.extend_from_slice(originals);
        let pairs = originals.par_chunks_mut(chunk).zip(copies.par_chunks_mut(chunk));
        pairs.enumerate().map(|(index, (original, copy))| update(index, original, copy)).collect()
    } else {
        let pairs = originals.chunks_mut(chunk).enumerate();
        pairs.map(|(index, original)| update(index, original, append(&mut copies, original))).collect()
    };
    (tensor, from_elements(copies, shape), results)
}

fn updated_copy<R: Send>(
    source: &[f32],
    chunk: usize,
    update: impl Fn(usize, &mut [f32]) -> R + Sync,
) -> (Vec<f32>, Vec<R>) {
    if is_parallel(source.len()) {
        let mut copy = source.to_vec();
        let results = for_chunks(&mut copy, chunk, &update);
        return (copy, results);
    }
    let mut copy = Vec::with_capacity(source.len());
    let chunks = source.chunks(chunk).enumerate();
    let results = chunks.map(|(index, chunk)| update(index, append(&mut copy, chunk))).collect();
    (copy, results)
}

fn for_chunks<R: Send>(
    elements: &mut [f32],
    chunk: usize,
    update: &(impl Fn(usize, &mut [f32]) -> R + Sync),
) -> Vec<R> {
    if is_parallel(elements.len()) {
        let chunks = elements.par_chunks_mut(chunk).enumerate();
        chunks.map(|(index, elements)| update(index, elements)).collect()
    } else {
        let chunks = elements.chunks_mut(chunk).enumerate();
        chunks.map(|(index, elements)| update(index, elements)).collect()
    }
}

/// Appends a copy of `chunk` and returns it.
fn append<'a>(copies: &'a mut Vec<f32>, chunk: &[f32]) -> &'a mut [f32] {
    let start = copies.len();
    copies.extend_from_slice(chunk);
    &mut copies[start..]
}
