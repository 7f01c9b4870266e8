//! The tensors of a `pytorch_model.bin`: a pickle that says where they lie, and their numbers beside it. Its pickle is
//! read by [`pickle`] and never run.
//!
//! Format: `torch.save` of PyTorch 1.6 and later (a zip archive) and of earlier versions (pickles one after another).

mod archive;
mod globals;
mod legacy;
mod objects;
mod pickle;

use std::collections::BTreeMap;
use std::path::Path;

use super::checkpoint::{WeightFile, map};
use super::checkpoint_problem::CheckpointProblem;
use super::stored::{NumberFormat, Placed, Stored};
use crate::error::Error;
use objects::{Objects, TensorView, Value};

/// Bytes of the longest name that a tensor may have.
const LONGEST_NAME: usize = 512;

/// What both forms of the file come to: the saved mapping, and the bytes of each storage by its key.
struct Parts {
    objects: Objects,
    root: Value,
    /// First byte and the one after the last.
    storages: BTreeMap<String, (usize, usize)>,
}

/// Opens a `pytorch_model.bin`.
pub(super) fn open(path: &Path) -> Result<WeightFile, Error> {
    let map = map(path)?;
    match read(&map) {
        Ok(tensors) => Ok(WeightFile { map, tensors }),
        Err(problem) => Err(Error::Checkpoint { path: path.to_owned(), problem }),
    }
}

/// The tensors in the bytes of a file.
pub(super) fn read(bytes: &[u8]) -> Result<BTreeMap<String, Stored>, CheckpointProblem> {
    let parts = if bytes.starts_with(b"PK") { archive::read(bytes)? } else { legacy::read(bytes)? };
    parts.tensors()
}

impl Parts {
    fn tensors(&self) -> Result<BTreeMap<String, Stored>, CheckpointProblem> {
        let entries = self.objects.entries(self.root).ok_or(CheckpointProblem::Malformed {
            part: "what was saved",
            expected: "a mapping from names to tensors",
        })?;
        let mut tensors = BTreeMap::new();
        for &(key, value) in entries {
            let name = self.objects.text(key).filter(|name| name.len() <= LONGEST_NAME).ok_or(
                CheckpointProblem::Malformed {
                    part: "a key of what was saved",
                    expected: "the name of a tensor",
                },
            )?;
            let view = self.objects.tensor(value);
            let view = view.ok_or_else(|| CheckpointProblem::NotATensor { name: name.to_owned() })?;
            let stored = self.place(view);
            let stored = stored.ok_or_else(|| CheckpointProblem::Outside { name: name.to_owned() })?;
            tensors.insert(name.to_owned(), stored);
        }
        Ok(tensors)
    }

    fn place(&self, view: &TensorView) -> Option<Stored> {
        let storage = self.objects.storage(view.storage)?;
        let &(begin, end) = self.storages.get(self.objects.text(storage.key)?)?;
        let first = storage.skipped.checked_add(view.offset)?.checked_mul(storage.kind.bytes())?;
        let placed = Placed { start: begin.checked_add(first)?, strides: view.strides.clone(), end };
        Stored::new(storage.kind.format(), view.shape.clone(), placed)
    }
}

/// What the numbers of a storage are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct StorageKind {
    /// PyTorch's name of the storage's class.
    class: &'static str,
    /// The name of the number format.
    name: &'static str,
    /// Bytes of a number.
    size: usize,
}

impl StorageKind {
    fn bytes(self) -> usize {
        self.size
    }

    fn format(self) -> NumberFormat {
        match self.name {
            "F32" => NumberFormat::F32,
            "F16" => NumberFormat::F16,
            "BF16" => NumberFormat::BF16,
            "F64" => NumberFormat::F64,
            other => NumberFormat::other(other),
        }
    }
}

/// The classes of storages that a checkpoint may name.
const STORAGES: [StorageKind; 10] = [
    StorageKind { class: "FloatStorage", name: "F32", size: 4 },
    StorageKind { class: "HalfStorage", name: "F16", size: 2 },
    StorageKind { class: "BFloat16Storage", name: "BF16", size: 2 },
    StorageKind { class: "DoubleStorage", name: "F64", size: 8 },
    StorageKind { class: "LongStorage", name: "I64", size: 8 },
    StorageKind { class: "IntStorage", name: "I32", size: 4 },
    StorageKind { class: "ShortStorage", name: "I16", size: 2 },
    StorageKind { class: "CharStorage", name: "I8", size: 1 },
    StorageKind { class: "ByteStorage", name: "U8", size: 1 },
    StorageKind { class: "BoolStorage", name: "BOOL", size: 1 },
];

#[cfg(test)]
mod tests;
