//! Where in a config's text the values stand that only networks and data can prove wrong.

use std::fmt;
use std::path::{Path, PathBuf};

use autodistillation_distillation::LayerPath;

use super::problem::Position;

/// A place in a config: its file, line and column, and the dotted path of the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The config's path.
    pub origin: PathBuf,
    /// Line and column.
    pub position: Position,
    /// The dotted path of the key (`data.max_length`).
    pub key_path: String,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { line, column } = self.position;
        write!(formatter, "{}:{line}:{column}: {}", self.origin.display(), self.key_path)
    }
}

/// What stands at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A layer mapping.
    Mapping {
        /// The student's layer.
        student: LayerPath,
        /// The teacher's layer.
        teacher: LayerPath,
    },
    /// A module of a stage's block.
    Block(String),
    /// The longest example.
    MaxLength,
    /// The length that latency is measured at.
    LatencyLength,
    /// One of several teachers, by its folder.
    Teacher(PathBuf),
    /// The student that all others start from.
    EarlierStudent,
    /// What a divergence does to logits.
    LogitScale,
}

/// The places of a config's subjects, in the order of the text.
#[derive(Clone, Debug, Default)]
pub struct Places {
    places: Vec<(Subject, Place)>,
}

impl Places {
    pub(super) fn new(origin: &Path, found: Vec<(Subject, Position, String)>) -> Self {
        let place = |position, key_path| Place { origin: origin.to_owned(), position, key_path };
        let places = found.into_iter().map(|(subject, position, path)| (subject, place(position, path)));
        Self { places: places.collect() }
    }

    /// Where `subject` stands first, unless it comes from a default.
    pub fn of(&self, subject: &Subject) -> Option<&Place> {
        self.places.iter().find(|(other, _)| other == subject).map(|(_, place)| place)
    }
}
