//! From a config file or its text to a [`Plan`], or to the list of everything that is wrong with it.

use std::path::Path;

use autodistillation_distillation::Scheduler;
use serde::Serialize;

use super::auto_distillation::auto_distillation;
use super::automatic::AutomaticFlash;
use super::cursor::{Cursor, Report};
use super::examples::data as data_plan;
use super::goals::MetricNames;
use super::parse::parse;
use super::places::Places;
use super::problem::{ConfigErrors, LocatedProblem, Problem};
use super::roles::{Student, TeacherFolder, model, teacher as teacher_plan};
use super::search::{Vocabulary, searched_names};
use super::sections::{Method, Setting};
use super::single_stage::distillation;
use super::table::Table;
use crate::plan::{EvaluationPlan, Framework, Plan, SearchPlan, TrainingPlan};
use crate::store::StudyDefinition;

impl Plan {
    /// Reads a config file.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, each with its line, column and remedy.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        Self::parse(&read(path)?, path)
    }

    /// As [`Plan::load`], for making the teacher that the config names: its folder need not exist.
    ///
    /// # Errors
    ///
    /// Everything else that is wrong with it, each with its line, column and remedy.
    pub fn load_for_its_teacher(path: &Path) -> Result<Self, ConfigErrors> {
        Self::parse_with(&read(path)?, (path, TeacherFolder::ToBeMade))
    }

    /// Reads a config from its text. Paths in it are relative to the folder of `origin`, the file it came
    /// from, which is also what messages begin with.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, each with its line, column and remedy.
    pub fn parse(text: &str, origin: &Path) -> Result<Self, ConfigErrors> {
        Self::parse_with(text, (origin, TeacherFolder::Existing))
    }

    fn parse_with(text: &str, (origin, teacher): (&Path, TeacherFolder)) -> Result<Self, ConfigErrors> {
        let base = origin.parent().unwrap_or(Path::new(""));
        let (plan, places) = read_text(text, origin, |root| plan(root, (base, teacher)))?;
        Ok(Self { places, ..plan })
    }
}

/// What a search needs when the user's own functions build, train and evaluate the students: a config without
/// teacher, student and data.
#[derive(Clone, Debug, Serialize)]
pub struct SearchConfig {
    /// The student's name; `student` where the config has no `model`.
    pub name: String,
    /// The checkpoint format.
    pub framework: Framework,
    /// What is searched; its metrics may have any names.
    pub search: SearchPlan,
    /// The stages that the config spells out.
    pub scheduler: Scheduler,
    /// Flash stages that depend on the networks' depths, ahead of the scheduler's.
    pub automatic_flash: Option<AutomaticFlash>,
    /// How every stage is trained.
    pub training: TrainingPlan,
    /// How students are measured.
    pub evaluation: EvaluationPlan,
}

impl SearchConfig {
    /// Reads a config file; sections that only the built-in experiment needs are skipped.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the rest, each with its line, column and remedy.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        Self::parse(&read(path)?, path)
    }

    /// Reads a config from its text; `origin` is what messages begin with. The content of `auto_distillation`
    /// may also be the whole config.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, each with its line, column and remedy.
    pub fn parse(text: &str, origin: &Path) -> Result<Self, ConfigErrors> {
        read_text(text, origin, search_config).map(|(config, _)| config)
    }

    /// What makes the study of this config the study it is: everything but the number of trials.
    pub fn definition(&self) -> StudyDefinition {
        let stages = serde_json::json!({
            "scheduler": self.scheduler,
            "automatic_flash": self.automatic_flash,
            "training": self.training,
            "evaluation": self.evaluation,
        });
        StudyDefinition {
            name: self.name.clone(),
            space: self.search.space.clone(),
            goals: self.search.goals.clone(),
            seed: self.search.seed,
            constraints: self.search.constraints.clone(),
            settings: stages,
        }
    }
}

/// What a config says about a single student when the user's own code brings the networks and the data: a
/// config whose top level is `model` and `distillation`.
#[derive(Clone, Debug, Serialize)]
pub struct DistillationConfig {
    /// The student's name.
    pub name: String,
    /// The checkpoint format.
    pub framework: Framework,
    /// The stages that the config spells out.
    pub scheduler: Scheduler,
    /// Flash stages that depend on the networks' depths, ahead of the scheduler's.
    pub automatic_flash: Option<AutomaticFlash>,
    /// Passes over the training set instead of the stage's steps.
    pub epochs: Option<u32>,
    /// How every stage is trained.
    pub training: TrainingPlan,
}

impl DistillationConfig {
    /// Reads a config file; `teacher`, `student` and `data` are skipped.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the rest, each with its line, column and remedy.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        Self::parse(&read(path)?, path)
    }

    /// Reads a config from its text; `origin` is what messages begin with.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, each with its line, column and remedy.
    pub fn parse(text: &str, origin: &Path) -> Result<Self, ConfigErrors> {
        read_text(text, origin, distillation_config).map(|(config, _)| config)
    }
}

fn read(path: &Path) -> Result<String, ConfigErrors> {
    std::fs::read_to_string(path).map_err(|source| {
        let problem = Problem::Unreadable { source };
        ConfigErrors::new(path, vec![LocatedProblem { position: None, key_path: String::new(), problem }])
    })
}

fn read_text<T>(
    text: &str,
    origin: &Path,
    interpret: impl FnOnce(&Cursor<'_>) -> Option<T>,
) -> Result<(T, Places), ConfigErrors> {
    let (node, problems) = parse(text);
    let report = Report::new(problems);
    let read = node.as_ref().and_then(|node| interpret(&Cursor::root(node, &report)));
    let places = Places::new(origin, report.places());
    match (read, report.into_problems()) {
        (Some(read), problems) if problems.is_empty() => Ok((read, places)),
        (_, problems) => Err(ConfigErrors::new(origin, problems)),
    }
}

fn plan(root: &Cursor<'_>, (base, folder): (&Path, TeacherFolder)) -> Option<Plan> {
    let mut table = root.table()?;
    let model = table.need("model", "{name: …, framework: pytorch}").and_then(|cursor| model(&cursor));
    let teacher = table.need("teacher", "{path: FOLDER}, the network to learn from");
    let teacher = teacher.and_then(|cursor| teacher_plan(&cursor, (base, folder)));
    let student = table.need("student", "{family: bert} and the sizes that are not searched");
    let student = student.and_then(|cursor| Student::read(&cursor, base));
    let data = table.need("data", "the training and validation files and their columns");
    let data = data.and_then(|cursor| data_plan(&cursor, base));
    let vocabulary =
        Vocabulary { family: student.as_ref().map(|student| student.family), metrics: MetricNames::BuiltIn };
    let framework = model.as_ref().map_or(Framework::PyTorch, |(_, framework)| *framework);
    let layers = student.as_ref().and_then(Student::layers);
    let method = method(&mut table, (framework, layers, vocabulary));
    table.finish();
    if let (Some(student), Some(method)) =
        (student.as_ref().filter(|student| student.plan.is_some()), &method)
    {
        student.check_sizes(&method.search.as_ref().map(searched_names).unwrap_or_default());
    }
    if let (Some(student), Some(method)) = (&student, &method)
        && method.search.is_none()
    {
        student.refuse_earlier_trials();
    }
    let ((name, framework), method) = (model?, method?);
    Some(Plan {
        name,
        framework,
        teacher: teacher?,
        student: student?.plan?,
        data: data?,
        search: method.search,
        scheduler: method.stages.scheduler,
        automatic_flash: method.stages.automatic,
        epochs: method.epochs,
        seed: method.seed,
        training: method.training,
        evaluation: method.evaluation,
        places: Places::default(),
    })
}

fn method(
    table: &mut Table<'_>,
    (framework, layers, vocabulary): (Framework, Option<usize>, Vocabulary),
) -> Option<Method> {
    let evaluation = table.take("evaluation");
    if let Some(section) = table.take("distillation") {
        if let Some(search) = table.take("auto_distillation") {
            let key = "auto_distillation".to_owned();
            search.problem(Problem::GivenTwice { key, other: section.path.clone() });
        }
        return distillation(&section, Setting { framework, layers, vocabulary, train: None, evaluation });
    }
    let train = table.take("train");
    let section = table.need("auto_distillation", "the search, or `distillation` for a single student")?;
    let mut inner = section.table()?;
    let read = auto_distillation(&mut inner, Setting { framework, layers, vocabulary, train, evaluation });
    inner.finish();
    read
}

fn search_config(root: &Cursor<'_>) -> Option<SearchConfig> {
    let mut table = root.table()?;
    let model = match table.take("model") {
        Some(cursor) => model(&cursor),
        None => Some(("student".to_owned(), Framework::PyTorch)),
    };
    let framework = model.as_ref().map_or(Framework::PyTorch, |(_, framework)| *framework);
    let vocabulary = Vocabulary { family: None, metrics: MetricNames::Any };
    table.skip(&["teacher", "student", "data"]);
    let is_bare = !table.has("auto_distillation") && table.has("search");
    let read = if is_bare {
        let (train, evaluation) = (None, None);
        auto_distillation(&mut table, Setting { framework, layers: None, vocabulary, train, evaluation })
    } else {
        method(&mut table, (framework, None, vocabulary))
    };
    table.finish();
    let ((name, framework), method) = (model?, read?);
    let Some(search) = method.search else {
        root.problem(Problem::MissingKey { key: "auto_distillation", what: "the search" });
        return None;
    };
    Some(SearchConfig {
        name,
        framework,
        search,
        scheduler: method.stages.scheduler,
        automatic_flash: method.stages.automatic,
        training: method.training,
        evaluation: method.evaluation,
    })
}

fn distillation_config(root: &Cursor<'_>) -> Option<DistillationConfig> {
    let mut table = root.table()?;
    let model = table.need("model", "{name: …, framework: pytorch}").and_then(|cursor| model(&cursor));
    let framework = model.as_ref().map_or(Framework::PyTorch, |(_, framework)| *framework);
    table.skip(&["teacher", "student", "data"]);
    let vocabulary = Vocabulary { family: None, metrics: MetricNames::Any };
    let evaluation = table.take("evaluation");
    let section = table.need("distillation", "{train: {optimizer: …, criterion: …}}");
    let setting = Setting { framework, layers: None, vocabulary, train: None, evaluation };
    let method = section.and_then(|section| distillation(&section, setting));
    table.finish();
    let ((name, framework), method) = (model?, method?);
    Some(DistillationConfig {
        name,
        framework,
        scheduler: method.stages.scheduler,
        automatic_flash: method.stages.automatic,
        epochs: method.epochs,
        training: method.training,
    })
}
