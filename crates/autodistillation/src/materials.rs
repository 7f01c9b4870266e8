//! What a run works with: the teacher, its tokenizer, and the tokenised data.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use autodistillation_distillation::{Ensemble, ExampleSet, Parameters};
use autodistillation_models::{Arithmetic, ProblemType, Tokenizer, Transformer, TransformerConfig};
use burn::tensor::Device;

use crate::Error;
use crate::config::Subject;
use crate::data::{
    self, Label, LabelEncoding, LabelNames, Record, SeenClasses, Table, TextColumns, content_hash,
    corpus::{NextSentence, Statistics},
    demo,
};
use crate::earlier_student::{EarlierStudent, earlier_student, note_on_steps};
use crate::example_sets::{Encoder, Part};
use crate::further_teachers::{First, FurtherTeacher, further_teachers, weights_hash};
use crate::plan::{DataPlan, DataSource, Plan, TeacherPlan, TextForm};
use crate::task::{DataTask, Task};

/// The tokenised parts of a data set.
#[derive(Clone, Debug)]
pub struct Sets {
    /// What students learn from.
    pub training: ExampleSet,
    /// What chooses between them.
    pub validation: ExampleSet,
    /// What is reported and never chooses.
    pub test: Option<ExampleSet>,
    /// The names of the classes, by id; none where nothing is named.
    pub classes: Vec<String>,
}

/// The tables of a data set before they are tokenised.
#[derive(Clone, Debug)]
pub struct Tables {
    /// What students learn from.
    pub training: Table,
    /// What chooses between them.
    pub validation: Table,
    /// What is reported and never chooses.
    pub test: Option<Table>,
    /// The classes, where the data set itself knows them.
    pub classes: Option<LabelNames>,
    /// Content hashes of the files, by part.
    pub hashes: BTreeMap<String, String>,
    /// What the texts are.
    pub form: TextForm,
}

impl Tables {
    /// Reads or generates what `plan` names.
    ///
    /// # Errors
    ///
    /// [`Error::Several`] with the problem of each file that cannot be used.
    pub fn read(plan: &DataPlan) -> Result<Self, Error> {
        match &plan.source {
            DataSource::Demo { name, train, validation, test, seed } => {
                let config = demo::DemoConfig {
                    name: name.clone(),
                    train: *train,
                    validation: *validation,
                    test: *test,
                    seed: *seed,
                };
                let set = demo::generate(&config)?;
                let hashes = BTreeMap::from([("data".to_owned(), format!("{config:?}"))]);
                Ok(Self {
                    training: set.train,
                    validation: set.validation,
                    test: set.test,
                    classes: set.classes,
                    hashes,
                    form: plan.form,
                })
            }
            DataSource::Files { train, validation, test, text, text_pair, label, label_separator } => {
                let columns = TextColumns {
                    text: text.clone().unwrap_or_default(), // Files without columns do not look at it.
                    text_pair: text_pair.clone(),
                    label: label.clone(),
                    label_separator: label_separator.clone(),
                };
                Self::read_files(
                    [("train", Some(train)), ("validation", Some(validation)), ("test", test.as_ref())],
                    &columns,
                )
                .map(|tables| Self { form: plan.form, ..tables })
            }
        }
    }

    fn read_files(files: [(&str, Option<&PathBuf>); 3], columns: &TextColumns) -> Result<Self, Error> {
        let mut hashes = BTreeMap::new();
        let mut problems = Vec::new();
        let mut tables = files.map(|(part, path)| {
            let path = path?;
            let read = Table::read(path, columns).and_then(|table| Ok((table, content_hash(path)?)));
            match read {
                Ok((table, hash)) => {
                    hashes.insert(part.to_owned(), hash);
                    Some(table)
                }
                Err(problem) => {
                    problems.push(Error::Data(problem));
                    None
                }
            }
        });
        match (tables[0].take(), tables[1].take(), problems.is_empty()) {
            (Some(training), Some(validation), true) => Ok(Self {
                training,
                validation,
                test: tables[2].take(),
                classes: None,
                hashes,
                form: TextForm::Words,
            }),
            _ if problems.len() == 1 => Err(problems.remove(0)),
            _ => Err(Error::Several(problems)),
        }
    }

    /// What the data asks for by itself: SQuAD's files ask questions, CoNLL files tag words, lists of labels mean that any number of them applies,
    /// numbers with fractions among them are values to be predicted, and text without labels is there to be masked.
    ///
    /// # Errors
    ///
    /// Labels that are neither classes nor values.
    pub fn task(&self) -> Result<DataTask, Error> {
        if self.training.records.iter().all(|record| record.label.is_none()) {
            return Ok(DataTask::PlainText);
        }
        if self.training.records.iter().any(|record| matches!(record.label, Some(Label::Answers(_)))) {
            return Ok(DataTask::Answers);
        }
        if matches!(data::Format::of(&self.training.path), Ok(data::Format::Conll)) {
            return Ok(DataTask::Words(LabelNames::learn(&self.training)?));
        }
        if self.classes.is_none() && self.training.holds_values() {
            return Ok(DataTask::Texts(LabelNames::of_one_value(), ProblemType::Regression));
        }
        let classes = match &self.classes {
            Some(classes) => classes.clone(),
            None => LabelNames::learn(&self.training)?,
        };
        let several = |record: &Record| matches!(record.label, Some(Label::Several(_)));
        let problem = match self.training.records.iter().any(several) {
            true => ProblemType::MultiLabelClassification,
            false => ProblemType::SingleLabelClassification,
        };
        Ok(DataTask::Texts(classes, problem))
    }

    /// Tokenises every part, see [`Encoder::examples`].
    ///
    /// # Errors
    ///
    /// Those of [`Encoder::examples`], and a class that is evaluated without being taught, with its file and line.
    pub fn tokenise(
        &self,
        tokenizer: &Tokenizer,
        labels: &LabelEncoding,
        max_length: usize,
    ) -> Result<Sets, Error> {
        let encoder = Encoder { tokenizer, labels, form: self.form, max_length };
        let training = encoder.examples(&self.training, Part::Training)?;
        let seen = SeenClasses::of(&self.training, &training);
        let evaluated = |table: &Table, part: Part| -> Result<ExampleSet, Error> {
            let examples = encoder.examples(table, part)?;
            seen.check(table, &examples)?;
            Ok(examples)
        };
        let validation = evaluated(&self.validation, Part::Validation)?;
        let test = self.test.as_ref().map(|table| evaluated(table, Part::Test)).transpose()?;
        Ok(Sets { validation, test, training, classes: labels.names().to_vec() })
    }
}

/// Everything a student is taught with.
#[derive(Debug)]
pub struct Materials {
    /// The teacher, frozen.
    pub teacher: Transformer,
    /// Where the teacher's files are.
    pub teacher_folder: PathBuf,
    /// Teachers whose logits are averaged with its own.
    pub further_teachers: Vec<FurtherTeacher>,
    /// The student that others start from, where the plan names one.
    pub earlier_student: Option<EarlierStudent>,
    /// The tokenizer of teacher and students.
    pub tokenizer: Tokenizer,
    /// The tokenised data.
    pub sets: Sets,
    /// Content hashes of the data files and the teacher's weights.
    pub hashes: BTreeMap<String, String>,
    /// What the user should know about the teacher's files.
    pub notes: Vec<String>,
}

impl Materials {
    /// Loads the teacher of `plan` and tokenises its data; a teacher that has to be trained first must be in
    /// `trained_teacher`.
    ///
    /// # Errors
    ///
    /// Everything that makes the teacher or the data unusable.
    pub fn gather(plan: &Plan, trained_teacher: Option<&Path>, device: &Device) -> Result<Self, Error> {
        let tables = Tables::read(&plan.data);
        let folder = match (&plan.teacher, trained_teacher) {
            (_, Some(folder)) => folder.to_owned(),
            (TeacherPlan::Folder(folder), None) => folder.clone(),
            (TeacherPlan::Folders(folders), None) => folders.first().cloned().unwrap_or_default(),
            (TeacherPlan::FineTuned { .. }, None) => {
                let remedy = "`run` trains it first";
                return Err(Error::MissingPart { part: "teacher.path", command: "this command", remedy });
            }
        };
        let (loaded, tokenizer) = (load_teacher(&folder, device), Tokenizer::from_folder(&folder));
        let (tables, loaded, tokenizer) = together(tables, loaded, tokenizer.map_err(Error::from))?;
        let config = loaded.network.config().clone();
        tokenizer.check_fits(&config)?;
        let longest = config.max_length();
        if plan.data.max_length > longest {
            let length = plan.data.max_length;
            let problem = Error::TooLong { what: "data.max_length", length, whose: "teacher", longest };
            return Err(crate::check::locate(problem, plan.places.of(&Subject::MaxLength)));
        }
        let first = First { config: &config, tokenizer: &tokenizer, tables: &tables };
        let further_teachers = further_teachers(plan, first, device)?;
        let earlier_student = earlier_student(plan, first, device)?;
        let sets = tables.tokenise(&tokenizer, &labels(&config)?, plan.data.max_length)?;
        let mut hashes = tables.hashes;
        hashes.insert("teacher".to_owned(), weights_hash(&folder)?);
        for (place, other) in further_teachers.iter().enumerate() {
            hashes.insert(format!("teacher {}", place + 2), other.hash.clone());
        }
        hashes.extend(
            earlier_student.iter().map(|student| ("earlier student".to_owned(), student.hash.clone())),
        );
        let warnings = loaded.warnings.iter();
        let mut notes: Vec<String> =
            warnings.map(|warning| format!("teacher {}: {warning}", folder.display())).collect();
        notes.extend(note_on_steps(plan));
        notes.extend(note_on_masks(&sets.training, plan.data.max_length));
        let (teacher, teacher_folder) = (loaded.network.frozen(), folder);
        Ok(Self {
            teacher,
            teacher_folder,
            further_teachers,
            earlier_student,
            tokenizer,
            sets,
            hashes,
            notes,
        })
    }

    /// All teachers as one, their matrix products computed in `arithmetic`.
    pub fn teachers(&self, arithmetic: Arithmetic) -> Ensemble<Transformer> {
        let others = self.further_teachers.iter().map(|other| &other.network);
        let computing = |network: &Transformer| network.clone().compute_in(arithmetic);
        Ensemble::new(computing(&self.teacher), others.map(computing).collect())
    }
}

/// What became of plain text; `None` where nothing is masked.
fn note_on_masks(training: &ExampleSet, max_length: usize) -> Option<String> {
    training.masking.as_ref()?;
    let Statistics { examples, tokens, fill, true_pairs } = Statistics::of(training, max_length);
    let pairs =
        true_pairs.map(|share| format!(", {:.0} % of them pairs that follow each other", 100.0 * share));
    Some(format!(
        "nothing is labelled, so words are masked: {examples} texts of {tokens} tokens for training, {:.0} % of max_length{}",
        100.0 * fill,
        pairs.unwrap_or_default()
    ))
}

fn load_teacher(
    folder: &Path,
    device: &Device,
) -> Result<autodistillation_models::Loaded<Transformer>, Error> {
    Ok(Transformer::load(folder, device)?)
}

/// All three, or every problem there is.
fn together<A, B, C>(
    a: Result<A, Error>,
    b: Result<B, Error>,
    c: Result<C, Error>,
) -> Result<(A, B, C), Error> {
    match (a, b, c) {
        (Ok(a), Ok(b), Ok(c)) => Ok((a, b, c)),
        (a, b, c) => {
            let mut problems: Vec<Error> = [a.err(), b.err(), c.err()].into_iter().flatten().collect();
            Err(if problems.len() == 1 { problems.remove(0) } else { Error::Several(problems) })
        }
    }
}

/// How labels become targets for a network of this config.
///
/// # Errors
///
/// Two classes of the same name.
pub fn labels(config: &TransformerConfig) -> Result<LabelEncoding, Error> {
    let names = || LabelNames::new(config.labels.clone());
    Ok(match Task::of(config) {
        Task::Values => LabelEncoding::Values,
        Task::Classes => LabelEncoding::Classes(names()?),
        Task::Labels => LabelEncoding::Several(names()?),
        Task::WordClasses => LabelEncoding::Words(names()?),
        Task::Answers => LabelEncoding::Answers,
        Task::MaskedWords => LabelEncoding::MaskedText { next_sentence: NextSentence::NotAsked },
        Task::Pretraining => LabelEncoding::MaskedText { next_sentence: NextSentence::Asked },
    })
}
