//! The sorted table of an index file: blocks of keys with shared beginnings, under a block of their places.
//!
//! Format: LevelDB's `doc/table_format.md`, as `tensorflow/core/lib/io/table_builder.cc` writes it.

use std::collections::BTreeMap;

use super::CheckpointProblem;
use super::protobuf::{take, varint};

/// Ends every table.
const MAGIC: u64 = 0xdb47_7524_8b80_fb57;
const FOOTER: usize = 48;
/// Bytes after a block: its compression and a checksum.
const TRAILER: usize = 5;
/// Most bytes of a table, and of a block after decompression.
const LARGEST: usize = 1 << 26;

pub(super) type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// Where a block lies.
struct Place {
    start: usize,
    length: usize,
}

fn malformed(expected: &'static str) -> CheckpointProblem {
    CheckpointProblem::Malformed { part: "the index", expected }
}

/// All keys and values of a table.
///
/// # Errors
///
/// A table that is cut off, corrupt or larger than any checkpoint's.
pub(super) fn read(table: &[u8]) -> Result<Rows, CheckpointProblem> {
    if table.len() > LARGEST {
        return Err(CheckpointProblem::TooLarge { part: "the index", limit: LARGEST });
    }
    let place = index_place(table).ok_or(malformed("a table with a footer"))?;
    let mut left = LARGEST;
    let mut rows = Rows::new();
    for handle in block(table, &place, &mut left)?.into_values() {
        let place = Place::parse(&mut handle.as_slice()).ok_or(malformed("a table of blocks"))?;
        rows.append(&mut block(table, &place, &mut left)?);
    }
    Ok(rows)
}

impl Place {
    fn parse(rest: &mut &[u8]) -> Option<Self> {
        let (start, length) = (varint(rest)?, varint(rest)?);
        Some(Self { start: usize::try_from(start).ok()?, length: usize::try_from(length).ok()? })
    }
}

/// Where the block of the blocks' places lies.
fn index_place(table: &[u8]) -> Option<Place> {
    let footer = table.get(table.len().checked_sub(FOOTER)?..)?;
    let magic = u64::from_le_bytes(*footer.last_chunk()?);
    let mut rest = footer;
    Place::parse(&mut rest)?; // Of the block about the table itself.
    Place::parse(&mut rest).filter(|_| magic == MAGIC)
}

/// Reads a block; `left` is how many bytes all blocks that are still to come may have.
fn block(table: &[u8], place: &Place, left: &mut usize) -> Result<Rows, CheckpointProblem> {
    let cut_off = || CheckpointProblem::CutOff { part: "a block of the index" };
    let mut rest = table.get(place.start..).ok_or_else(cut_off)?;
    let stored = take(&mut rest, place.length).ok_or_else(cut_off)?;
    let trailer: [u8; TRAILER] = *rest.first_chunk().ok_or_else(cut_off)?;
    let [kind, checksum @ ..] = trailer;
    if unmasked(u32::from_le_bytes(checksum)) != crc32c(&[stored, &[kind]]) {
        return Err(CheckpointProblem::Checksum { part: "a block of the index" });
    }
    let bytes = match kind {
        0 => stored.to_vec(),
        1 => decompressed(stored, *left)?,
        _ => return Err(malformed("a table that is uncompressed or compressed by Snappy")),
    };
    *left = left.checked_sub(bytes.len()).ok_or(too_large())?;
    rows(&bytes, left)
}

fn too_large() -> CheckpointProblem {
    CheckpointProblem::TooLarge { part: "the index", limit: LARGEST }
}

fn decompressed(stored: &[u8], limit: usize) -> Result<Vec<u8>, CheckpointProblem> {
    let broken = malformed("a table that is uncompressed or compressed by Snappy");
    match snap::raw::decompress_len(stored) {
        Ok(length) if length <= limit => snap::raw::Decoder::new().decompress_vec(stored).map_err(|_| broken),
        Ok(_) => Err(too_large()),
        Err(_) => Err(broken),
    }
}

/// The first block that the table's index names.
#[cfg(test)]
pub(super) fn first_block(table: &[u8]) -> &[u8] {
    let index = index_place(table).unwrap();
    let handle = block(table, &index, &mut 1_000_000).unwrap().into_values().next().unwrap();
    let place = Place::parse(&mut handle.as_slice()).unwrap();
    &table[place.start..place.start + place.length]
}

/// The rows of a block: each key after what it shares with the one before.
pub(super) fn rows(block: &[u8], left: &mut usize) -> Result<Rows, CheckpointProblem> {
    let end = restarts(block).ok_or(malformed("a table of blocks"))?;
    let (mut rest, mut key, mut rows) = (&block[..end], Vec::new(), Rows::new());
    while !rest.is_empty() {
        let (shared, own, value) = row(&mut rest).ok_or(malformed("a table of rows"))?;
        if shared > key.len() {
            return Err(malformed("a table of rows"));
        }
        key.truncate(shared);
        key.extend_from_slice(own);
        // Keys that share their beginnings are longer than what is stored of them.
        *left = left.checked_sub(key.len()).ok_or(too_large())?;
        rows.insert(key.clone(), value.to_vec());
    }
    Ok(rows)
}

/// Where the rows end and the places of whole keys begin.
fn restarts(block: &[u8]) -> Option<usize> {
    let count = usize::try_from(u32::from_le_bytes(*block.last_chunk()?)).ok()?;
    block.len().checked_sub(count.checked_add(1)?.checked_mul(size_of::<u32>())?)
}

fn row<'a>(rest: &mut &'a [u8]) -> Option<(usize, &'a [u8], &'a [u8])> {
    let (shared, own, value) = (varint(rest)?, varint(rest)?, varint(rest)?);
    let own = take(rest, usize::try_from(own).ok()?)?;
    Some((usize::try_from(shared).ok()?, own, take(rest, usize::try_from(value).ok()?)?))
}

/// Undoes what LevelDB does to checksums that it stores.
fn unmasked(stored: u32) -> u32 {
    stored.wrapping_sub(0xa282_ead8).rotate_left(15)
}

/// CRC-32C (Castagnoli), least significant bit first, of several slices in a row.
fn crc32c(parts: &[&[u8]]) -> u32 {
    let bytes = parts.iter().flat_map(|part| part.iter());
    !bytes.fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0x82F6_3B78 & (crc & 1).wrapping_neg()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_castagnolis() {
        // RFC 3720, B.4: 32 bytes of zeros, and of ones.
        assert_eq!(crc32c(&[&[0; 32]]), 0x8A91_36AA);
        assert_eq!(crc32c(&[&[0xFF; 16], &[0xFF; 16]]), 0x62A8_AB43);
        assert_eq!(unmasked(0xa282_ead8), 0);
    }

    #[test]
    fn keys_share_their_beginnings() {
        // ("ab", "x"), ("ac", "y"), one restart at 0.
        let block = [0, 2, 1, b'a', b'b', b'x', 1, 1, 1, b'c', b'y', 0, 0, 0, 0, 1, 0, 0, 0];
        let rows = rows(&block, &mut 100).unwrap();
        let expected = [(b"ab".to_vec(), b"x".to_vec()), (b"ac".to_vec(), b"y".to_vec())];
        assert_eq!(rows, Rows::from(expected));
        assert!(super::rows(&block, &mut 3).is_err(), "no room for the keys");
    }
}
