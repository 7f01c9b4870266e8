//! Everything that can stop a run.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Why a run could not start or go on. A trial that fails is not an error: the study keeps its reason.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The config has problems; all of them are listed.
    #[error(transparent)]
    Config(#[from] crate::config::ConfigErrors),
    /// A data file cannot be used.
    #[error(transparent)]
    Data(#[from] crate::data::Error),
    /// A text that should be token ids.
    #[error(transparent)]
    TokenIds(#[from] crate::data::NotTokenIds),
    /// A text in which a language model has nothing to fill in.
    #[error("line {line} has no `{mask}`: write it in place of the word that the network is to say")]
    NothingMasked {
        /// The line, from 1.
        line: usize,
        /// How the tokenizer spells a mask.
        mask: String,
    },
    /// A question without a text to look in.
    #[error("line {line} has no tab: write the question, a tab and the text that holds the answer")]
    NoTextToAsk {
        /// The line, from 1.
        line: u64,
    },
    /// The study store cannot be read or written.
    #[error(transparent)]
    Store(#[from] crate::store::Error),
    /// A result cannot be written.
    #[error(transparent)]
    Report(#[from] crate::report::Error),
    /// A network folder cannot be read or written.
    #[error(transparent)]
    Models(#[from] autodistillation_models::Error),
    /// The distillation cannot be set up.
    #[error(transparent)]
    Distillation(#[from] autodistillation_distillation::Error),
    /// The search cannot propose.
    #[error(transparent)]
    Search(#[from] autodistillation_search::Error),
    /// No architecture of the space can be built.
    #[error("no architecture of the search space can be built: {}; change its choices", list(rejections))]
    NoFeasiblePoint {
        /// Architectures by the reason they cannot be built.
        rejections: BTreeMap<String, u64>,
    },
    /// A thread pool could not be made.
    #[error("could not start {threads} threads")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// Why.
        #[source]
        source: rayon::ThreadPoolBuildError,
    },
    /// The loop itself broke.
    #[error(
        "a search worker broke down; what it had finished is in the study store: run the command again to go on"
    )]
    WorkerPanicked,
    /// A file or folder cannot be read or written.
    #[error("cannot {action} `{}`", path.display())]
    File {
        /// `read`, `write`, `create`.
        action: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A latency profile that this run cannot use.
    #[error("cannot use the latency profile `{}`: {problem}", path.display())]
    Profile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it and what to do.
        problem: String,
    },
    /// A config lacks a part that this command needs.
    #[error("the config has no `{part}`, which `{command}` needs: {remedy}")]
    MissingPart {
        /// The key.
        part: &'static str,
        /// The command.
        command: &'static str,
        /// What to add or use instead.
        remedy: &'static str,
    },
    /// A part of the config names something this version does not have.
    #[error("the {what} `{name}` is not available in this version: use {available}")]
    Unavailable {
        /// What kind of thing.
        what: &'static str,
        /// What was asked for.
        name: String,
        /// What there is.
        available: String,
    },
    /// A metric the task does not have.
    #[error("metric `{metric}` does not exist for this task ({task}): choose from {available}")]
    MetricOfAnotherTask {
        /// The metric.
        metric: String,
        /// What the task is.
        task: &'static str,
        /// The metrics there are.
        available: String,
    },
    /// The training of a single student failed.
    #[error("the training failed")]
    Training {
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A trial that is told twice, or that nobody asked for.
    #[error("trial {number} is not running: ask for a trial and tell its end once")]
    NotRunning {
        /// The trial.
        number: u32,
    },
    /// Two sides of a loss that are not rows of one shape, or a mask under which no row counts.
    #[error(
        "student and teacher cannot be compared: {student} and {teacher} values in rows of {width}, with a mask of {mask:?}; give \
         both as (rows, width) of one shape, with one mask entry a row and at least one row that counts"
    )]
    UnequalRows {
        /// The student's values.
        student: usize,
        /// The teacher's values.
        teacher: usize,
        /// Values in a row.
        width: usize,
        /// Entries of the mask.
        mask: Option<usize>,
    },
    /// A part of an architecture has no value.
    #[error(
        "`{part}` is not of the form name=value: write --architecture hidden_size=128,num_attention_heads=2"
    )]
    Architecture {
        /// The part.
        part: String,
    },
    /// A dimension of an architecture is given twice.
    #[error("`{name}` is given twice in --architecture: keep one of them")]
    GivenTwice {
        /// The dimension.
        name: String,
    },
    /// Dimensions that the config searches and the command does not choose.
    #[error("the config searches {}: choose a value of each with --architecture name=value,…", open.join(", "))]
    OpenDimensions {
        /// Each with its choices.
        open: Vec<String>,
    },
    /// Teachers that cannot be averaged.
    #[error("teacher `{}` cannot teach beside the first: {disagreement}", folder.display())]
    OtherTeacher {
        /// Its folder.
        folder: PathBuf,
        /// In what they do not agree.
        disagreement: crate::further_teachers::Disagreement,
    },
    /// A student that others cannot start from.
    #[error("students cannot start from the one in `{}`: {disagreement}", folder.display())]
    OtherStudent {
        /// Its folder.
        folder: PathBuf,
        /// In what it does not agree with the teacher.
        disagreement: crate::further_teachers::Disagreement,
    },
    /// A student of other sizes than the one to start from.
    #[error(
        "the student in `{}` has {earlier}, this one {own}: only layers and intermediate_size may differ", folder.display()
    )]
    OtherShape {
        /// The folder of the one to start from.
        folder: PathBuf,
        /// Its sizes.
        earlier: String,
        /// The sizes asked for.
        own: String,
    },
    /// A teacher that answers with NaN.
    #[error("the loss of the teacher in `{}` is {loss} on the first validation examples: its weights are broken", path.display())]
    BrokenTeacher {
        /// Its folder.
        path: PathBuf,
        /// Its loss.
        loss: f64,
    },
    /// A trained student that answers with NaN.
    #[error("the loss of the trained student is {loss}: lower the learning rate or clip the gradients")]
    Diverged {
        /// Its loss on the validation set.
        loss: f64,
    },
    /// A trial that could not be saved.
    #[error(
        "trial {number} cannot be saved: free some space and run the same command again, finished trials are kept"
    )]
    Unsaved {
        /// The trial.
        number: u32,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A trial left no student.
    #[error(
        "trial {number} has no student: it failed or does not exist; the finished trials are {finished:?}"
    )]
    NoStudent {
        /// The trial asked for.
        number: u32,
        /// The trials that have one.
        finished: Vec<u32>,
    },
    /// A run has many students.
    #[error("`{}` is the folder of a run: say which of its students with --trial N", path.display())]
    WhichTrial {
        /// The folder.
        path: PathBuf,
    },
    /// A build without a runtime for ONNX files.
    #[error(
        "`{}` is an ONNX file, which this build does not run: build it with `--features onnx`, or use ONNX Runtime",
        path.display()
    )]
    OnnxNotBuilt {
        /// The file.
        path: PathBuf,
    },
    /// Examples longer than a network's positions.
    #[error(
        "{length} tokens are more than the {whose}'s {longest} positions: lower `{what}` to at most {longest}"
    )]
    TooLong {
        /// What asks for it.
        what: &'static str,
        /// The length asked for.
        length: usize,
        /// `teacher`, `student` or `encoder`.
        whose: &'static str,
        /// The positions there are.
        longest: usize,
    },
    /// A value of the config that does not fit the networks or the data.
    #[error("{place}: {problem}")]
    At {
        /// Where it stands.
        place: crate::config::Place,
        /// What is wrong.
        problem: Box<Error>,
    },
    /// A JSON file of a run cannot be understood.
    #[error("`{}` is not what this command wrote", path.display())]
    Json {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A run folder lacks a file.
    #[error("`{}` is not the folder of a finished run: it has no `{missing}`; give the folder that `run` wrote", path.display())]
    NotARun {
        /// The folder.
        path: PathBuf,
        /// The file it lacks.
        missing: &'static str,
    },
    /// A folder for something new that already holds something.
    #[error("`{}` is not empty and stays as it is: give a new folder", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// Constraints on metrics that no trial has.
    #[error("no trial of this run has a metric `{metric}`: choose from {available}")]
    UnmeasuredMetric {
        /// The metric.
        metric: String,
        /// The metrics there are.
        available: String,
    },
    /// Several problems at once.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Several(Vec<Error>),
    /// The user stopped the run.
    #[error("stopped; run the same command again to go on")]
    Stopped,
}

fn list(rejections: &BTreeMap<String, u64>) -> String {
    let lines: Vec<String> =
        rejections.iter().map(|(reason, count)| format!("{reason} ({count} of them)")).collect();
    lines.join("; ")
}
