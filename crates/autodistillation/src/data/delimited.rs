//! TSV, split on tabs without unquoting, and CSV with quotes; both with a header line.

use std::path::Path;

use super::columns::Positions;
use super::format::without_byte_order_mark;
use super::{Error, Record, TextColumns};

/// Rows of a file that is split on tabs and nothing else. Blank lines are skipped.
pub(super) fn read_tsv(path: &Path, bytes: &[u8], columns: &TextColumns) -> Result<Vec<Record>, Error> {
    let mut lines = (1..).zip(without_byte_order_mark(bytes).split(|&byte| byte == b'\n'));
    let header: Vec<String> = match lines.next() {
        Some((line, header)) => tab_fields(path, line, header)?.into_iter().map(str::to_owned).collect(),
        None => Vec::new(),
    };
    let rows = Rows { path, columns, positions: Positions::find(path, &header, columns)? };
    let mut records = Vec::new();
    for (line, bytes) in lines {
        let fields = tab_fields(path, line, bytes)?;
        if fields == [""] {
            continue;
        }
        if fields.len() != header.len() {
            return Err(Error::FieldCount {
                path: path.to_owned(),
                line,
                expected: header.len(),
                found: fields.len(),
                remedy: "a text must not hold a tab or a line break",
            });
        }
        records.push(rows.record(line, |position| fields[position])?);
    }
    Ok(records)
}

fn tab_fields<'a>(path: &Path, line: u64, bytes: &'a [u8]) -> Result<Vec<&'a str>, Error> {
    let text = std::str::from_utf8(bytes).map_err(|_| Error::NotUtf8 { path: path.to_owned(), line })?;
    Ok(text.strip_suffix('\r').unwrap_or(text).split('\t').collect())
}

/// Rows of a comma-separated file whose fields may be quoted and then hold commas and line breaks.
pub(super) fn read_csv(path: &Path, bytes: &[u8], columns: &TextColumns) -> Result<Vec<Record>, Error> {
    let bytes = without_byte_order_mark(bytes);
    let mut lines = Lines { bytes, counted: 0, line: 1 };
    let mut reader = csv::ReaderBuilder::new().from_reader(bytes);
    let header: Vec<String> = match reader.headers() {
        Ok(header) => header.iter().map(str::to_owned).collect(),
        Err(source) => return Err(csv_error(path, source, &mut lines)),
    };
    let rows = Rows { path, columns, positions: Positions::find(path, &header, columns)? };
    reader
        .records()
        .map(|record| {
            let record = record.map_err(|source| csv_error(path, source, &mut lines))?;
            rows.record(lines.at(record.position()), |position| &record[position])
        })
        .collect()
}

fn csv_error(path: &Path, source: csv::Error, lines: &mut Lines<'_>) -> Error {
    let path = path.to_owned();
    match source.kind() {
        csv::ErrorKind::Utf8 { pos, .. } => Error::NotUtf8 { path, line: lines.at(pos.as_ref()) },
        csv::ErrorKind::UnequalLengths { pos, expected_len, len } => Error::FieldCount {
            path,
            line: lines.at(pos.as_ref()),
            expected: *expected_len as usize,
            found: *len as usize,
            remedy: "quote a text that holds a comma, and double the quotes inside it",
        },
        _ => Error::Csv { path, source },
    }
}

/// Counts the lines of a file up to its records, which come in file order.
///
/// The reader's own line numbers leave out a line break that it has not consumed yet (the `\n` of `\r\n`,
/// blank lines before a record).
struct Lines<'a> {
    bytes: &'a [u8],
    counted: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line at which the record with a position starts; a record without one is the header.
    fn at(&mut self, position: Option<&csv::Position>) -> u64 {
        let start = position.map_or(0, |position| position.byte() as usize).min(self.bytes.len());
        let skipped = self.bytes[start..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let end = (start + skipped).max(self.counted);
        self.line += self.bytes[self.counted..end].iter().filter(|byte| **byte == b'\n').count() as u64;
        self.counted = end;
        self.line
    }
}

/// Makes records from rows of text fields.
struct Rows<'a> {
    path: &'a Path,
    columns: &'a TextColumns,
    positions: Positions,
}

impl Rows<'_> {
    fn record<'r>(&self, line: u64, field: impl Fn(usize) -> &'r str) -> Result<Record, Error> {
        let label = self.positions.label.map(|position| {
            self.columns.label_of(field(position)).ok_or_else(|| {
                let column = self.columns.label.clone().unwrap_or_default();
                Error::EmptyCell { path: self.path.to_owned(), line, column }
            })
        });
        Ok(Record {
            text: field(self.positions.text).to_owned(),
            pair: self.positions.pair.map(|position| field(position).to_owned()),
            label: label.transpose()?,
            line,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Label;

    fn columns() -> TextColumns {
        TextColumns::plain("text", Some("label"))
    }

    fn tsv(text: &[u8]) -> Result<Vec<Record>, Error> {
        read_tsv(Path::new("a.tsv"), text, &columns())
    }

    fn csv(text: &[u8]) -> Result<Vec<Record>, Error> {
        read_csv(Path::new("a.csv"), text, &columns())
    }

    fn record(text: &str, label: &str, line: u64) -> Record {
        Record { text: text.to_owned(), pair: None, label: Some(Label::Text(label.to_owned())), line }
    }

    #[test]
    fn quotes_in_tsv_are_text() {
        let records = tsv(b"label\ttext\n1\t\"a gem\n0\tno \"\" yuks , at all\n").unwrap();
        assert_eq!(records, [record("\"a gem", "1", 2), record("no \"\" yuks , at all", "0", 3)]);
    }

    #[test]
    fn windows_line_ends_byte_order_marks_and_blank_lines_leave_no_trace() {
        let records = tsv(b"\xef\xbb\xbftext\tlabel\r\ngood\t1\r\n\r\nbad\t0\r\n").unwrap();
        assert_eq!(records, [record("good", "1", 2), record("bad", "0", 4)]);
        let records = csv(b"\xef\xbb\xbftext,label\r\ngood,1\r\n\r\nbad,0\r\n").unwrap();
        assert_eq!(records, [record("good", "1", 2), record("bad", "0", 4)]);
    }

    #[test]
    fn quoted_csv_fields_hold_commas_quotes_and_line_breaks() {
        let records = csv(b"text,label\n\"so, \"\"good\"\"\ntoo\",1\nplain,0\n").unwrap();
        assert_eq!(records, [record("so, \"good\"\ntoo", "1", 2), record("plain", "0", 4)]);
    }

    #[test]
    fn a_separator_makes_several_labels_of_a_cell_and_none_of_an_empty_one() {
        let columns = TextColumns { label_separator: Some("|".to_owned()), ..columns() };
        let text = b"text\tlabel\na\tjoy| love\nb\t\nc\tanger|\n";
        let records = read_tsv(Path::new("a.tsv"), text, &columns).unwrap();
        let several = |labels: &[&str]| {
            Some(Label::Several(labels.iter().map(|label| Label::Text((*label).to_owned())).collect()))
        };
        let labels: Vec<Option<Label>> = records.into_iter().map(|record| record.label).collect();
        assert_eq!(labels, [several(&["joy", "love"]), several(&[]), several(&["anger"])]);
    }

    #[test]
    fn a_row_of_another_width_is_reported_with_its_line() {
        let error = tsv(b"text\tlabel\ngood\t1\nbad\n").unwrap_err().to_string();
        assert!(
            error.starts_with("a.tsv:3: 1 fields where the header has 2; a text must not hold a tab"),
            "{error}"
        );
        let error = csv(b"text,label\ngood,1\nwell, bad,0\n").unwrap_err().to_string();
        assert!(error.starts_with("a.csv:3: 3 fields where the header has 2; quote a text"), "{error}");
    }

    #[test]
    fn bytes_that_are_not_utf8_are_reported_with_their_line() {
        for error in
            [tsv(b"text\tlabel\ngood\t1\nr\xe9sum\xe9\t0\n"), csv(b"text,label\ngood,1\nr\xe9sum\xe9,0\n")]
        {
            let error = error.unwrap_err().to_string();
            assert!(error.contains(":3: not valid UTF-8"), "{error}");
        }
        assert!(csv(b"t\xe9xt,label\ngood,1\n").unwrap_err().to_string().contains(":1: not valid UTF-8"));
    }

    #[test]
    fn an_empty_label_is_reported_with_its_line() {
        for error in [tsv(b"text\tlabel\ngood\t1\nbad\t \n"), csv(b"text,label\ngood,1\nbad,\n")] {
            let error = error.unwrap_err().to_string();
            assert!(error.contains(":3: column `label` is empty"), "{error}");
        }
    }

    #[test]
    fn pairs_are_read_and_labels_are_left_alone_when_not_asked_for() {
        let columns = TextColumns { text_pair: Some("b".to_owned()), ..TextColumns::plain("a", None) };
        let records = read_tsv(Path::new("a.tsv"), b"label\tb\ta\n\tsecond\tfirst", &columns).unwrap();
        let expected =
            Record { text: "first".to_owned(), pair: Some("second".to_owned()), label: None, line: 2 };
        assert_eq!(records, [expected]);
    }
}
