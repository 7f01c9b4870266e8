//! Plain text: one paragraph a line, a blank line after each document.

use std::path::Path;

use super::format::without_byte_order_mark;
use super::{Error, Record, TextColumns};

/// Longest line in bytes; a longer one is no paragraph.
const LONGEST_LINE: usize = 1 << 20;

/// The documents of a file, each a record without a label whose text is its paragraphs, one a line, without the space
/// around them. A blank line ends a document, except after a heading (`= Title =`), which belongs to what it stands
/// above. Nothing else is changed.
///
/// There are no columns: the name of the text's is not looked at, and asking for another one is an error.
pub(super) fn read(path: &Path, bytes: &[u8], columns: &TextColumns) -> Result<Vec<Record>, Error> {
    if let Some(column) = columns.label.as_ref().or(columns.text_pair.as_ref()) {
        return Err(Error::PlainTextColumn { path: path.to_owned(), column: column.clone() });
    }
    let mut reader = Reader::default();
    for (line, bytes) in (1..).zip(without_byte_order_mark(bytes).split(|&byte| byte == b'\n')) {
        match paragraph(path, line, bytes)? {
            "" => reader.blank(),
            text => reader.paragraph(line, text),
        }
    }
    reader.finish();
    if reader.records.is_empty() {
        return Err(Error::NoText { path: path.to_owned() });
    }
    Ok(reader.records)
}

#[derive(Default)]
struct Reader<'a> {
    records: Vec<Record>,
    paragraphs: Vec<&'a str>,
    line: u64,
}

impl<'a> Reader<'a> {
    fn paragraph(&mut self, line: u64, text: &'a str) {
        if self.paragraphs.is_empty() {
            self.line = line;
        }
        self.paragraphs.push(text);
    }

    fn blank(&mut self) {
        if !self.paragraphs.last().is_some_and(|text| is_heading(text)) {
            self.finish();
        }
    }

    fn finish(&mut self) {
        let paragraphs = std::mem::take(&mut self.paragraphs);
        if !paragraphs.is_empty() {
            self.records.push(Record {
                text: paragraphs.join("\n"),
                pair: None,
                label: None,
                line: self.line,
            });
        }
    }
}

fn is_heading(text: &str) -> bool {
    text.len() > 2 && text.starts_with("= ") && text.ends_with(" =")
}

fn paragraph<'a>(path: &Path, line: u64, bytes: &'a [u8]) -> Result<&'a str, Error> {
    if bytes.len() > LONGEST_LINE {
        return Err(Error::LongLine {
            path: path.to_owned(),
            line,
            found: bytes.len(),
            longest: LONGEST_LINE,
        });
    }
    if bytes.contains(&0) {
        return Err(Error::NulByte { path: path.to_owned(), line });
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Error::NotUtf8 { path: path.to_owned(), line })?;
    Ok(text.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn documents(bytes: &[u8]) -> Result<Vec<(u64, String)>, String> {
        let records = read(Path::new("a.txt"), bytes, &TextColumns::plain("", None));
        let records = records.map_err(|error| error.to_string())?;
        assert!(records.iter().all(|record| record.label.is_none() && record.pair.is_none()));
        Ok(records.into_iter().map(|record| (record.line, record.text)).collect())
    }

    fn document(line: u64, text: &str) -> (u64, String) {
        (line, text.to_owned())
    }

    #[test]
    fn blank_lines_end_documents_and_lines_are_paragraphs() {
        let text = b"\xef\xbb\xbf\n \nOne .\r\n  Two @-@ three <unk> \n\t\n\nFour";
        let expected = [document(3, "One .\nTwo @-@ three <unk>"), document(7, "Four")];
        assert_eq!(documents(text).unwrap(), expected);
    }

    #[test]
    fn a_heading_belongs_to_the_text_below_it() {
        let text =
            b" = Title = \n\n = = Part = = \n \n One . \n \n = = Other = = \n\n\n Two . \n = 3 x\n\n Four";
        let expected = [
            document(1, "= Title =\n= = Part = =\nOne ."),
            document(7, "= = Other = =\nTwo .\n= 3 x"),
            document(13, "Four"),
        ];
        assert_eq!(documents(text).unwrap(), expected);
    }

    #[test]
    fn what_is_no_text_is_refused_with_its_line() {
        assert!(documents(b"a\nb\xff\n").unwrap_err().starts_with("a.txt:2: not valid UTF-8"));
        let nul = documents(b"a\n\nb\0c\n").unwrap_err();
        assert!(nul.starts_with("a.txt:3: a NUL byte, so this is no plain text"), "{nul}");
        let long = [b"a\n".to_vec(), vec![b'x'; LONGEST_LINE + 1]].concat();
        let long = documents(&long).unwrap_err();
        assert!(long.starts_with("a.txt:2: a line of 1048577 bytes where 1048576 are the most"), "{long}");
        assert!(documents(&vec![b'x'; LONGEST_LINE]).is_ok());
        let without = documents(b" \n\r\n\n").unwrap_err();
        assert!(without.starts_with("a.txt: no text"), "{without}");
    }

    #[test]
    fn labels_and_pairs_are_not_looked_for() {
        let columns = TextColumns::plain("text", Some("topic"));
        let error = read(Path::new("a.txt"), b"a", &columns).unwrap_err().to_string();
        assert!(error.starts_with("a.txt: no column `topic`: a .txt file has no columns"), "{error}");
        let columns = TextColumns { text_pair: Some("b".to_owned()), ..TextColumns::plain("text", None) };
        assert!(read(Path::new("a.txt"), b"a", &columns).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_no_word_is_lost(bytes in prop::collection::vec(
            prop::sample::select(b"ab =.\n\r\t\0\xc3\xa9\xff".to_vec()), 0..60)) {
            if let Ok(found) = documents(&bytes) {
                let whole = String::from_utf8(bytes).unwrap();
                let words: Vec<&str> = found.iter().flat_map(|(_, text)| text.split_whitespace()).collect();
                prop_assert_eq!(words, whole.split_whitespace().collect::<Vec<_>>());
            }
        }
    }
}
