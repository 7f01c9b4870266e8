//! The hash of a data file, by which a run can be traced to its data.

use std::fs::File;
use std::path::Path;

use super::Error;
use super::record::unreadable;

/// The BLAKE3 hash of a file's bytes, 64 hexadecimal digits.
///
/// # Errors
/// A file that is missing or cannot be read.
pub fn content_hash(path: &Path) -> Result<String, Error> {
    let failed = |source| unreadable(path, source);
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path).map_err(failed)?).map_err(failed)?;
    Ok(hasher.finalize().to_hex().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_blake3_of_the_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tsv");
        std::fs::write(&path, b"abc").unwrap();
        // From the BLAKE3 reference implementation.
        let expected = "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85";
        assert_eq!(content_hash(&path).unwrap(), expected);
        assert!(content_hash(&folder.path().join("b.tsv")).unwrap_err().to_string().contains("no such file"));
    }
}
