//! The sections `model`, `teacher` and `student`.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json};

use super::cursor::Cursor;
use super::examples::given_or_none;
use super::families::{BERT, FAMILIES, FamilyKeys};
use super::files::existing_folder;
use super::node::Value;
use super::places::Subject;
use super::problem::Problem;
use super::table::{Table, one_of};
use crate::plan::{Framework, Initialize, StudentPlan, TeacherPlan};

/// The section `model`: the student's name and the checkpoint format.
pub(super) fn model(cursor: &Cursor<'_>) -> Option<(String, Framework)> {
    let mut table = cursor.table()?;
    let name = table.need("name", "a name for the student").and_then(|name| name.text());
    let framework = match table.take("framework") {
        Some(framework) => framework.word("a framework", &FRAMEWORKS),
        None => Some(Framework::PyTorch),
    };
    table.finish();
    Some((name?.to_owned(), framework?))
}

const FRAMEWORKS: [(&str, Framework); 2] =
    [("pytorch", Framework::PyTorch), ("tensorflow", Framework::TensorFlow)];

/// Whether the teacher's folder has to be there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TeacherFolder {
    Existing,
    ToBeMade,
}

/// The section `teacher`: a folder, several of them, or a network to be trained first.
pub(super) fn teacher(cursor: &Cursor<'_>, (base, folder): (&Path, TeacherFolder)) -> Option<TeacherPlan> {
    let mut table = cursor.table()?;
    let one = table.take_either("path", "finetune");
    let trained = match one_of(one, table.take("paths")) {
        Some(value) if value.path.ends_with("finetune") => finetuned(&value),
        Some(value) if value.path.ends_with("paths") => folders(&value, base),
        Some(value) if folder == TeacherFolder::ToBeMade => {
            value.text().map(|path| TeacherPlan::Folder(base.join(path)))
        }
        Some(value) => existing_folder(&value, base).map(TeacherPlan::Folder),
        None => {
            table.need("path", "the folder of a fine-tuned network, or `finetune` with the values of one");
            None
        }
    };
    table.finish();
    trained
}

/// Several teachers; a single one is no ensemble.
fn folders(cursor: &Cursor<'_>, base: &Path) -> Option<TeacherPlan> {
    let items = cursor.list("a list of folders of fine-tuned networks")?;
    if items.is_empty() {
        cursor.problem(Problem::Empty { what: "folder" });
        return None;
    }
    let mut folders = Vec::new();
    for item in &items {
        let folder = existing_folder(item, base);
        if let Some(entry) = folder.as_ref().filter(|folder| folders.contains(&Some((*folder).clone()))) {
            item.problem(Problem::Repeated { entry: entry.display().to_string() });
        }
        item.remember(Subject::Teacher(folder.clone().unwrap_or_default()));
        folders.push(folder);
    }
    let mut folders: Vec<PathBuf> = folders.into_iter().collect::<Option<_>>()?;
    match folders.len() {
        1 => folders.pop().map(TeacherPlan::Folder),
        _ => Some(TeacherPlan::Folders(folders)),
    }
}

fn finetuned(cursor: &Cursor<'_>) -> Option<TeacherPlan> {
    let mut table = cursor.table()?;
    let steps = table.take("steps").map_or(Some(500), |steps| steps.whole(1));
    let learning_rate = table.take("learning_rate").map_or(Some(5e-4), |rate| rate.positive());
    let architecture = family_values(&mut table, &BERT);
    for &(size, _) in BERT.sizes {
        table.need(size, "a whole number");
    }
    table.finish();
    Some(TeacherPlan::FineTuned { architecture: architecture?, steps: steps?, learning_rate: learning_rate? })
}

/// A student with what is needed to check the searched keys against it.
pub(super) struct Student<'n> {
    /// Absent where a value could not be read.
    pub(super) plan: Option<StudentPlan>,
    pub(super) family: &'static FamilyKeys,
    pub(super) cursor: Cursor<'n>,
    /// Where it says what the student starts from.
    start: Option<Cursor<'n>>,
}

impl<'n> Student<'n> {
    /// Reads the section `student`; paths in it start at `base`.
    pub(super) fn read(cursor: &Cursor<'n>, base: &Path) -> Option<Self> {
        let mut table = cursor.table()?;
        let family = table.need("family", "a network family, such as `bert`");
        let family = family.and_then(|family| family.word("a network family", &FAMILIES));
        let start = table.take("initialize");
        let initialize = match &start {
            Some(start) => initialize(start, base),
            None => Some(Initialize::Teacher),
        };
        let dropout = table.take("dropout").map(|dropout| share(&dropout));
        let Some(family) = family else {
            // Which keys are valid is not known then, so those of all families are.
            for (_, family) in FAMILIES {
                table.skip(&family.searchable());
                table.skip(family.values);
            }
            table.finish();
            return None;
        };
        let fixed = family_values(&mut table, family);
        table.finish();
        let plan = Self::plan(family, fixed, initialize, dropout);
        Some(Self { plan, family, cursor: cursor.clone(), start })
    }

    fn plan(
        family: &FamilyKeys,
        fixed: Option<Map<String, Json>>,
        initialize: Option<Initialize>,
        dropout: Option<Option<f64>>,
    ) -> Option<StudentPlan> {
        let dropout = given_or_none(dropout)?;
        let family = family.family;
        Some(StudentPlan { family, fixed: fixed?, initialize: initialize?, dropout })
    }

    fn fixed(&self, key: &str) -> Option<&Json> {
        self.plan.as_ref().and_then(|plan| plan.fixed.get(key))
    }

    /// The number of layers, where it is fixed.
    pub(super) fn layers(&self) -> Option<usize> {
        let fixed = ["num_hidden_layers", "n_layers"].iter().find_map(|key| self.fixed(key));
        fixed.and_then(Json::as_u64).and_then(|layers| usize::try_from(layers).ok())
    }

    /// Reports a start from earlier trials where there are none.
    pub(super) fn refuse_earlier_trials(&self) {
        let is_asked_for = self.plan.as_ref().is_some_and(|plan| plan.initialize == Initialize::Trial);
        if let Some(start) = self.start.as_ref().filter(|_| is_asked_for) {
            start.problem(Problem::NoEarlierTrial);
        }
    }

    /// Reports sizes that are both fixed and searched, and those that are neither.
    pub(super) fn check_sizes(&self, searched: &[String]) {
        for &(size, other) in self.family.sizes {
            let spellings = || std::iter::once(size).chain(other);
            let is_searched = spellings().any(|key| searched.iter().any(|name| name == key));
            let fixed = spellings().find(|key| self.fixed(key).is_some());
            match (fixed, is_searched) {
                (Some(key), true) => self.cursor.problem(Problem::GivenTwice {
                    key: key.to_owned(),
                    other: "auto_distillation.search.search_space".to_owned(),
                }),
                (None, false) if self.cursor.report.suggests(&self.cursor.path, size) => {}
                (None, false) => self.cursor.problem(Problem::MissingKey {
                    key: size,
                    what: "a whole number, or search it in `auto_distillation.search.search_space`",
                }),
                _ => {}
            }
        }
    }
}

/// What a student starts from: a name, or `{student: FOLDER}`.
fn initialize(cursor: &Cursor<'_>, base: &Path) -> Option<Initialize> {
    if !matches!(cursor.node.value, Value::Map(_)) {
        let name = cursor.text()?;
        let found = STARTS.iter().find(|(choice, _)| choice.eq_ignore_ascii_case(name));
        if found.is_none() {
            let valid = STARTS.map(|(choice, _)| choice);
            cursor.unknown_name("a start", name, &[&valid[..], &["{student: FOLDER}"]].concat());
        }
        return found.map(|(_, start)| (*start).clone());
    }
    let mut table = cursor.table()?;
    let folder = table.need("student", "the folder of a student to start from");
    table.finish();
    let folder = folder?;
    folder.remember(Subject::EarlierStudent);
    existing_folder(&folder, base).map(Initialize::Student)
}

const STARTS: [(&str, &Initialize); 4] = [
    ("teacher", &Initialize::Teacher),
    ("embeddings", &Initialize::Embeddings),
    ("random", &Initialize::Random),
    ("trial", &Initialize::Trial),
];

fn share(cursor: &Cursor<'_>) -> Option<f64> {
    cursor.number_that("from 0 up to, not including, 1", |number| (0.0..1.0).contains(&number))
}

/// The values of a family's Hugging Face config that a section gives, in the order of the text.
fn family_values(table: &mut Table<'_>, family: &FamilyKeys) -> Option<Map<String, Json>> {
    let sizes = family.searchable();
    let mut values = Map::new();
    let mut complete = true;
    for (key, cursor) in table.entries() {
        let value = if sizes.contains(&key) {
            cursor.whole::<u32>(1).map(Json::from)
        } else if family.values.contains(&key) {
            plain_value(key, &cursor)
        } else {
            continue;
        };
        complete &= value.is_some();
        values.extend(value.map(|value| (key.to_owned(), value)));
    }
    table.skip(&sizes);
    table.skip(family.values);
    complete.then_some(values)
}

fn plain_value(key: &str, cursor: &Cursor<'_>) -> Option<Json> {
    if key.contains("dropout") {
        return share(cursor).map(Json::from);
    }
    match key {
        "max_position_embeddings" | "type_vocab_size" | "vocab_size" | "embedding_size" => {
            cursor.whole::<u32>(1).map(Json::from)
        }
        "pad_token_id" => cursor.whole::<u32>(0).map(Json::from),
        "layer_norm_eps" | "initializer_range" => cursor.positive().map(Json::from),
        _ if matches!(cursor.node.value, Value::Boolean(_)) => cursor.flag().map(Json::from),
        _ => cursor.text().map(Json::from),
    }
}
