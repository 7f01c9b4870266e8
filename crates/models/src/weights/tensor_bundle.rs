//! The tensors of a TensorFlow checkpoint (`*.ckpt.index` with `*.ckpt.data-…`), as Google published BERT in.
//!
//! Format: `tensorflow/core/util/tensor_bundle/tensor_bundle.h`: a table whose empty key holds the header and whose other
//! keys, the names of variables, hold where the numbers are.

mod names;
mod protobuf;
mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::checkpoint::{WeightFile, map};
use super::checkpoint_problem::CheckpointProblem;
use super::stored::{NumberFormat, Stored};
use crate::error::Error;
use names::Named;
use protobuf::{BundleEntry, BundleHeader};

/// What Google's folders call it, and TensorFlow's estimators.
const USUAL: [&str; 2] = ["bert_model.ckpt.index", "model.ckpt.index"];
/// Most files of one checkpoint.
const MOST_SHARDS: usize = 1000;

/// The index of the checkpoint in `folder`: one of the usual names, else the only one there is.
pub(super) fn find(folder: &Path) -> Option<PathBuf> {
    let usual = USUAL.iter().map(|name| folder.join(name)).find(|path| path.exists());
    usual.or_else(|| {
        let names =
            std::fs::read_dir(folder).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let indexes: Vec<String> =
            names.filter(|name| name.contains(".ckpt") && name.ends_with(".index")).collect();
        match indexes.as_slice() {
            [only] => Some(folder.join(only)),
            _ => None,
        }
    })
}

/// Opens a checkpoint by its index.
///
/// # Errors
///
/// A file that is missing or unreadable, and an index that is corrupt or contradicts its files.
pub(super) fn open(index: &Path) -> Result<Vec<WeightFile>, Error> {
    let broken = |problem| Error::Checkpoint { path: index.to_owned(), problem };
    let (shards, entries) = entries(&map(index)?).map_err(broken)?;
    let mut files = Vec::new();
    for shard in 0..shards {
        let map = map(&data_file(index, shard, shards))?;
        let inside = entries.iter().filter(|(_, entry)| entry.shard == shard as u64);
        let tensors = tensors(inside, map.len()).map_err(broken)?;
        files.push(WeightFile { map, tensors });
    }
    Ok(files)
}

/// How many files hold the numbers, and what they hold by the names of variables.
fn entries(index: &[u8]) -> Result<(usize, BTreeMap<String, BundleEntry>), CheckpointProblem> {
    of_rows(table::read(index)?)
}

fn of_rows(mut rows: table::Rows) -> Result<(usize, BTreeMap<String, BundleEntry>), CheckpointProblem> {
    let malformed = |part| CheckpointProblem::Malformed { part, expected: "one that TensorFlow writes" };
    let header = rows.remove(&Vec::new()).and_then(|bytes| BundleHeader::parse(&bytes));
    let header = header.ok_or_else(|| malformed("the header of the index"))?;
    let shards = usize::try_from(header.shards).ok().filter(|shards| (1..=MOST_SHARDS).contains(shards));
    let shards = shards.filter(|_| header.is_little_endian);
    let entries = rows.into_iter().map(|(key, bytes)| {
        let name = String::from_utf8(key).ok()?;
        Some((name, BundleEntry::parse(&bytes)?))
    });
    let entries = entries.collect::<Option<_>>().ok_or_else(|| malformed("an entry of the index"))?;
    Ok((shards.ok_or_else(|| malformed("the header of the index"))?, entries))
}

/// `x.ckpt.index` with three files has `x.ckpt.data-00000-of-00003` and so on.
fn data_file(index: &Path, shard: usize, shards: usize) -> PathBuf {
    index.with_extension(format!("data-{shard:05}-of-{shards:05}"))
}

fn tensors<'a>(
    entries: impl Iterator<Item = (&'a String, &'a BundleEntry)>,
    length: usize,
) -> Result<BTreeMap<String, Stored>, CheckpointProblem> {
    let (mut tensors, mut variable_of) = (BTreeMap::new(), BTreeMap::new());
    for (variable, entry) in entries {
        let Some(Named { name, transposed }) = names::parameter(variable) else { continue };
        if entry.is_sliced {
            return Err(CheckpointProblem::Layout { name: variable.clone(), how: "in slices" });
        }
        let stored = place(entry, length);
        let stored = stored.ok_or_else(|| CheckpointProblem::Outside { name: variable.clone() })?;
        let stored = if transposed { stored.transpose() } else { stored };
        if let Some(first) = variable_of.insert(name.clone(), variable.clone()) {
            return Err(CheckpointProblem::Ambiguous { name, first, second: variable.clone() });
        }
        tensors.insert(name, stored);
    }
    Ok(tensors)
}

fn place(entry: &BundleEntry, length: usize) -> Option<Stored> {
    let start = usize::try_from(entry.offset).ok()?;
    let end = start.checked_add(usize::try_from(entry.size).ok()?).filter(|&end| end <= length)?;
    let shape = entry.shape.iter().map(|&size| usize::try_from(size).ok()).collect::<Option<_>>()?;
    Stored::dense(format(entry.dtype), shape, (start, end))
}

/// `tensorflow/core/framework/types.proto`
fn format(dtype: u64) -> NumberFormat {
    match dtype {
        1 => NumberFormat::F32,
        2 => NumberFormat::F64,
        14 => NumberFormat::BF16,
        19 => NumberFormat::F16,
        3 => NumberFormat::other("I32"),
        9 => NumberFormat::other("I64"),
        other => NumberFormat::other(format_args!("TensorFlow's type {other}")),
    }
}

#[cfg(test)]
pub(super) fn read(index: &[u8], length: usize) -> Result<BTreeMap<String, Stored>, CheckpointProblem> {
    tensors(entries(index)?.1.iter(), length)
}

/// The block with the names of the variables, which is the first.
#[cfg(test)]
pub(super) fn first_block(index: &[u8]) -> &[u8] {
    table::first_block(index)
}

/// The tensors of a block without its checksum.
#[cfg(test)]
pub(super) fn read_block(block: &[u8], length: usize) -> Result<BTreeMap<String, Stored>, CheckpointProblem> {
    tensors(of_rows(table::rows(block, &mut (1 << 20))?)?.1.iter(), length)
}
