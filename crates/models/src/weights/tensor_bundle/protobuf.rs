//! The two messages of a bundle's index, out of Protocol Buffers' wire format.
//!
//! Source: `tensorflow/core/protobuf/tensor_bundle.proto`, `tensor_shape.proto`.

/// `BundleHeaderProto`
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BundleHeader {
    pub(super) shards: u64,
    pub(super) is_little_endian: bool,
}

/// `BundleEntryProto`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct BundleEntry {
    pub(super) dtype: u64,
    pub(super) shape: Vec<u64>,
    /// Which file.
    pub(super) shard: u64,
    pub(super) offset: u64,
    /// Bytes.
    pub(super) size: u64,
    /// Whether the numbers are under other keys, in parts.
    pub(super) is_sliced: bool,
}

/// The value of a field.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl BundleHeader {
    pub(super) fn parse(message: &[u8]) -> Option<Self> {
        let mut header = Self { shards: 0, is_little_endian: true };
        each(message, |number, field| {
            match (number, field) {
                (1, Field::Number(shards)) => header.shards = shards,
                (2, Field::Number(order)) => header.is_little_endian = order == 0,
                _ => {}
            }
            Some(())
        })?;
        Some(header)
    }
}

impl BundleEntry {
    pub(super) fn parse(message: &[u8]) -> Option<Self> {
        let mut entry = Self::default();
        each(message, |number, field| {
            match (number, field) {
                (1, Field::Number(dtype)) => entry.dtype = dtype,
                (2, Field::Bytes(shape)) => entry.shape = dimensions(shape)?,
                (3, Field::Number(shard)) => entry.shard = shard,
                (4, Field::Number(offset)) => entry.offset = offset,
                (5, Field::Number(size)) => entry.size = size,
                (7, _) => entry.is_sliced = true,
                _ => {}
            }
            Some(())
        })?;
        Some(entry)
    }
}

/// `TensorShapeProto`: messages with a size each.
fn dimensions(message: &[u8]) -> Option<Vec<u64>> {
    let mut sizes = Vec::new();
    each(message, |number, field| {
        if let (2, Field::Bytes(dimension)) = (number, field) {
            let mut size = 0;
            each(dimension, |number, field| {
                if let (1, Field::Number(value)) = (number, field) {
                    size = value;
                }
                Some(())
            })?;
            sizes.push(size);
        }
        Some(())
    })?;
    Some(sizes)
}

/// Shows `visit` the fields of a message; `None` if it is malformed.
fn each<'a>(mut rest: &'a [u8], mut visit: impl FnMut(u64, Field<'a>) -> Option<()>) -> Option<()> {
    while !rest.is_empty() {
        let key = varint(&mut rest)?;
        let field = match key & 7 {
            0 => Field::Number(varint(&mut rest)?),
            1 => Field::Bytes(take(&mut rest, 8)?),
            2 => {
                let length = usize::try_from(varint(&mut rest)?).ok()?;
                Field::Bytes(take(&mut rest, length)?)
            }
            5 => Field::Bytes(take(&mut rest, 4)?),
            _ => return None,
        };
        visit(key >> 3, field)?;
    }
    Some(())
}

/// Seven bits a byte, the lowest first.
pub(super) fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = take(rest, 1)?[0];
        value |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

pub(super) fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_field_by_field() {
        // dtype 1, shape (30, 8), shard 0 left out, offset 300, size 960, a checksum.
        let message =
            [8, 1, 18, 8, 18, 2, 8, 30, 18, 2, 8, 8, 0x20, 0xAC, 2, 0x28, 0xC0, 7, 0x35, 1, 2, 3, 4];
        let entry =
            BundleEntry { dtype: 1, shape: vec![30, 8], offset: 300, size: 960, ..Default::default() };
        assert_eq!(BundleEntry::parse(&message), Some(entry));
        assert_eq!(BundleEntry::parse(&message[..message.len() - 1]), None);
        assert_eq!(varint(&mut &[0xFF; 11][..]), None);
    }
}
