//! The file of one layer: a header, one checksum per example, and the outputs at fixed places.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use autodistillation_distillation::LayerOutput;
use half::f16;
use half::slice::HalfFloatSliceExt;
use twox_hash::XxHash3_64;

use super::places::Places;

/// What a file begins with.
pub(super) const FORMAT: &str = "autodistillation teacher outputs, format 1";
/// Bytes of the header.
const HEADER: usize = 512;
/// Outputs begin at a multiple of this.
const PAGE: u64 = 4096;
/// The checksum of an output that is not there.
const ABSENT: u64 = 0;

/// What the file of one layer must look like.
#[derive(Debug)]
pub(super) struct Layout {
    header: [u8; HEADER],
    /// Where the outputs begin.
    data: u64,
    /// Bytes of the whole file.
    size: u64,
}

impl Layout {
    /// The layout for `layer` of the teacher and set of `key`.
    pub(super) fn new(key: &str, layer: &LayerOutput, places: &Places) -> Self {
        let rows = places.rows();
        let text = format!("{FORMAT}\n{key}\n{}\n{}\n{rows} examples\n", layer.path, layer.shape);
        let mut header = [0; HEADER];
        let length = text.len().min(HEADER);
        header[..length].copy_from_slice(&text.as_bytes()[..length]);
        let data = (HEADER as u64 + 8 * rows as u64).next_multiple_of(PAGE);
        let outputs = places.offset(layer.shape, rows).unwrap_or(0);
        Self { header, data, size: data + outputs }
    }
}

/// An open file of outputs.
#[derive(Debug)]
pub(super) struct LayerFile {
    file: File,
    data: u64,
}

impl LayerFile {
    /// Opens the file at `path`; `None` when there is none or it is not of this layout.
    pub(super) fn open(path: &Path, layout: &Layout) -> io::Result<Option<Self>> {
        let file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            // Not opened again for reading: another process may just have made it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(_) => File::open(path)?,
        };
        let mut header = [0; HEADER];
        let fits = file.metadata()?.len() == layout.size
            && positioned::read(&file, &mut header, 0).is_ok()
            && header == layout.header;
        Ok(fits.then_some(Self { file, data: layout.data }))
    }

    /// Makes an empty file at `path`, in place of whatever is there.
    pub(super) fn create(path: &Path, layout: &Layout) -> io::Result<Self> {
        let mut name = path.as_os_str().to_owned();
        name.push(".part");
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&name)?;
        positioned::write(&file, &layout.header, 0)?;
        file.set_len(layout.size)?;
        std::fs::rename(&name, path)?;
        Ok(Self { file, data: layout.data })
    }

    /// Reads the output of `row`, which begins `offset` bytes into the outputs; whether it is there and undamaged.
    pub(super) fn read(&self, (row, offset): (u32, u64), values: &mut [f16]) -> bool {
        let mut checksum = [0; 8];
        if positioned::read(&self.file, &mut checksum, index(row)).is_err() {
            return false;
        }
        let checksum = u64::from_le_bytes(checksum);
        let mut bytes = vec![0; size_of_val(values)];
        if checksum == ABSENT
            || positioned::read(&self.file, &mut bytes, self.data + offset).is_err()
            || checksum != self::checksum(&bytes, row)
        {
            return false;
        }
        let numbers = values.reinterpret_cast_mut().iter_mut();
        for (number, bytes) in numbers.zip(bytes.as_chunks().0) {
            *number = u16::from_le_bytes(*bytes);
        }
        true
    }

    /// Writes the output of `row`, then its checksum.
    pub(super) fn write(&self, (row, offset): (u32, u64), values: &[f16]) -> io::Result<()> {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        positioned::write(&self.file, &bytes, self.data + offset)?;
        positioned::write(&self.file, &checksum(&bytes, row).to_le_bytes(), index(row))
    }
}

fn index(row: u32) -> u64 {
    HEADER as u64 + 8 * u64::from(row)
}

/// Differs from row to row, so that an output in another's place is noticed.
fn checksum(bytes: &[u8], row: u32) -> u64 {
    XxHash3_64::oneshot_with_seed(u64::from(row), bytes).max(ABSENT + 1)
}

/// Reading and writing at a place, without a cursor that threads would share.
mod positioned {
    use std::fs::File;
    use std::io;

    #[cfg(unix)]
    pub(super) fn read(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
    }

    #[cfg(unix)]
    pub(super) fn write(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
    }

    #[cfg(windows)]
    pub(super) fn read(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            match std::os::windows::fs::FileExt::seek_read(file, bytes, offset)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => (bytes, offset) = (&mut bytes[count..], offset + count as u64),
            }
        }
        Ok(())
    }

    #[cfg(windows)]
    pub(super) fn write(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            let count = std::os::windows::fs::FileExt::seek_write(file, bytes, offset)?;
            (bytes, offset) = (&bytes[count..], offset + count as u64);
        }
        Ok(())
    }
}
