//! What a trial's student started from, as the study, the reports and the model cards say it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What a trial's student started from.
///
/// As JSON: `"teacher"`, `"embeddings"`, `"random"`, `{"trial": 3}` or `{"student": "folder"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartedFrom {
    /// The teacher's weights, copied or projected.
    Teacher,
    /// The teacher's embeddings and those of its layers that have the student's shape.
    Embeddings,
    /// Seeded random weights.
    Random,
    /// The student of an earlier trial of the same study.
    Trial(u32),
    /// The student in a folder.
    Student(PathBuf),
}

/// The starts of a study's trials by their numbers; those of trials that have none yet, or were trained elsewhere, are
/// missing.
pub type Starts = BTreeMap<u32, StartedFrom>;

impl StartedFrom {
    /// Whether the student went on from one that had been trained: it has had more steps than its own.
    pub fn is_warm(&self) -> bool {
        matches!(self, Self::Trial(_) | Self::Student(_))
    }
}

impl fmt::Display for StartedFrom {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Teacher => formatter.write_str("the teacher"),
            Self::Embeddings => formatter.write_str("the teacher's embeddings"),
            Self::Random => formatter.write_str("random weights"),
            Self::Trial(number) => write!(formatter, "trial {number}'s student"),
            Self::Student(folder) => write!(formatter, "the student in {}", folder.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_what_the_study_documents() {
        let starts = [
            (StartedFrom::Teacher, r#""teacher""#),
            (StartedFrom::Trial(3), r#"{"trial":3}"#),
            (StartedFrom::Student("runs/0003".into()), r#"{"student":"runs/0003"}"#),
        ];
        for (start, json) in starts {
            assert_eq!(serde_json::to_string(&start).unwrap(), json);
            assert_eq!(serde_json::from_str::<StartedFrom>(json).unwrap(), start);
        }
    }
}
