//! Protocol buffers' wire format: numbered fields, written without a schema.
//!
//! Source: <https://protobuf.dev/programming-guides/encoding/>.

/// A message that writes its fields.
pub(super) trait Message {
    fn write(&self, to: &mut Writer);
}

/// The bytes of a message under way.
#[derive(Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
}

/// The kinds of fields, in the lowest bits of their keys.
pub(super) const VARINT: u64 = 0;
pub(super) const DELIMITED: u64 = 2;
pub(super) const FIXED_32: u64 = 5;

impl Writer {
    /// The bytes of `message`.
    pub(super) fn bytes_of(message: &impl Message) -> Vec<u8> {
        let mut writer = Self::default();
        message.write(&mut writer);
        writer.bytes
    }

    pub(super) fn integer(&mut self, field: u32, value: i64) {
        self.key(field, VARINT);
        self.varint(value as u64);
    }

    pub(super) fn float(&mut self, field: u32, value: f32) {
        self.key(field, FIXED_32);
        self.bytes.extend(value.to_le_bytes());
    }

    /// A text; an empty one is left out, as it is the default.
    pub(super) fn text(&mut self, field: u32, value: &str) {
        if !value.is_empty() {
            self.delimited(field, |writer| writer.bytes.extend(value.as_bytes()));
        }
    }

    /// Numbers back to back, each as its own little-endian bytes.
    pub(super) fn raw<const N: usize>(&mut self, field: u32, values: impl ExactSizeIterator<Item = [u8; N]>) {
        self.key(field, DELIMITED);
        self.varint((values.len() * N) as u64);
        self.bytes.reserve(values.len() * N);
        values.for_each(|value| self.bytes.extend(value));
    }

    pub(super) fn message(&mut self, field: u32, message: &impl Message) {
        self.delimited(field, |writer| message.write(writer));
    }

    pub(super) fn messages<'a, M: Message + 'a>(
        &mut self,
        field: u32,
        messages: impl IntoIterator<Item = &'a M>,
    ) {
        messages.into_iter().for_each(|message| self.message(field, message));
    }

    /// Writes the content, then puts its length in front.
    fn delimited(&mut self, field: u32, content: impl FnOnce(&mut Self)) {
        self.key(field, DELIMITED);
        let begin = self.bytes.len();
        content(self);
        let mut length = Self::default();
        length.varint((self.bytes.len() - begin) as u64);
        self.bytes.splice(begin..begin, length.bytes);
    }

    fn key(&mut self, field: u32, kind: u64) {
        self.varint(u64::from(field) << 3 | kind);
    }

    /// Seven bits a byte, the lowest first; the highest bit says that more follow.
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) struct Sample;

    impl Message for Sample {
        fn write(&self, to: &mut Writer) {
            to.integer(1, 150);
            to.integer(2, -1);
            to.float(3, 1.5);
            to.text(4, "");
            to.text(5, "testing");
            to.raw(6, [1i64, -2].iter().map(|value| value.to_le_bytes()));
        }
    }

    #[test]
    fn bytes_are_those_of_the_formats_documentation() {
        let bytes = Writer::bytes_of(&Sample);
        assert_eq!(bytes[..3], [0x08, 0x96, 0x01]);
        assert!(bytes.windows(9).any(|window| window == b"\x2a\x07testing"));
    }
}
