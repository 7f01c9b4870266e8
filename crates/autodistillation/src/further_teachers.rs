//! The teachers of a plan beside the first one: loaded, and held against it.

use std::path::{Path, PathBuf};

use autodistillation_distillation::Parameters;
use autodistillation_models::{Family, Tokenizer, Transformer, TransformerConfig, weights_file};
use burn::tensor::Device;

use crate::Error;
use crate::config::Subject;
use crate::data::{Record, content_hash};
use crate::materials::Tables;
use crate::plan::{Plan, TeacherPlan};
use crate::task::Task;

/// Training texts that every teacher's tokenizer has to cut alike.
const COMPARED_TEXTS: usize = 1000;

/// A teacher beside the first one.
#[derive(Clone, Debug)]
pub struct FurtherTeacher {
    /// The network, frozen.
    pub network: Transformer,
    /// Where its files are.
    pub folder: PathBuf,
    /// The content hash of its weights.
    pub hash: String,
}

/// In what a teacher, or a student to start from, does not agree with the first teacher.
#[derive(Debug, thiserror::Error)]
pub enum Disagreement {
    /// Other labels, or another order of them: their logits would be added up across classes.
    #[error("its labels are [{}], and those of the first teacher are [{}]", own.join(", "), first.join(", "))]
    Labels {
        /// The teacher's.
        own: Vec<String>,
        /// The first one's.
        first: Vec<String>,
    },
    /// They answer different questions.
    #[error("its task is {own}, and that of the first teacher is {first}")]
    Task {
        /// The teacher's.
        own: &'static str,
        /// The first one's.
        first: &'static str,
    },
    /// Another tokenizer: students would learn about other tokens.
    #[error("its tokenizer cuts `{text}` in another way")]
    Tokens {
        /// A text that shows it.
        text: String,
    },
    /// Other layers.
    #[error("its family is {own}, and that of the students is {students}")]
    Family {
        /// That of the student to start from.
        own: Family,
        /// The plan's.
        students: Family,
    },
    /// Other embeddings.
    #[error("its vocabulary has {own} entries, and that of the first teacher {first}")]
    Vocabulary {
        /// The teacher's.
        own: usize,
        /// The first one's.
        first: usize,
    },
}

/// What further teachers, and a student to start from, are held against.
#[derive(Clone, Copy)]
pub(crate) struct First<'a> {
    pub(crate) config: &'a TransformerConfig,
    pub(crate) tokenizer: &'a Tokenizer,
    pub(crate) tables: &'a Tables,
}

/// The further teachers of `plan`; none where it has one teacher.
///
/// # Errors
///
/// Every teacher that cannot be read or does not agree with the first, each at its place in the config.
pub(crate) fn further_teachers(
    plan: &Plan,
    first: First<'_>,
    device: &Device,
) -> Result<Vec<FurtherTeacher>, Error> {
    let TeacherPlan::Folders(folders) = &plan.teacher else { return Ok(Vec::new()) };
    let (mut teachers, mut problems) = (Vec::new(), Vec::new());
    for folder in folders.iter().skip(1) {
        match further_teacher(folder, (plan, first), device) {
            Ok(teacher) => teachers.push(teacher),
            Err(problem) => {
                let place = plan.places.of(&Subject::Teacher(folder.clone()));
                problems.push(crate::check::locate(problem, place));
            }
        }
    }
    match problems.len() {
        0 => Ok(teachers),
        1 => Err(problems.remove(0)),
        _ => Err(Error::Several(problems)),
    }
}

fn further_teacher(
    folder: &Path,
    (plan, first): (&Plan, First<'_>),
    device: &Device,
) -> Result<FurtherTeacher, Error> {
    let network = Transformer::load(folder, device)?.network.frozen();
    let tokenizer = Tokenizer::from_folder(folder)?;
    tokenizer.check_fits(network.config())?;
    let (length, longest) = (plan.data.max_length, network.config().max_length());
    if length > longest {
        return Err(Error::TooLong { what: "data.max_length", length, whose: "teacher", longest });
    }
    if let Some(disagreement) = disagreement((network.config(), &tokenizer), first, length)? {
        return Err(Error::OtherTeacher { folder: folder.to_owned(), disagreement });
    }
    let hash = weights_hash(folder)?;
    Ok(FurtherTeacher { network, folder: folder.to_owned(), hash })
}

pub(crate) fn disagreement(
    (config, tokenizer): (&TransformerConfig, &Tokenizer),
    first: First<'_>,
    length: usize,
) -> Result<Option<Disagreement>, Error> {
    if Task::of(config) != Task::of(first.config) {
        let (own, first) = (Task::of(config).name(), Task::of(first.config).name());
        return Ok(Some(Disagreement::Task { own, first }));
    }
    if config.labels != first.config.labels {
        let (own, first) = (config.labels.clone(), first.config.labels.clone());
        return Ok(Some(Disagreement::Labels { own, first }));
    }
    let sizes = (tokenizer.vocabulary_size(), first.tokenizer.vocabulary_size());
    if sizes.0 != sizes.1 {
        return Ok(Some(Disagreement::Vocabulary { own: sizes.0, first: sizes.1 }));
    }
    for Record { text, pair, .. } in first.tables.training.records.iter().take(COMPARED_TEXTS) {
        let of = |tokenizer: &Tokenizer| tokenizer.encode(text, pair.as_deref(), length);
        if of(tokenizer)? != of(first.tokenizer)? {
            return Ok(Some(Disagreement::Tokens { text: text.clone() }));
        }
    }
    Ok(None)
}

/// The hash of the weights' file, or of the index of its shards.
pub(crate) fn weights_hash(folder: &Path) -> Result<String, Error> {
    let path = weights_file(folder).unwrap_or_else(|| folder.join("model.safetensors"));
    Ok(content_hash(&path)?)
}
