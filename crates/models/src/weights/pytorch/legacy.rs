//! A checkpoint as PyTorch before 1.6 wrote it: pickles of a magic number, a version, the machine, what was saved and
//! the keys of its storages; then for each key the count of its numbers and the numbers.

use std::collections::BTreeMap;

use super::objects::{Objects, Value, count};
use super::pickle::{self, Pickle};
use super::{CheckpointProblem, Parts};

/// What the first pickle holds (`torch/serialization.py`, `MAGIC_NUMBER`).
const MAGIC: Value = Value::Integer(0x1950_a86a_20f9_469c_fc6c);

/// Reads the pickles and finds the storages.
pub(super) fn read(bytes: &[u8]) -> Result<Parts, CheckpointProblem> {
    let magic = pickle::read(bytes, 0)?;
    if magic.root != MAGIC {
        return Err(CheckpointProblem::Malformed { part: "the file", expected: "a checkpoint of PyTorch" });
    }
    let version = pickle::read(bytes, magic.end)?;
    let machine = pickle::read(bytes, version.end)?;
    if !is_little_endian(&machine) {
        return Err(CheckpointProblem::Malformed { part: "its byte order", expected: "`little`" });
    }
    let saved = pickle::read(bytes, machine.end)?;
    let keys = pickle::read(bytes, saved.end)?;
    let storages = storages(bytes, &keys, &sizes(&saved.objects))?;
    Ok(Parts { objects: saved.objects, root: saved.root, storages })
}

fn is_little_endian(machine: &Pickle) -> bool {
    let entries = machine.objects.entries(machine.root).unwrap_or_default();
    let order = entries.iter().find(|(key, _)| machine.objects.text(*key) == Some("little_endian"));
    order.is_some_and(|&(_, value)| value == Value::Bool(true))
}

/// Bytes of a number of each storage.
fn sizes(objects: &Objects) -> BTreeMap<&str, usize> {
    let storages = objects.storages();
    storages.filter_map(|storage| Some((objects.text(storage.key)?, storage.kind.bytes()))).collect()
}

/// Where the numbers of each storage lie, which follow each other after the list of their keys.
fn storages(
    bytes: &[u8],
    keys: &Pickle,
    sizes: &BTreeMap<&str, usize>,
) -> Result<BTreeMap<String, (usize, usize)>, CheckpointProblem> {
    let list = keys
        .objects
        .list(keys.root)
        .ok_or(CheckpointProblem::Malformed { part: "its list of storages", expected: "a list" })?;
    let (mut at, mut places) = (keys.end, BTreeMap::new());
    for &key in list {
        let key = keys.objects.text(key).unwrap_or_default();
        let place = sizes.get(key).and_then(|size| numbers(bytes, at, *size));
        let place = place.ok_or_else(|| CheckpointProblem::Outside { name: format!("storage {key}") })?;
        at = place.1;
        places.insert(key.to_owned(), place);
    }
    Ok(places)
}

/// The place of the numbers whose count stands at `at`.
fn numbers(bytes: &[u8], at: usize, size: usize) -> Option<(usize, usize)> {
    let length = i64::from_le_bytes(*bytes.get(at..)?.first_chunk()?);
    let start = at + size_of::<i64>();
    let end = start.checked_add(count(Value::Integer(i128::from(length)))?.checked_mul(size)?)?;
    (end <= bytes.len()).then_some((start, end))
}
