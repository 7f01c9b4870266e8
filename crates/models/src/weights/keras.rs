//! The tensors of a `tf_model.h5`, as the TensorFlow classes of `transformers` save them.
//!
//! Format: HDF5 in Keras' arrangement. The root's attribute `layer_names` names groups, whose attribute `weight_names`
//! names the data sets below them (`tf_keras/src/saving/legacy/hdf5_format.py`).

mod names;
mod write;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use hdf5_pure::{Datatype, DatatypeByteOrder, FloatingPointLayout, FormatError, Layout, Source};

use super::checkpoint::{WeightFile, map};
use super::checkpoint_problem::CheckpointProblem;
use super::stored::{NumberFormat, Stored};
use crate::error::Error;
use names::Named;

pub(crate) use write::to_hdf5;

/// Most names in one list, beyond those of any network.
const MOST_NAMES: usize = 100_000;
/// The attributes with lists of names.
const LAYERS: &str = "layer_names";
const WEIGHTS: &str = "weight_names";

type Tensors = BTreeMap<String, Stored>;

/// Opens a `tf_model.h5`.
pub(super) fn open(path: &Path) -> Result<WeightFile, Error> {
    let broken = |problem| Error::Checkpoint { path: path.to_owned(), problem };
    let tensors = contained(Bytes(map(path)?)).map_err(broken)?;
    Ok(WeightFile { map: map(path)?, tensors })
}

/// The bytes of a file as the HDF5 library wants to read them.
struct Bytes<B>(B);

impl<B: AsRef<[u8]>> Source for Bytes<B> {
    fn len(&self) -> u64 {
        self.0.as_ref().len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), FormatError> {
        let all = self.0.as_ref();
        let available = all.len();
        let begin = usize::try_from(offset).unwrap_or(available);
        let bytes = all.get(begin..).and_then(|rest| rest.get(..buffer.len()));
        let end = begin.saturating_add(buffer.len());
        buffer.copy_from_slice(bytes.ok_or(FormatError::UnexpectedEof { expected: end, available })?);
        Ok(())
    }
}

/// The tensors in the bytes of a file.
#[cfg(test)]
pub(super) fn read(bytes: Vec<u8>) -> Result<Tensors, CheckpointProblem> {
    contained(Bytes(bytes))
}

/// Reads the places of all tensors. A panic of the HDF5 library, which is made for whole files, ends here.
fn contained<S: Source + Send + Sync + 'static>(source: S) -> Result<Tensors, CheckpointProblem> {
    let length = usize::try_from(source.len()).unwrap_or(usize::MAX);
    let read = move || {
        let file = hdf5_pure::File::from_source(source).map_err(refused)?;
        tensors(&file, length)
    };
    catch_unwind(AssertUnwindSafe(read)).unwrap_or(Err(CheckpointProblem::Unreadable))
}

fn refused(error: hdf5_pure::Error) -> CheckpointProblem {
    CheckpointProblem::Hdf5(Box::new(error))
}

fn tensors(file: &hdf5_pure::File, length: usize) -> Result<Tensors, CheckpointProblem> {
    let (mut tensors, mut path_of) = (Tensors::new(), BTreeMap::new());
    for layer in names(&file.root(), LAYERS)? {
        let group = file.root().group(&layer).map_err(refused)?;
        for path in names(&group, WEIGHTS)? {
            let Some(Named { name, transposed }) = names::parameter(&path) else { continue };
            let stored = place(&group.dataset(&path).map_err(refused)?, &path, length)?;
            let stored = if transposed { stored.transpose() } else { stored };
            match path_of.entry(name.clone()) {
                Entry::Vacant(entry) => entry.insert(path),
                // Layers that share a tensor each name it.
                Entry::Occupied(entry) if *entry.get() == path => continue,
                Entry::Occupied(entry) => {
                    let first = entry.get().clone();
                    return Err(CheckpointProblem::Ambiguous { name, first, second: path });
                }
            };
            tensors.insert(name, stored);
        }
    }
    Ok(tensors)
}

/// The names in an attribute, or in its parts `name0`, `name1`, … where it would be too long for HDF5.
fn names(group: &hdf5_pure::Group, attribute: &'static str) -> Result<Vec<String>, CheckpointProblem> {
    let attributes = group.attrs().map_err(refused)?;
    let listed = |key: &str| attributes.get(key).map(|value| value.as_strings().unwrap_or_default());
    let names: Vec<String> = match listed(attribute) {
        Some(names) => names.to_vec(),
        None => (0..).map_while(|part| listed(&format!("{attribute}{part}"))).flatten().cloned().collect(),
    };
    let there = attributes.contains_key(attribute) || attributes.contains_key(&format!("{attribute}0"));
    if !there || names.len() > MOST_NAMES {
        return Err(CheckpointProblem::Malformed {
            part: attribute,
            expected: "a list of names as Keras writes it",
        });
    }
    Ok(names)
}

fn place(dataset: &hdf5_pure::Dataset, name: &str, length: usize) -> Result<Stored, CheckpointProblem> {
    let outside = || CheckpointProblem::Outside { name: name.to_owned() };
    let layout = |how| CheckpointProblem::Layout { name: name.to_owned(), how };
    let shape = dataset.shape().map_err(refused)?;
    let (address, size) = match dataset.layout().map_err(refused)? {
        _ if shape.contains(&0) => (0, 0),
        Layout::Contiguous { address: Some(address), size } => (address, size),
        Layout::Contiguous { address: None, .. } => return Err(layout("without its numbers")),
        _ => return Err(layout("in chunks")),
    };
    let start = usize::try_from(address).map_err(|_| outside())?;
    let end = usize::try_from(size).ok().and_then(|size| start.checked_add(size));
    let end = end.filter(|&end| end <= length).ok_or_else(outside)?;
    let shape = shape.into_iter().map(|size| usize::try_from(size).ok()).collect::<Option<_>>();
    let format = format(&dataset.datatype().map_err(refused)?);
    Stored::dense(format, shape.ok_or_else(outside)?, (start, end)).ok_or_else(outside)
}

fn format(datatype: &Datatype) -> NumberFormat {
    match datatype {
        Datatype::FloatingPoint { size, byte_order: DatatypeByteOrder::LittleEndian, layout } => {
            match (size, layout.exponent_size) {
                (4, 8) if *layout == FloatingPointLayout::IEEE754_BINARY32 => NumberFormat::F32,
                (8, 11) if *layout == FloatingPointLayout::IEEE754_BINARY64 => NumberFormat::F64,
                (2, 5) if layout.exponent_bias == 15 => NumberFormat::F16,
                _ => NumberFormat::other("an unusual number"),
            }
        }
        Datatype::FloatingPoint { .. } => NumberFormat::other("a big-endian number"),
        Datatype::FixedPoint { size, .. } => NumberFormat::other(format_args!("I{}", u64::from(*size) * 8)),
        _ => NumberFormat::other("something other than numbers"),
    }
}

#[cfg(test)]
mod tests;
