//! The tensors of a safetensors file.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorInfo};
use safetensors::{SafeTensorError, SafeTensors};

use super::checkpoint::{WeightFile, map};
use super::stored::{NumberFormat, Stored};
use crate::error::Error;

/// Opens a safetensors file. Its header is checked against its length.
pub(super) fn open(path: &Path) -> Result<WeightFile, Error> {
    let map = map(path)?;
    let tensors = read(&map).map_err(|source| Error::Safetensors { path: path.to_owned(), source })?;
    Ok(WeightFile { map, tensors })
}

/// The tensors in the bytes of a file.
pub(super) fn read(bytes: &[u8]) -> Result<BTreeMap<String, Stored>, SafeTensorError> {
    let (header, metadata) = SafeTensors::read_metadata(bytes)?;
    let begin = header + size_of::<u64>();
    let stored = |name: String| {
        let place = metadata.info(&name).and_then(|tensor| at(tensor, begin));
        let place = place.ok_or_else(|| SafeTensorError::TensorNotFound(name.clone()))?;
        Ok((name, place))
    };
    metadata.offset_keys().into_iter().map(stored).collect()
}

fn at(tensor: &TensorInfo, begin: usize) -> Option<Stored> {
    let (start, end) = tensor.data_offsets;
    let place = (begin.checked_add(start)?, begin.checked_add(end)?);
    let format = match tensor.dtype {
        Dtype::F32 => NumberFormat::F32,
        Dtype::F16 => NumberFormat::F16,
        Dtype::BF16 => NumberFormat::BF16,
        Dtype::F64 => NumberFormat::F64,
        other => NumberFormat::other(format_args!("{other:?}")),
    };
    Stored::dense(format, tensor.shape.clone(), place)
}
