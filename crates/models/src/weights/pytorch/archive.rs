//! A checkpoint as a zip archive: `NAME/data.pkl`, and each storage in `NAME/data/KEY`, uncompressed.

use std::collections::BTreeMap;

use rawzip::{CompressionMethod, ZipArchive};

use super::{CheckpointProblem, Parts, pickle};

/// The entry with the pickle, inside of the archive's only folder.
const PICKLE: &str = "data.pkl";

/// Reads the pickle and finds the storages.
pub(super) fn read(bytes: &[u8]) -> Result<Parts, CheckpointProblem> {
    let entries = entries(bytes)?;
    let folder = entries.keys().find_map(|name| {
        let folder = name.strip_suffix(PICKLE)?;
        (folder.is_empty() || folder.ends_with('/')).then_some(folder)
    });
    let folder = folder.ok_or(CheckpointProblem::Malformed {
        part: "the archive",
        expected: "one of PyTorch with a `data.pkl`",
    })?;
    let within = |name: &str| entries.get(&format!("{folder}{name}")).map(|&(start, end)| &bytes[start..end]);
    if within("byteorder").is_some_and(|order| order != b"little") {
        return Err(CheckpointProblem::Malformed { part: "its byte order", expected: "`little`" });
    }
    let read = pickle::read(within(PICKLE).unwrap_or_default(), 0)?;
    let data = format!("{folder}data/");
    let keyed =
        entries.iter().filter_map(|(name, &place)| Some((name.strip_prefix(&data)?.to_owned(), place)));
    Ok(Parts { objects: read.objects, root: read.root, storages: keyed.collect() })
}

/// Where the bytes of each entry lie.
fn entries(bytes: &[u8]) -> Result<BTreeMap<String, (usize, usize)>, CheckpointProblem> {
    let archive = ZipArchive::from_slice(bytes).map_err(CheckpointProblem::Archive)?;
    let mut records = archive.entries();
    let mut places = BTreeMap::new();
    while let Some(record) = records.next_entry().map_err(CheckpointProblem::Archive)? {
        let name = String::from_utf8_lossy(record.file_path().as_ref()).into_owned();
        if record.compression_method() != CompressionMethod::STORE {
            return Err(CheckpointProblem::Layout { name, how: "compressed inside its archive" });
        }
        let entry = archive.get_entry(record.wayfinder()).map_err(CheckpointProblem::Archive)?;
        let (start, end) = entry.compressed_data_range();
        let place = usize::try_from(start).ok().zip(usize::try_from(end).ok());
        let inside = place.filter(|&(start, end)| start <= end && end <= bytes.len());
        places.insert(name.clone(), inside.ok_or(CheckpointProblem::Outside { name })?);
    }
    Ok(places)
}
