//! The section `data`: the files with the examples and their columns, or a generated set.

use std::path::Path;

use super::cursor::Cursor;
use super::files::existing_file;
use super::node::Value;
use super::places::Subject;
use super::problem::Problem;
use super::table::Table;
use crate::data::Format;
use crate::plan::{DataPlan, DataSource, TextForm};

const LONGEST_EXAMPLE: usize = 128;

/// Reads the section `data`.
pub(super) fn data(cursor: &Cursor<'_>, base: &Path) -> Option<DataPlan> {
    let mut table = cursor.table()?;
    let max_length = table.take("max_length").map_or(Some(LONGEST_EXAMPLE), |length| {
        length.remember(Subject::MaxLength);
        length.whole(3)
    });
    let form = match table.take("tokenised") {
        Some(flag) => flag.flag().map(|ids| if ids { TextForm::TokenIds } else { TextForm::Words }),
        None => Some(TextForm::Words),
    };
    let source = match table.take("demo") {
        Some(demo) => demo_set(&demo),
        None => files(&mut table, base),
    };
    table.finish();
    Some(DataPlan { source: source?, max_length: max_length?, form: form? })
}

fn files(table: &mut Table<'_>, base: &Path) -> Option<DataSource> {
    let file = |cursor: Cursor<'_>| existing_file(&cursor, base);
    let train = table.need("train", "the training file (tsv, csv, jsonl, parquet, conll, json or txt)");
    let validation = table.need("validation", "the file that chooses between students");
    let test = table.take("test");
    let columns = match [&train, &validation, &test].into_iter().flatten().any(has_columns) {
        false if train.is_some() => no_columns(table),
        _ => columns(table),
    };
    let (train, validation, test) = (train.and_then(file), validation.and_then(file), test.map(file));
    let Columns { text, text_pair, label, label_separator } = columns?;
    Some(DataSource::Files {
        train: train?,
        validation: validation?,
        test: given_or_none(test)?,
        text,
        text_pair,
        label,
        label_separator,
    })
}

/// The names of the columns that are read.
#[derive(Default)]
struct Columns {
    text: Option<String>,
    text_pair: Option<String>,
    label: Option<String>,
    label_separator: Option<String>,
}

fn columns(table: &mut Table<'_>) -> Option<Columns> {
    let column = |cursor: Cursor<'_>| cursor.text().map(str::to_owned);
    let text = table.need("text", "the name of the text's column").map(column);
    let text_pair = table.take("text_pair").map(column);
    let label = table.take("label").map(column);
    let label_separator = table.take("label_separator").map(column);
    Some(Columns {
        text: Some(text??),
        text_pair: given_or_none(text_pair)?,
        label: given_or_none(label)?,
        label_separator: given_or_none(label_separator)?,
    })
}

/// Files of plain text and of SQuAD have no columns; whatever names one is refused.
fn no_columns(table: &mut Table<'_>) -> Option<Columns> {
    let given = ["text", "text_pair", "label", "label_separator"].map(|key| table.take(key));
    let mut refused = given.into_iter().flatten().peekable();
    let columns = refused.peek().is_none().then(Columns::default);
    refused.for_each(|cursor| cursor.problem(Problem::ColumnOfPlainFile));
    columns
}

fn has_columns(path: &Cursor<'_>) -> bool {
    match &path.node.value {
        Value::Text(path) => Format::of(Path::new(path)).map_or(true, Format::has_columns),
        _ => true,
    }
}

fn demo_set(cursor: &Cursor<'_>) -> Option<DataSource> {
    let mut table = cursor.table()?;
    let name = table.need("name", "the name of a generator").and_then(|name| name.text());
    let train = table.take("train").map_or(Some(2000), |count| count.whole(1));
    let validation = table.take("validation").map_or(Some(500), |count| count.whole(1));
    let test = table.take("test").map_or(Some(500), |count| count.whole(0));
    let seed = table.take("seed").map_or(Some(42), |seed| seed.whole(0));
    table.finish();
    let (train, validation, test, seed) = (train?, validation?, test?, seed?);
    Some(DataSource::Demo { name: name?.to_owned(), train, validation, test, seed })
}

/// Tells a value that was left out (`Some(None)`) from one that could not be read (`None`).
pub(super) fn given_or_none<T>(value: Option<Option<T>>) -> Option<Option<T>> {
    match value {
        None => Some(None),
        Some(value) => value.map(Some),
    }
}
