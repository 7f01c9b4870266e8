//! The format of a data file, known by its extension.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::record::unreadable;
use super::{Error, Record, TextColumns, conll, delimited, json_lines, parquet_rows, plain_text, questions};

/// A format that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Split on tabs without unquoting: a literal quote is text. With a header line.
    Tsv,
    /// Comma-separated with double quotes (RFC 4180). With a header line.
    Csv,
    /// One JSON object a line.
    JsonLines,
    /// Apache Parquet, flat columns.
    Parquet,
    /// One word a line with its columns, a blank line after each sentence: classes of words.
    Conll,
    /// One paragraph a line, a blank line after each document; no labels.
    Text,
    /// SQuAD's layout in one JSON object: texts, questions about them, answers.
    Squad,
}

impl Format {
    /// The format that the extension names; upper and lower case are the same.
    ///
    /// # Errors
    /// No extension, or another one.
    pub fn of(path: &Path) -> Result<Self, Error> {
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        match extension.as_deref() {
            Some("tsv") => Ok(Format::Tsv),
            Some("csv") => Ok(Format::Csv),
            Some("jsonl" | "ndjson") => Ok(Format::JsonLines),
            Some("parquet") => Ok(Format::Parquet),
            Some("conll" | "bio" | "iob" | "iob2") => Ok(Format::Conll),
            Some("txt") => Ok(Format::Text),
            Some("json") => Ok(Format::Squad),
            other => Err(Error::UnknownExtension {
                path: path.to_owned(),
                found: other
                    .map_or("no extension".to_owned(), |extension| format!("the extension `.{extension}`")),
            }),
        }
    }

    /// Whether its rows have columns with names or numbers, which the config has to give.
    pub fn has_columns(self) -> bool {
        !matches!(self, Format::Text | Format::Squad)
    }

    pub(super) fn records(
        self,
        path: &Path,
        file: File,
        columns: &TextColumns,
    ) -> Result<Vec<Record>, Error> {
        match self {
            Format::Tsv => delimited::read_tsv(path, &bytes(path, file)?, columns),
            Format::Csv => delimited::read_csv(path, &bytes(path, file)?, columns),
            Format::JsonLines => json_lines::read(path, &bytes(path, file)?, columns),
            Format::Parquet => parquet_rows::read(path, file, columns),
            Format::Conll => conll::read(path, &bytes(path, file)?, columns),
            Format::Text => plain_text::read(path, &bytes(path, file)?, columns),
            Format::Squad => questions::squad::read(path, &bytes(path, file)?),
        }
    }
}

fn bytes(path: &Path, mut file: File) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|source| unreadable(path, source))?;
    Ok(bytes)
}

/// The bytes without a UTF-8 byte order mark, which some editors write.
pub(super) fn without_byte_order_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_case_of_the_extension_is_free() {
        assert_eq!(Format::of(Path::new("a/TRAIN.TSV")).unwrap(), Format::Tsv);
        assert_eq!(Format::of(Path::new("b.ndjson")).unwrap(), Format::JsonLines);
        assert_eq!(Format::of(Path::new("c.x.parquet")).unwrap(), Format::Parquet);
        assert_eq!(Format::of(Path::new("d.Txt")).unwrap(), Format::Text);
    }
}
