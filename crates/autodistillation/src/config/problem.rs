//! What can be wrong with a config, and the list of everything that is.

use std::fmt;
use std::path::{Path, PathBuf};

/// One thing that is wrong with a config: what was expected, what was found, and the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The file could not be read.
    #[error("the file cannot be read: {}", unreadable(source))]
    Unreadable {
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// The text is neither YAML nor JSON.
    #[error("this is not valid YAML or JSON: {}", source.info())]
    Syntax {
        /// The parser's reason.
        source: saphyr_parser::ScanError,
    },
    /// The file holds nothing.
    #[error("the config is empty: `autodistillation init` writes one to start from")]
    EmptyConfig,
    /// The file holds more than one document.
    #[error("a second YAML document begins here: keep one document in a file")]
    SeveralDocuments,
    /// A tag that asks for a language's own object.
    #[error("the tag `{tag}` is not supported: write plain values only")]
    Tagged {
        /// The tag.
        tag: String,
    },
    /// A list or map as a key.
    #[error("a key must be plain text: quote it if it begins with `[` or `{{`")]
    ComplexKey,
    /// Lists within lists within lists.
    #[error("values are nested more than {limit} deep: flatten them")]
    TooDeep {
        /// The deepest nesting that is read.
        limit: usize,
    },
    /// More values than a config can sensibly have, aliases written out.
    #[error("the config has more than {limit} values once aliases are written out: shorten it")]
    TooLarge {
        /// The most values that are read.
        limit: usize,
    },
    /// A key given twice in one map.
    #[error("key `{key}` is already given at line {first_line}: remove one of them")]
    DuplicateKey {
        /// The key.
        key: String,
        /// The line of the first.
        first_line: usize,
    },
    /// A key that has no meaning at this place.
    #[error("unknown key `{key}`: {}", suggest(.suggestion.as_deref(), .valid))]
    UnknownKey {
        /// The key found.
        key: String,
        /// The valid key that looks most like it.
        suggestion: Option<String>,
        /// All keys that are valid here.
        valid: String,
    },
    /// A key that has to be there.
    #[error("missing key `{key}`: give {what}")]
    MissingKey {
        /// The key.
        key: &'static str,
        /// What its value is.
        what: &'static str,
    },
    /// Two keys of which only one makes sense.
    #[error("`{key}` is given here and in `{other}`: keep one of them")]
    GivenTwice {
        /// The key at this place.
        key: String,
        /// The path of the other.
        other: String,
    },
    /// A column of files that have none.
    #[error(
        "plain text (.txt) and SQuAD's layout (.json) have no columns: leave this out, or give tsv, csv, jsonl or parquet files"
    )]
    ColumnOfPlainFile,
    /// A value of another kind.
    #[error("expected {expected}, found {found}")]
    WrongType {
        /// What would be accepted.
        expected: String,
        /// What was written.
        found: String,
    },
    /// A number outside its range.
    #[error("must be {expected}, found {found}")]
    OutOfRange {
        /// The range.
        expected: String,
        /// What was written.
        found: String,
    },
    /// A name that is not in a closed set.
    #[error("`{name}` is not {kind}: {}", suggest(.suggestion.as_deref(), .valid))]
    UnknownName {
        /// What is named, with its article (`a loss`).
        kind: &'static str,
        /// The name found.
        name: String,
        /// The valid name that looks most like it.
        suggestion: Option<String>,
        /// All valid names.
        valid: String,
    },
    /// A parallel list with too few or too many entries.
    #[error("{found} given for {expected} {unit}: give one per {}", unit.trim_end_matches('s'))]
    Lengths {
        /// How many there have to be.
        expected: usize,
        /// How many there are.
        found: usize,
        /// What each entry belongs to, in the plural (`stages`).
        unit: &'static str,
    },
    /// A list or map without entries.
    #[error("is empty: give at least one {what}")]
    Empty {
        /// What an entry is.
        what: &'static str,
    },
    /// An entry that repeats another.
    #[error("`{entry}` is listed twice: remove one")]
    Repeated {
        /// The entry.
        entry: String,
    },
    /// Something the format allows and this version cannot do.
    #[error("`{name}` is not available in this version: {remedy}")]
    Unavailable {
        /// What was asked for.
        name: String,
        /// What to write instead.
        remedy: &'static str,
    },
    /// Loss weights that have to sum to 1.
    #[error("the weights sum to {sum}: make them sum to 1")]
    WeightSum {
        /// Their sum.
        sum: f64,
    },
    /// A number of blocks that is not known when per-block values are read.
    #[error(
        "one value per block needs a fixed `student.num_hidden_layers`: fix it, or give one value for all blocks"
    )]
    UnknownBlockCount,
    /// Nesterov momentum without momentum.
    #[error("Nesterov momentum needs `momentum` above 0: set one, such as 0.9")]
    NesterovWithoutMomentum,
    /// A single student that would start from other trials' students.
    #[error(
        "`initialize: trial` needs a search, and this is a single student: give `initialize: {{student: FOLDER}}`, or leave it out"
    )]
    NoEarlierTrial,
    /// A path that leads nowhere.
    #[error("{kind} `{}` does not exist (relative paths start at the config file's folder)", path.display())]
    NoSuchPath {
        /// `file` or `folder`.
        kind: &'static str,
        /// The path, joined to the config file's folder.
        path: PathBuf,
    },
    /// A path that leads to a folder where a file is needed, or the other way round.
    #[error("`{}` is not a {kind}", path.display())]
    WrongPathKind {
        /// `file` or `folder`.
        kind: &'static str,
        /// The path, joined to the config file's folder.
        path: PathBuf,
    },
    /// What the search crate refuses.
    #[error(transparent)]
    Search(#[from] autodistillation_search::Error),
    /// What the distillation crate refuses.
    #[error(transparent)]
    Distillation(#[from] autodistillation_distillation::Error),
}

fn unreadable(source: &std::io::Error) -> String {
    match source.kind() {
        std::io::ErrorKind::InvalidData => "it is not UTF-8 text: save it as UTF-8".to_owned(),
        _ => source.to_string(),
    }
}

fn suggest(suggestion: Option<&str>, valid: &str) -> String {
    match suggestion {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("use one of {valid}"),
    }
}

/// A place in a text, both counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character within the line.
    pub column: usize,
}

/// A problem and where it is.
#[derive(Debug)]
pub struct LocatedProblem {
    /// The place; absent when the whole file is meant.
    pub position: Option<Position>,
    /// The dotted path of the key (`auto_distillation.search.metrics[1]`); empty for the whole file.
    pub key_path: String,
    /// What is wrong.
    pub problem: Problem,
}

/// Everything that is wrong with a config, in the order of the text.
///
/// Displayed as one line per problem: `config.yaml:12:7: auto_distillation.search.seed: expected …`.
#[derive(Debug)]
pub struct ConfigErrors {
    origin: PathBuf,
    problems: Vec<LocatedProblem>,
}

impl ConfigErrors {
    pub(super) fn new(origin: &Path, mut problems: Vec<LocatedProblem>) -> Self {
        problems.sort_by_key(|problem| problem.position);
        Self { origin: origin.to_owned(), problems }
    }

    /// The config's path.
    pub fn origin(&self) -> &Path {
        &self.origin
    }

    /// The problems, in the order of the text.
    pub fn problems(&self) -> &[LocatedProblem] {
        &self.problems
    }
}

impl std::error::Error for ConfigErrors {}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, LocatedProblem { position, key_path, problem }) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(formatter)?;
            }
            write!(formatter, "{}:", self.origin.display())?;
            if let Some(Position { line, column }) = position {
                write!(formatter, "{line}:{column}:")?;
            }
            if !key_path.is_empty() {
                write!(formatter, " {key_path}:")?;
            }
            write!(formatter, " {problem}")?;
        }
        Ok(())
    }
}
