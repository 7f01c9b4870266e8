//! Protocol buffers' wire format, read: the fields of a message without a schema.

use super::wire::{DELIMITED, FIXED_32, VARINT};

const FIXED_64: u64 = 1;

/// The value of a field as far as the wire tells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Content<'a> {
    Integer(i64),
    Fixed64,
    Delimited(&'a [u8]),
    Fixed32([u8; 4]),
}

/// The fields of a message in order: number and content. An item is `None` where the bytes are no message; nothing
/// follows it.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn of(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    fn field(&mut self) -> Option<(u32, Content<'a>)> {
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).ok().filter(|&number| number > 0)?;
        let content = match key & 7 {
            VARINT => Content::Integer(self.varint()? as i64),
            FIXED_64 => {
                self.take(8)?;
                Content::Fixed64
            }
            DELIMITED => {
                let length = usize::try_from(self.varint()?).ok()?;
                Content::Delimited(self.take(length)?)
            }
            FIXED_32 => Content::Fixed32(self.take(4)?.try_into().ok()?),
            _ => return None,
        };
        Some((number, content))
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.take(1)?.first()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Option<(u32, Content<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.rest = &[];
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::wire::{Writer, tests::Sample};

    #[test]
    fn what_is_written_is_read() {
        let bytes = Writer::bytes_of(&Sample);
        let fields: Vec<_> = Fields::of(&bytes).map(Option::unwrap).collect();
        let numbers = [1i64.to_le_bytes(), (-2i64).to_le_bytes()].concat();
        assert_eq!(
            fields,
            [
                (1, Content::Integer(150)),
                (2, Content::Integer(-1)),
                (3, Content::Fixed32(1.5f32.to_le_bytes())),
                (5, Content::Delimited(b"testing")),
                (6, Content::Delimited(&numbers)),
            ]
        );
    }

    #[test]
    fn every_cut_ends_between_fields_or_is_noticed() {
        let bytes = Writer::bytes_of(&Sample);
        let whole = Fields::of(&bytes).count();
        for length in 0..bytes.len() {
            let fields: Vec<_> = Fields::of(&bytes[..length]).collect();
            let broken = fields.last().is_some_and(Option::is_none);
            assert!(broken || fields.len() < whole, "{length}");
        }
    }

    #[test]
    fn lengths_and_numbers_beyond_the_bytes_are_noticed() {
        let endless = [0xff; 11];
        assert_eq!(Fields::of(&endless).collect::<Vec<_>>(), [None]);
        let long = [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
        assert_eq!(Fields::of(&long).collect::<Vec<_>>(), [None]);
    }
}
