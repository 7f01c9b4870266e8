//! Names of the files in a network folder, and writing them so that a crash leaves the old or the new one.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::Error;

pub(crate) const CONFIG: &str = "config.json";
/// What the folders of Google's checkpoints have in its place.
pub(crate) const GOOGLE_CONFIG: &str = "bert_config.json";
pub(crate) const WEIGHTS: &str = "model.safetensors";
pub(crate) const WEIGHTS_INDEX: &str = "model.safetensors.index.json";
pub(crate) const PYTORCH_WEIGHTS: &str = "pytorch_model.bin";
pub(crate) const PYTORCH_INDEX: &str = "pytorch_model.bin.index.json";
pub(crate) const KERAS_WEIGHTS: &str = "tf_model.h5";
pub(crate) const TOKENIZER: &str = "tokenizer.json";
pub(crate) const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
pub(crate) const VOCABULARY: &str = "vocab.txt";
pub(crate) const BYTE_VOCABULARY: &str = "vocab.json";
pub(crate) const MERGES: &str = "merges.txt";

/// Everything a tokenizer may consist of.
pub(crate) const TOKENIZER_FILES: [&str; 7] = [
    TOKENIZER,
    TOKENIZER_CONFIG,
    VOCABULARY,
    BYTE_VOCABULARY,
    MERGES,
    "special_tokens_map.json",
    "added_tokens.json",
];

/// The config of a network folder.
pub(crate) fn config(folder: &Path) -> PathBuf {
    let (usual, google) = (folder.join(CONFIG), folder.join(GOOGLE_CONFIG));
    if !usual.exists() && google.exists() { google } else { usual }
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })
}

pub(crate) fn read_json(path: &Path) -> Result<Value, Error> {
    serde_json::from_slice(&read(path)?).map_err(|source| Error::Json { path: path.to_owned(), source })
}

/// Writes `bytes` under a temporary name beside `path`, then renames.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let partial = partial_name(path);
    let written = write_and_rename(&partial, path, bytes);
    if written.is_err() {
        // The reason of the failure matters more than a leftover that cannot be removed either.
        let _ = std::fs::remove_file(&partial);
    }
    written.map_err(|source| Error::Write { path: path.to_owned(), source })
}

fn write_and_rename(partial: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(partial, path)
}

/// A name beside `path` that no other process writes to.
fn partial_name(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_file_replaces_the_old_one_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(CONFIG);
        write(&path, b"old").unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(read(&path).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_write_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let error = write(&folder.path().join("missing").join(CONFIG), b"{}").unwrap_err();
        assert!(error.to_string().contains("config.json"), "{error}");
    }
}
