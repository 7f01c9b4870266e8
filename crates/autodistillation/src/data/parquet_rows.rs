//! Flat columns of a Parquet file, row by row.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{ConvertedType, Repetition, Type as Physical};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row};
use parquet::schema::types::{Type, TypePtr};

use super::columns::Positions;
use super::{Error, Label, Record, TextColumns};

/// Rows of a Parquet file; `line` is the row's number, from 1. Dictionary-encoded (categorical) strings
/// are strings.
pub(super) fn read(path: &Path, file: File, columns: &TextColumns) -> Result<Vec<Record>, Error> {
    let damaged = |source| Error::Parquet { path: path.to_owned(), source };
    let reader = SerializedFileReader::new(file).map_err(damaged)?;
    let schema = reader.metadata().file_metadata().schema();
    let known: Vec<String> = schema.get_fields().iter().map(|field| field.name().to_owned()).collect();
    let projection = projection(schema, Positions::find(path, &known, columns)?).map_err(damaged)?;
    let mut records = Vec::new();
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group).map_err(damaged)?;
        for row in RowIter::from_row_group(Some(projection.clone()), group.as_ref()).map_err(damaged)? {
            let line = records.len() as u64 + 1;
            records.push(Cells { path, line, row: row.map_err(damaged)? }.record(columns)?);
        }
    }
    Ok(records)
}

/// The schema of the columns that are read.
///
/// Columns that the row reader would refuse with a panic are refused here.
fn projection(schema: &Type, positions: Positions) -> Result<Type, ParquetError> {
    let mut read = vec![positions.text];
    read.extend(positions.pair.into_iter().chain(positions.label));
    read.sort_unstable();
    read.dedup();
    let fields: Vec<TypePtr> =
        read.into_iter().map(|position| Arc::clone(&schema.get_fields()[position])).collect();
    for field in &fields {
        let value = element(field).unwrap_or(field);
        let plain = value.is_primitive() && value.get_basic_info().repetition() != Repetition::REPEATED;
        if !plain || matches!(value.get_physical_type(), Physical::INT96 | Physical::FIXED_LEN_BYTE_ARRAY) {
            let message = format!("column `{}` is no plain column", field.name());
            return Err(ParquetError::NYI(message));
        }
    }
    Type::group_type_builder(schema.name()).with_fields(fields).build()
}

/// The values of a list: `optional group labels (LIST) { repeated group list { optional … element; } }`.
fn element(field: &Type) -> Option<&Type> {
    let is_list = field.is_group() && field.get_basic_info().converted_type() == ConvertedType::LIST;
    let only = |group: &'_ Type| (group.is_group() && group.get_fields().len() == 1).then_some(());
    only(field).filter(|()| is_list)?;
    let repeated = field.get_fields().first()?;
    only(repeated).filter(|()| repeated.get_basic_info().repetition() == Repetition::REPEATED)?;
    repeated.get_fields().first().map(AsRef::as_ref)
}

/// One row of the columns that are read.
struct Cells<'a> {
    path: &'a Path,
    line: u64,
    row: Row,
}

impl Cells<'_> {
    fn record(&self, columns: &TextColumns) -> Result<Record, Error> {
        Ok(Record {
            text: self.text(&columns.text)?,
            pair: columns.text_pair.as_ref().map(|column| self.text(column)).transpose()?,
            label: columns.label.as_ref().map(|column| self.label(column, columns)).transpose()?,
            line: self.line,
        })
    }

    fn text(&self, column: &str) -> Result<String, Error> {
        match self.cell(column)? {
            Field::Str(text) => Ok(text.clone()),
            Field::Bytes(bytes) => self.utf8(bytes.data()),
            other => Err(self.wrong_type(column, "a string", other)),
        }
    }

    fn label(&self, column: &str, columns: &TextColumns) -> Result<Label, Error> {
        match self.cell(column)? {
            Field::ListInternal(labels) => {
                let labels = labels.elements().iter().map(|label| self.single((column, label), None));
                Ok(Label::Several(labels.collect::<Result<_, _>>()?))
            }
            cell => self.single((column, cell), columns.label_separator.as_ref().map(|_| columns)),
        }
    }

    /// One value; text is cut into several labels where there is a separator.
    fn single(&self, (column, cell): (&str, &Field), several: Option<&TextColumns>) -> Result<Label, Error> {
        let text = match cell {
            Field::Str(text) => text.clone(),
            Field::Bytes(bytes) => self.utf8(bytes.data())?,
            other => {
                let wanted = "a string, a number or a list of them";
                let number = number(other).ok_or_else(|| self.wrong_type(column, wanted, other))?;
                // pandas writes a missing number as NaN.
                return if number.is_nan() { Err(self.empty(column)) } else { Ok(Label::Number(number)) };
            }
        };
        if let Some(label) = several.and_then(|columns| columns.label_of(&text)) {
            return Ok(label);
        }
        match text.trim() {
            "" => Err(self.empty(column)),
            text => Ok(Label::Text(text.to_owned())),
        }
    }

    fn cell(&self, column: &str) -> Result<&Field, Error> {
        match self.row.get_column_iter().find(|(name, _)| *name == column) {
            None | Some((_, Field::Null)) => Err(self.empty(column)),
            Some((_, cell)) => Ok(cell),
        }
    }

    fn utf8(&self, bytes: &[u8]) -> Result<String, Error> {
        let text = std::str::from_utf8(bytes);
        text.map(str::to_owned).map_err(|_| Error::NotUtf8 { path: self.path.to_owned(), line: self.line })
    }

    fn empty(&self, column: &str) -> Error {
        Error::EmptyCell { path: self.path.to_owned(), line: self.line, column: column.to_owned() }
    }

    fn wrong_type(&self, column: &str, expected: &'static str, found: &Field) -> Error {
        let (path, column, found) = (self.path.to_owned(), column.to_owned(), format!("`{found}`"));
        Error::WrongType { path, line: self.line, column, expected, found }
    }
}

fn number(cell: &Field) -> Option<f64> {
    match *cell {
        Field::Bool(value) => Some(f64::from(u8::from(value))),
        Field::Byte(value) => Some(f64::from(value)),
        Field::Short(value) => Some(f64::from(value)),
        Field::Int(value) => Some(f64::from(value)),
        Field::Long(value) => Some(value as f64),
        Field::UByte(value) => Some(f64::from(value)),
        Field::UShort(value) => Some(f64::from(value)),
        Field::UInt(value) => Some(f64::from(value)),
        Field::ULong(value) => Some(value as f64),
        Field::Float(value) => Some(f64::from(value)),
        Field::Double(value) => Some(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parquet::basic::{Compression, GzipLevel};
    use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    const SCHEMA: &str = "message example {
        optional int64 label; required double score; optional binary sentence (UTF8); required int96 when;
        optional group labels (LIST) { repeated group list { optional binary element (UTF8); } }
    }";

    /// Two row groups of two rows; the last row has no label when `holes` says so.
    fn write(path: &Path, compression: Compression, last_label: i16) {
        let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
        let properties = Arc::new(WriterProperties::builder().set_compression(compression).build());
        let mut writer = SerializedFileWriter::new(File::create(path).unwrap(), schema, properties).unwrap();
        for group in 0..2i64 {
            let mut rows = writer.next_row_group().unwrap();
            let present = [1, if group == 1 { last_label } else { 1 }];
            let labels = [group, group + 1];
            let labels = &labels[..present.iter().filter(|level| **level == 1).count()];
            let mut column = rows.next_column().unwrap().unwrap();
            column.typed::<Int64Type>().write_batch(labels, Some(&present), None).unwrap();
            column.close().unwrap();
            let mut column = rows.next_column().unwrap().unwrap();
            column.typed::<DoubleType>().write_batch(&[0.5, 4.7], None, None).unwrap();
            column.close().unwrap();
            let mut column = rows.next_column().unwrap().unwrap();
            let texts =
                [ByteArray::from(format!("good {group}").as_str()), ByteArray::from("r\u{e9}sum\u{e9}")];
            column.typed::<ByteArrayType>().write_batch(&texts, Some(&[1, 1]), None).unwrap();
            column.close().unwrap();
            let mut column = rows.next_column().unwrap().unwrap();
            let when = [parquet::data_type::Int96::new(), parquet::data_type::Int96::new()];
            column.typed::<parquet::data_type::Int96Type>().write_batch(&when, None, None).unwrap();
            column.close().unwrap();
            let mut column = rows.next_column().unwrap().unwrap();
            let labels = [ByteArray::from("joy"), ByteArray::from("love")];
            let (definition, repetition) = ([3, 3, 1], [0, 1, 0]); // Two labels, then an empty list.
            let column_of_bytes = column.typed::<ByteArrayType>();
            column_of_bytes.write_batch(&labels, Some(&definition), Some(&repetition)).unwrap();
            column.close().unwrap();
            rows.close().unwrap();
        }
        writer.close().unwrap();
    }

    fn read_columns(compression: Compression, last_label: i16, label: &str) -> Result<Vec<Record>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        write(&path, compression, last_label);
        let columns = TextColumns::plain("sentence", Some(label));
        let records = read(&path, File::open(&path).unwrap(), &columns);
        records.map_err(|error| error.to_string().replace(&path.display().to_string(), "a.parquet"))
    }

    #[test]
    fn rows_of_all_groups_are_numbered_through() {
        let compressions = [
            Compression::UNCOMPRESSED,
            Compression::SNAPPY,
            Compression::GZIP(GzipLevel::default()),
            Compression::LZ4_RAW,
        ];
        for compression in compressions {
            let records = read_columns(compression, 1, "label").unwrap();
            assert_eq!(records.iter().map(|record| record.line).collect::<Vec<_>>(), [1, 2, 3, 4]);
            assert_eq!(records[2].text, "good 1");
            assert_eq!(records[3].text, "r\u{e9}sum\u{e9}");
            assert_eq!(records[3].label, Some(Label::Number(2.0)));
        }
    }

    #[test]
    fn real_valued_labels_are_numbers() {
        let records = read_columns(Compression::SNAPPY, 1, "score").unwrap();
        assert_eq!(records[1].label, Some(Label::Number(4.7)));
    }

    #[test]
    fn a_list_is_several_labels() {
        let records = read_columns(Compression::SNAPPY, 1, "labels").unwrap();
        let both = ["joy", "love"].map(|label| Label::Text(label.to_owned())).to_vec();
        assert_eq!(records[0].label, Some(Label::Several(both)));
        assert_eq!(records[1].label, Some(Label::Several(Vec::new())));
    }

    #[test]
    fn a_null_label_is_reported_with_its_row() {
        let error = read_columns(Compression::SNAPPY, 0, "label").unwrap_err();
        assert_eq!(error, "a.parquet:4: column `label` is empty; give it a value or remove the row");
    }

    #[test]
    fn columns_that_cannot_be_read_are_named() {
        let error = read_columns(Compression::SNAPPY, 1, "when").unwrap_err();
        assert!(error.contains("column `when` is no plain column"), "{error}");
        let error = read_columns(Compression::SNAPPY, 1, "sentence_label").unwrap_err();
        assert!(error.contains("the columns are `label`, `score`, `sentence`, `when`"), "{error}");
        let error = read_columns(Compression::SNAPPY, 1, "label");
        assert!(error.is_ok(), "a column that is not read may be of any type");
    }
}
