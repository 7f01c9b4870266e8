//! Labels as classes or values: the class names of a task, and what a label in a file means.

use std::collections::BTreeSet;

use autodistillation_distillation::{ExampleSet, MaskedText, Target};

use super::corpus::NextSentence;
use super::{Error, Label, Record, Table};

/// The classes of a task, in the order of their ids (Hugging Face's `id2label`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelNames {
    names: Vec<String>,
}

impl LabelNames {
    /// Names by class id.
    ///
    /// # Errors
    /// A name that two classes have.
    pub fn new(names: Vec<String>) -> Result<Self, Error> {
        for (second, name) in names.iter().enumerate() {
            if let Some(first) = names[..second].iter().position(|other| other == name) {
                return Err(Error::DuplicateClass { name: name.clone(), first, second });
            }
        }
        Ok(Self { names })
    }

    /// The classes of a training set whose teacher names none: its distinct labels, whole numbers in
    /// numeric order and anything else in alphabetic order. Numbers 0 to n − 1 are ids already, and their
    /// classes are called `LABEL_0` and so on, as Hugging Face does.
    ///
    /// # Errors
    /// A fraction, one single class, or a record without a label.
    pub fn learn(table: &Table) -> Result<Self, Error> {
        let mut labels = Vec::new();
        for (record, label) in all_labels(table)? {
            if as_number(label).is_some_and(|number| number.fract() != 0.0) {
                return Err(Error::FractionalClass {
                    path: table.path.clone(),
                    line: record.line,
                    value: label.to_string(),
                });
            }
            labels.push(ClassKey::of(label));
        }
        labels.sort();
        labels.dedup();
        if let [only] = labels.as_slice() {
            return Err(Error::OneClass { path: table.path.clone(), value: only.name() });
        }
        let are_ids = (0..).zip(&labels).all(|(id, label)| *label == ClassKey::Number(id));
        let name = |(id, label): (usize, &ClassKey)| if are_ids { placeholder(id) } else { label.name() };
        Ok(Self { names: labels.iter().enumerate().map(name).collect() })
    }

    /// The names, by class id.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// What transformers calls the one output of a regression.
    pub fn of_one_value() -> Self {
        Self { names: vec![placeholder(0)] }
    }

    /// How many classes there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is no class.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Whether these are only the names that Hugging Face gives to classes without names: `LABEL_0`, ….
    pub fn are_placeholders(&self) -> bool {
        self.names.iter().enumerate().all(|(id, name)| *name == placeholder(id))
    }

    /// The id of the class that a label names, or that it is.
    ///
    /// A name is looked for first, so that classes called `1` to `5` mean what they are called.
    pub fn class(&self, label: &Label) -> Option<u32> {
        let text = label.to_string();
        let named = self.names.iter().position(|name| *name == text);
        let id = || as_number(label).filter(|id| id.fract() == 0.0 && (0.0..self.len() as f64).contains(id));
        named.map(|id| id as u32).or_else(|| id().map(|id| id as u32))
    }

    /// The id of the class that a label of a record names, or that it is.
    pub(super) fn known(&self, (table, record): (&Table, &Record), label: &Label) -> Result<u32, Error> {
        self.class(label).ok_or_else(|| Error::UnknownLabel {
            path: table.path.clone(),
            line: record.line,
            value: label.to_string(),
            classes: self.listed(),
        })
    }

    fn listed(&self) -> String {
        let listed = self.names.iter().enumerate().map(|(id, name)| format!("{id} (`{name}`)"));
        listed.collect::<Vec<_>>().join(", ")
    }
}

impl Table {
    /// Whether the labels are values to be predicted: numbers all of them, and one at least with a fraction.
    pub fn holds_values(&self) -> bool {
        let numbers = || self.records.iter().map(|record| record.label.as_ref().and_then(as_number));
        numbers().all(|number| number.is_some()) && numbers().flatten().any(|number| number.fract() != 0.0)
    }
}

fn placeholder(id: usize) -> String {
    format!("LABEL_{id}")
}

/// What the labels of a task become.
#[derive(Clone, Debug, PartialEq)]
pub enum LabelEncoding {
    /// Class ids.
    Classes(LabelNames),
    /// Whether each class applies; any number of them does.
    Several(LabelNames),
    /// The class of each word of a text.
    Words(LabelNames),
    /// Real values, for a regression.
    Values,
    /// The first and the last token of answers to questions.
    Answers,
    /// The words under masks, from texts without labels.
    MaskedText {
        /// Whether texts come in pairs.
        next_sentence: NextSentence,
    },
    /// Nothing: labels are not looked at.
    Ignored,
}

impl LabelEncoding {
    /// The names of the classes, by id; none for values and unlabelled texts.
    pub fn names(&self) -> &[String] {
        match self {
            Self::Classes(names) | Self::Several(names) | Self::Words(names) => names.names(),
            _ => &[],
        }
    }

    /// The target of one record.
    pub(super) fn target(&self, table: &Table, record: &Record) -> Result<Target, Error> {
        let (path, line) = (table.path.clone(), record.line);
        match self {
            // Words and answers need their tokens.
            LabelEncoding::Ignored | LabelEncoding::Words(_) | LabelEncoding::Answers => Ok(Target::Absent),
            LabelEncoding::MaskedText { .. } => Ok(Target::Masked(MaskedText::default())),
            LabelEncoding::Classes(names) => match present((table, record), CLASSIFICATION)? {
                Label::Several(labels) => Err(Error::SeveralLabels { path, line, count: labels.len() }),
                label => names.known((table, record), label).map(Target::Class),
            },
            LabelEncoding::Several(names) => {
                let mut applies = vec![false; names.len()];
                for label in singles(present((table, record), "multi-label classification")?) {
                    applies[names.known((table, record), label)? as usize] = true;
                }
                Ok(Target::Labels(applies))
            }
            LabelEncoding::Values => {
                let label = present((table, record), "a regression")?;
                let value = as_number(label).map(|value| value as f32).filter(|value| value.is_finite());
                value.map(Target::Value).ok_or_else(|| Error::NotANumber {
                    path,
                    line,
                    value: label.to_string(),
                })
            }
        }
    }
}

/// The classes that a training set has examples of.
pub struct SeenClasses<'a> {
    training: &'a Table,
    targets: BTreeSet<u32>,
}

impl<'a> SeenClasses<'a> {
    /// Of the training table and its tokenised examples.
    pub fn of(training: &'a Table, examples: &ExampleSet) -> Self {
        Self { training, targets: examples.examples.iter().flat_map(|it| classes(&it.target)).collect() }
    }

    /// Looks for a class that only `table` has.
    ///
    /// # Errors
    /// The first record of such a class.
    pub fn check(&self, table: &Table, examples: &ExampleSet) -> Result<(), Error> {
        let unseen = |target: &Target| classes(target).iter().any(|class| !self.targets.contains(class));
        let found = table.records.iter().zip(&examples.examples).find(|(_, example)| unseen(&example.target));
        found.map_or(Ok(()), |(record, _)| {
            Err(Error::UnseenLabel {
                path: table.path.clone(),
                line: record.line,
                value: record.label.as_ref().map_or_else(String::new, Label::to_string),
                training: self.training.path.clone(),
            })
        })
    }
}

/// The classes that occur in a target.
fn classes(target: &Target) -> Vec<u32> {
    match target {
        Target::Class(class) => vec![*class],
        Target::Labels(labels) => {
            (0..).zip(labels).filter(|(_, applies)| **applies).map(|(id, _)| id).collect()
        }
        Target::Tokens(tokens) => tokens.iter().flatten().copied().collect(),
        Target::Value(_) | Target::Masked(_) | Target::Span(_) | Target::Absent => Vec::new(),
    }
}

/// Every label of a table with its record.
fn all_labels(table: &Table) -> Result<Vec<(&Record, &Label)>, Error> {
    let mut labels = Vec::with_capacity(table.records.len());
    for record in &table.records {
        labels.extend(singles(present((table, record), CLASSIFICATION)?).iter().map(|label| (record, label)));
    }
    Ok(labels)
}

/// The labels that a label is made of.
pub(super) fn singles(label: &Label) -> &[Label] {
    match label {
        Label::Several(labels) => labels,
        single => std::slice::from_ref(single),
    }
}

/// The label of a record. Readers that were asked for labels refuse rows without one, so that none means that nobody
/// asked, while `task` needs them.
pub(super) fn present<'a>(
    (table, record): (&Table, &'a Record),
    task: &'static str,
) -> Result<&'a Label, Error> {
    record.label.as_ref().ok_or_else(|| Error::NoLabel { path: table.path.clone(), task })
}

const CLASSIFICATION: &str = "classification";

/// The number that a label is or spells; words such as `inf` spell none.
fn as_number(label: &Label) -> Option<f64> {
    match label {
        Label::Number(value) => Some(*value),
        Label::Text(text) if text.contains(|character: char| character.is_ascii_digit()) => text.parse().ok(),
        Label::Text(_) | Label::Several(_) | Label::Answers(_) => None,
    }
    .filter(|value| value.is_finite())
}

/// A label as a sort key: whole numbers first and in numeric order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum ClassKey {
    Number(i64),
    Name(String),
}

impl ClassKey {
    fn of(label: &Label) -> Self {
        match as_number(label) {
            Some(number) => ClassKey::Number(number as i64),
            None => ClassKey::Name(label.to_string()),
        }
    }

    fn name(&self) -> String {
        match self {
            ClassKey::Number(number) => number.to_string(),
            ClassKey::Name(name) => name.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(label: &str) -> Label {
        Label::Text(label.to_owned())
    }

    fn table(labels: &[Label]) -> Table {
        let record = |(line, label): (u64, &Label)| Record {
            text: "a".to_owned(),
            pair: None,
            label: Some(label.clone()),
            line,
        };
        Table { path: "train.tsv".into(), records: (2..).zip(labels).map(record).collect() }
    }

    fn learn(labels: &[&str]) -> Result<LabelNames, Error> {
        LabelNames::learn(&table(&labels.iter().map(|label| text(label)).collect::<Vec<_>>()))
    }

    fn names(names: &[&str]) -> LabelNames {
        LabelNames::new(names.iter().map(|name| (*name).to_owned()).collect()).unwrap()
    }

    fn targets(encoding: &LabelEncoding, labels: &[Label]) -> Result<Vec<Target>, String> {
        let table = table(labels);
        let targets = table.records.iter().map(|record| encoding.target(&table, record));
        targets.collect::<Result<_, _>>().map_err(|error| error.to_string())
    }

    #[test]
    fn a_label_is_a_name_or_an_id() {
        let encoding = LabelEncoding::Classes(names(&["negative", "positive"]));
        let labels = [text("positive"), text("1"), text("1.0"), Label::Number(1.0)];
        assert_eq!(targets(&encoding, &labels).unwrap(), vec![Target::Class(1); 4]);
        assert_eq!(
            targets(&encoding, &[text("negative"), Label::Number(0.0)]).unwrap(),
            vec![Target::Class(0); 2]
        );
    }

    #[test]
    fn any_other_label_is_refused_with_its_line_and_the_valid_ones() {
        let encoding = LabelEncoding::Classes(names(&["negative", "positive"]));
        let error = targets(&encoding, &[text("1"), text("Positive")]).unwrap_err();
        let expected = "train.tsv:3: label `Positive` is neither an id nor a name of a class; the classes are 0 (`negative`), 1 (`positive`)";
        assert_eq!(error, expected);
        for label in
            [text("2"), text("-1"), text("0.5"), text("inf"), Label::Number(f64::NAN), Label::Number(2.0)]
        {
            assert!(targets(&encoding, std::slice::from_ref(&label)).is_err(), "{label}");
        }
    }

    #[test]
    fn names_that_look_like_numbers_win_over_ids() {
        let stars = names(&["1", "2", "3"]);
        assert_eq!(stars.class(&text("1")), Some(0));
        assert_eq!(stars.class(&Label::Number(3.0)), Some(2));
        assert_eq!(stars.class(&text("0")), Some(0), "an id that is no name is still an id");
    }

    #[test]
    fn learnt_names_are_sorted_and_ids_stay_ids() {
        assert_eq!(learn(&["b", "a", "b", "c"]).unwrap().names(), ["a", "b", "c"]);
        assert_eq!(learn(&["10", "9", "2"]).unwrap().names(), ["2", "9", "10"]);
        let ids = learn(&["1", "0", "1"]).unwrap();
        assert_eq!(ids.names(), ["LABEL_0", "LABEL_1"]);
        assert!(ids.are_placeholders());
        assert_eq!(ids.class(&text("1")), Some(1));
        assert!(!learn(&["no", "yes"]).unwrap().are_placeholders());
    }

    #[test]
    fn a_label_unseen_in_training_is_refused_later() {
        let encoding = LabelEncoding::Classes(learn(&["sport", "world"]).unwrap());
        assert!(targets(&encoding, &[text("business")]).unwrap_err().contains("0 (`sport`), 1 (`world`)"));
    }

    #[test]
    fn values_are_numbers_of_which_one_has_a_fraction() {
        let values = |labels: &[&str]| {
            let labels: Vec<Label> = labels.iter().map(|label| text(label)).collect();
            table(&labels).holds_values()
        };
        assert!(values(&["4.5", "3", "1.25"]));
        assert!(!values(&["4", "3"]), "whole numbers are classes");
        assert!(!values(&["4.5", "good"]));
        assert!(!values(&[]));
    }

    #[test]
    fn classes_are_not_learnt_from_fractions_or_from_one_label() {
        assert!(
            learn(&["1", "3.7"])
                .unwrap_err()
                .to_string()
                .starts_with("train.tsv:3: label `3.7` is a fraction")
        );
        assert!(learn(&["1", "1"]).unwrap_err().to_string().contains("every label is `1`"));
    }

    #[test]
    fn a_regression_takes_finite_numbers() {
        let labels = [text("4.7"), Label::Number(-1.0), text("1e2")];
        let expected = [Target::Value(4.7), Target::Value(-1.0), Target::Value(100.0)];
        assert_eq!(targets(&LabelEncoding::Values, &labels).unwrap(), expected);
        for label in [text("good"), text("nan"), text("inf"), Label::Number(f64::INFINITY), text("1e300")] {
            let error = targets(&LabelEncoding::Values, std::slice::from_ref(&label)).unwrap_err();
            assert!(error.starts_with("train.tsv:2:") && error.contains("not a finite number"), "{error}");
        }
        assert_eq!(targets(&LabelEncoding::Ignored, &labels).unwrap(), vec![Target::Absent; 3]);
    }

    #[test]
    fn several_labels_are_learnt_and_looked_up_one_by_one() {
        let several = |labels: &[&str]| Label::Several(labels.iter().map(|label| text(label)).collect());
        let labels = [several(&["love", "joy"]), several(&[]), several(&["anger"])];
        let learnt = LabelNames::learn(&table(&labels)).unwrap();
        assert_eq!(learnt.names(), ["anger", "joy", "love"]);
        let encoding = LabelEncoding::Several(learnt.clone());
        let applies = |labels: [bool; 3]| Target::Labels(labels.to_vec());
        let expected = [applies([false, true, true]), applies([false; 3]), applies([true, false, false])];
        assert_eq!(targets(&encoding, &labels).unwrap(), expected);
        assert_eq!(targets(&encoding, &[text("joy")]).unwrap(), [applies([false, true, false])]);
        let error = targets(&encoding, &[several(&["joy", "envy"])]).unwrap_err();
        assert!(error.starts_with("train.tsv:2: label `envy` is neither an id nor a name"), "{error}");
        let error = targets(&LabelEncoding::Classes(learnt), &labels).unwrap_err();
        assert!(error.starts_with("train.tsv:2: 2 labels where the task wants one"), "{error}");
    }

    #[test]
    fn without_labels_the_task_and_the_way_out_are_named() {
        let mut table = table(&[text("a")]);
        table.records[0].label = None;
        let names = names(&["a", "b"]);
        let expected = |task: &str| {
            format!(
                "train.tsv: `data.label` is missing, and {task} needs it: name the column of the labels, or "
            )
        };
        let cases = [
            (LabelEncoding::Classes(names.clone()), "classification"),
            (LabelEncoding::Several(names), "multi-label classification"),
            (LabelEncoding::Values, "a regression"),
        ];
        for (encoding, task) in cases {
            let error = encoding.target(&table, &table.records[0]).unwrap_err().to_string();
            assert!(error.starts_with(&expected(task)), "{error}");
        }
        let error = LabelNames::learn(&table).unwrap_err().to_string();
        assert!(error.starts_with(&expected("classification")), "{error}");
        let masked = LabelEncoding::MaskedText { next_sentence: NextSentence::Asked };
        let target = masked.target(&table, &table.records[0]).unwrap();
        assert_eq!(target, Target::Masked(MaskedText::default()));
    }

    #[test]
    fn two_classes_of_one_name_are_refused() {
        let error = LabelNames::new(vec!["a".to_owned(), "b".to_owned(), "a".to_owned()]).unwrap_err();
        assert!(error.to_string().starts_with("class name `a` is there twice (ids 0 and 2)"));
    }
}
