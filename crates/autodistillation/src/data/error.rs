//! What can be wrong with a data file, its columns or its labels.

use std::path::PathBuf;

/// Why a data file could not become examples. Messages open with `file:line:` where a line is to blame
/// (for Parquet the row; both count from 1).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is not there.
    #[error("{path}: no such file; check the path (it is relative to the folder the program runs in)")]
    Missing {
        /// The path as given.
        path: PathBuf,
    },
    /// The file could not be read.
    #[error("{path}: the file cannot be read; check its permissions")]
    Unreadable {
        /// The path as given.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file extension names no format.
    #[error(
        "{path}: the file has {found}, which tells no format; expected one of .tsv, .csv, .jsonl, .parquet, .conll, .json, .txt: convert or rename it"
    )]
    UnknownExtension {
        /// The path as given.
        path: PathBuf,
        /// `the extension` and its name, or `no extension`.
        found: String,
    },
    /// The file holds no byte.
    #[error("{path}: the file is empty; expected a header and at least one row")]
    Empty {
        /// The path as given.
        path: PathBuf,
    },
    /// The file has a header or a schema, and nothing below it.
    #[error("{path}: no rows below the header; expected at least one example")]
    NoRows {
        /// The path as given.
        path: PathBuf,
    },
    /// A text file without a word.
    #[error("{path}: no text; expected one paragraph a line, and a blank line after each document")]
    NoText {
        /// The path as given.
        path: PathBuf,
    },
    /// A text file from which something else than its text is wanted.
    #[error(
        "{path}: no column `{column}`: a .txt file has no columns, only text; for labels or pairs use tsv, csv, jsonl or parquet"
    )]
    PlainTextColumn {
        /// The path as given.
        path: PathBuf,
        /// The column asked for.
        column: String,
    },
    /// A byte that no text has.
    #[error(
        "{path}:{line}: a NUL byte, so this is no plain text in UTF-8; convert the file, for instance with `iconv -f utf-16 -t utf-8`"
    )]
    NulByte {
        /// The path as given.
        path: PathBuf,
        /// The line to blame.
        line: u64,
    },
    /// A line that is no paragraph.
    #[error(
        "{path}:{line}: a line of {found} bytes where {longest} are the most; write one paragraph a line"
    )]
    LongLine {
        /// The path as given.
        path: PathBuf,
        /// The line to blame.
        line: u64,
        /// Bytes of the line.
        found: usize,
        /// The most that are read.
        longest: usize,
    },
    /// A task that learns from labels, and data that was read without them.
    #[error(
        "{path}: `data.label` is missing, and {task} needs it: name the column of the labels, or take a teacher with a masked-language-model head, which learns from text alone"
    )]
    NoLabel {
        /// The path as given.
        path: PathBuf,
        /// What the teacher does.
        task: &'static str,
    },
    /// Documents of which no example can be made.
    #[error(
        "{path}: too little text for one example; single texts take a few words, and pairs for the next sentence two sentences or two documents: add text"
    )]
    TooLittleText {
        /// The path as given.
        path: PathBuf,
    },
    /// A length that leaves no token to the texts.
    #[error("data.max_length is {max_length}; texts with their special tokens need {least} at least")]
    NoRoom {
        /// The longest example asked for.
        max_length: usize,
        /// The shortest length that works.
        least: usize,
    },
    /// A vocabulary without a word that could be hidden.
    #[error(
        "all {vocabulary} tokens of the vocabulary are special, so no word can be masked; take the tokenizer that the teacher was trained with"
    )]
    OnlySpecialTokens {
        /// Tokens of the vocabulary.
        vocabulary: u32,
    },
    /// A label of a pretraining row that is no answer.
    #[error(
        "{path}:{line}: label `{value}` does not say whether the second text follows the first: write 0 if it does, else 1"
    )]
    NextSentenceLabel {
        /// The path as given.
        path: PathBuf,
        /// The line of the row.
        line: u64,
        /// The label found.
        value: String,
    },
    /// A column of the config is not in the file.
    #[error("{path}: no column `{column}`; the columns are {known}{nearest}", known = listed(.known), nearest = did_you_mean(.nearest))]
    MissingColumn {
        /// The path as given.
        path: PathBuf,
        /// The column asked for.
        column: String,
        /// The columns there are.
        known: Vec<String>,
        /// The most similar of them, where one is similar.
        nearest: Option<String>,
    },
    /// Two columns have the name of a column that is read.
    #[error("{path}: column `{column}` is there twice; rename one of the two")]
    DuplicateColumn {
        /// The path as given.
        path: PathBuf,
        /// The name that is ambiguous.
        column: String,
    },
    /// A row is not as wide as the header.
    #[error("{path}:{line}: {found} fields where the header has {expected}; {remedy}")]
    FieldCount {
        /// The path as given.
        path: PathBuf,
        /// The line to blame.
        line: u64,
        /// Fields of the header.
        expected: usize,
        /// Fields of the row.
        found: usize,
        /// What usually causes it in this format.
        remedy: &'static str,
    },
    /// A byte sequence that is not UTF-8.
    #[error("{path}:{line}: not valid UTF-8; convert the file, for instance with `iconv -f latin1 -t utf-8`")]
    NotUtf8 {
        /// The path as given.
        path: PathBuf,
        /// The line to blame.
        line: u64,
    },
    /// A line of a JSONL file that is not one JSON object.
    #[error("{path}:{line}: not a JSON object ({source}); write one object a line")]
    Json {
        /// The path as given.
        path: PathBuf,
        /// The line to blame.
        line: u64,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// A CSV syntax error.
    #[error("{path}: not readable as CSV")]
    Csv {
        /// The path as given.
        path: PathBuf,
        /// What the parser says.
        source: csv::Error,
    },
    /// A Parquet file that is damaged or uses something that is not supported.
    #[error(
        "{path}: not readable as Parquet (supported: plain columns of strings, whole numbers, floats and booleans; no compression, snappy, gzip or lz4): {source}; write the file again, for instance with pandas `to_parquet(compression=\"snappy\")`"
    )]
    Parquet {
        /// The path as given.
        path: PathBuf,
        /// What the reader says.
        source: parquet::errors::ParquetError,
    },
    /// A value that can be neither a text nor a label.
    #[error("{path}:{line}: column `{column}` holds {found}; expected {expected}")]
    WrongType {
        /// The path as given.
        path: PathBuf,
        /// The line to blame.
        line: u64,
        /// The column read.
        column: String,
        /// What would do.
        expected: &'static str,
        /// The kind of value found.
        found: String,
    },
    /// A row without a value in a column that is read.
    #[error("{path}:{line}: column `{column}` is empty; give it a value or remove the row")]
    EmptyCell {
        /// The path as given.
        path: PathBuf,
        /// The line to blame.
        line: u64,
        /// The column without a value.
        column: String,
    },
    /// A class that is evaluated and was never taught.
    #[error(
        "{path}:{line}: label `{value}` never occurs in {training}, so no student can learn it; add examples of it there, or remove its rows here"
    )]
    UnseenLabel {
        /// The path as given.
        path: PathBuf,
        /// The line to blame.
        line: u64,
        /// The label found.
        value: String,
        /// The training file as given.
        training: PathBuf,
    },
    /// A label that is neither a class id nor a class name.
    #[error(
        "{path}:{line}: label `{value}` is neither an id nor a name of a class; the classes are {classes}"
    )]
    UnknownLabel {
        /// The path as given.
        path: PathBuf,
        /// The line to blame.
        line: u64,
        /// The label found.
        value: String,
        /// The valid ids and names.
        classes: String,
    },
    /// Several labels, or a list of one, where the task has one class for each example.
    #[error(
        "{path}:{line}: {count} labels where the task wants one; for any number of labels at once the teacher's `problem_type` is `multi_label_classification`"
    )]
    SeveralLabels {
        /// The path as given.
        path: PathBuf,
        /// The line to blame.
        line: u64,
        /// The labels found.
        count: usize,
    },
    /// Not one tag for each word.
    #[error(
        "{path}:{line}: {tags} tags for {words} words; give every word, as white space separates them, one tag"
    )]
    TagCount {
        /// The path as given.
        path: PathBuf,
        /// The line to blame.
        line: u64,
        /// Tags found.
        tags: usize,
        /// Words of the text.
        words: usize,
    },
    /// A label that is no finite number where the task is a regression.
    #[error(
        "{path}:{line}: label `{value}` is not a finite number; the task is a regression, whose labels are numbers"
    )]
    NotANumber {
        /// The path as given.
        path: PathBuf,
        /// The line to blame.
        line: u64,
        /// The label found.
        value: String,
    },
    /// A fraction among labels from which classes should be learnt.
    #[error(
        "{path}:{line}: label `{value}` is a fraction, so it is no class; for a regression every label must be a number"
    )]
    FractionalClass {
        /// The path as given.
        path: PathBuf,
        /// The line to blame.
        line: u64,
        /// The label found.
        value: String,
    },
    /// A training set whose labels are all the same.
    #[error("{path}: every label is `{value}`; a classification needs at least two classes")]
    OneClass {
        /// The path as given.
        path: PathBuf,
        /// The only label.
        value: String,
    },
    /// A teacher whose classes have the same name.
    #[error("class name `{name}` is there twice (ids {first} and {second}); names in `id2label` must differ")]
    DuplicateClass {
        /// The name.
        name: String,
        /// The first id that has it.
        first: usize,
        /// The second id that has it.
        second: usize,
    },
    /// The tokenizer refused a text.
    #[error("{path}:{line}: the text cannot be tokenised")]
    Tokenizer {
        /// The path as given.
        path: PathBuf,
        /// The line to blame.
        line: u64,
        /// What the tokenizer says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The tokenizer gave ids and segments of different lengths, or more tokens than allowed.
    #[error(
        "{path}:{line}: the tokenizer gave {ids} ids and {token_types} token types for at most {max_length} tokens; it has to truncate, and both must be of one length"
    )]
    Encoding {
        /// The path as given.
        path: PathBuf,
        /// The line to blame.
        line: u64,
        /// Ids given.
        ids: usize,
        /// Token types given.
        token_types: usize,
        /// The longest example allowed.
        max_length: usize,
    },
    /// JSON of another layout than SQuAD's.
    #[error(
        "{path}: not a file of SQuAD's layout, `data` with `paragraphs` of a `context` and its `qas`: give that, or rows of JSON as .jsonl"
    )]
    Squad {
        /// The path as given.
        path: PathBuf,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// Questions without the texts that they are about.
    #[error("{path}: questions need the text that they are about: name its column in `text_pair`")]
    NoContext {
        /// The path as given.
        path: PathBuf,
    },
    /// An answer that is no part of its text.
    #[error(
        "{path}:{line}: the answer `{answer}` is not in the text: answers are parts of it, letter by letter"
    )]
    AnswerNotInText {
        /// The path as given.
        path: PathBuf,
        /// The question to blame.
        line: u64,
        /// The answer found.
        answer: String,
    },
    /// A label of a tokenised question that is no pair of its tokens.
    #[error(
        "{path}:{line}: `{value}` is no answer among {tokens} tokens: give the places of its first and its last token, from 0"
    )]
    AnswerTokens {
        /// The path as given.
        path: PathBuf,
        /// The line to blame.
        line: u64,
        /// The label found.
        value: String,
        /// Tokens of the row.
        tokens: usize,
    },
    /// Examples too short for a question and a part of its text.
    #[error(
        "max_length {max_length} leaves no room for a question and a part of its text: set at least {least}"
    )]
    NoRoomForAnswers {
        /// The length asked for.
        max_length: usize,
        /// The shortest that has room.
        least: usize,
    },
    /// A generator of demonstration data that does not exist.
    #[error("no demonstration data `{name}`; there is {known}{nearest}", known = listed(.known), nearest = did_you_mean(.nearest))]
    UnknownDemo {
        /// The name asked for.
        name: String,
        /// The generators there are.
        known: Vec<String>,
        /// The most similar of them, where one is similar.
        nearest: Option<String>,
    },
    /// A demonstration set without examples.
    #[error(
        "demonstration data with {train} training and {validation} validation examples; both need at least one"
    )]
    EmptyDemo {
        /// Training examples asked for.
        train: usize,
        /// Validation examples asked for.
        validation: usize,
    },
}

/// `a`, `b` and `c`, each in backquotes.
fn listed(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn did_you_mean(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}
