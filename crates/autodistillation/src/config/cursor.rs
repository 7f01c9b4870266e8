//! A place in the parsed config from which typed values are read, and the report of what is wrong with them.

use std::cell::RefCell;

use super::nearest::nearest;
use super::node::{Node, Value};
use super::places::Subject;
use super::problem::{LocatedProblem, Position, Problem};
use super::table::Table;

/// Problems, and the places of what can only be checked later, collected while a config is read.
///
/// Reading goes on after a problem, so the report is shared by all cursors; hence the cell.
#[derive(Default)]
pub(super) struct Report {
    problems: RefCell<Vec<LocatedProblem>>,
    places: RefCell<Vec<(Subject, Position, String)>>,
}

impl Report {
    pub(super) fn new(problems: Vec<LocatedProblem>) -> Self {
        Self { problems: RefCell::new(problems), places: RefCell::default() }
    }

    pub(super) fn add(&self, position: Position, key_path: String, problem: Problem) {
        self.problems.borrow_mut().push(LocatedProblem { position: Some(position), key_path, problem });
    }

    /// Whether an unknown key below a path looks like this one.
    pub(super) fn suggests(&self, path: &str, name: &str) -> bool {
        self.problems.borrow().iter().any(|found| match &found.problem {
            Problem::UnknownKey { suggestion, .. } => {
                found.key_path.starts_with(path) && suggestion.as_deref() == Some(name)
            }
            _ => false,
        })
    }

    pub(super) fn into_problems(self) -> Vec<LocatedProblem> {
        self.problems.into_inner()
    }

    /// The places that cursors remembered so far.
    pub(super) fn places(&self) -> Vec<(Subject, Position, String)> {
        self.places.borrow().clone()
    }
}

/// A value with its key path. Every reader reports what is wrong and then gives `None`.
#[derive(Clone)]
pub(super) struct Cursor<'n> {
    pub(super) node: &'n Node,
    pub(super) path: String,
    pub(super) report: &'n Report,
}

impl<'n> Cursor<'n> {
    pub(super) fn root(node: &'n Node, report: &'n Report) -> Self {
        Self { node, path: String::new(), report }
    }

    /// Reports a problem at this place.
    pub(super) fn problem(&self, problem: Problem) {
        self.report.add(self.node.position, self.path.clone(), problem);
    }

    /// Remembers that `subject` stands at this place.
    pub(super) fn remember(&self, subject: Subject) {
        self.report.places.borrow_mut().push((subject, self.node.position, self.path.clone()));
    }

    fn wrong_type<T>(&self, expected: &str) -> Option<T> {
        self.problem(Problem::WrongType { expected: expected.to_owned(), found: self.node.to_string() });
        None
    }

    fn out_of_range<T>(&self, expected: String) -> Option<T> {
        self.problem(Problem::OutOfRange { expected, found: self.node.to_string() });
        None
    }

    pub(super) fn table(&self) -> Option<Table<'n>> {
        match &self.node.value {
            Value::Map(entries) => Some(Table::new(self.clone(), entries)),
            _ => self.wrong_type("a map of keys and values"),
        }
    }

    pub(super) fn list(&self, expected: &str) -> Option<Vec<Cursor<'n>>> {
        match self.node.items() {
            Some(_) => Some(self.list_or_self()),
            None => self.wrong_type(expected),
        }
    }

    /// The items of a list; a single value counts as a list of itself.
    pub(super) fn list_or_self(&self) -> Vec<Cursor<'n>> {
        let Some(items) = self.node.items() else { return vec![self.clone()] };
        let item =
            |(index, node)| Cursor { node, path: format!("{}[{index}]", self.path), report: self.report };
        items.iter().enumerate().map(item).collect()
    }

    pub(super) fn text(&self) -> Option<&'n str> {
        match &self.node.value {
            Value::Text(text) if !text.is_empty() => Some(text),
            _ => self.wrong_type("text"),
        }
    }

    pub(super) fn flag(&self) -> Option<bool> {
        match &self.node.value {
            Value::Boolean(flag) => Some(*flag),
            _ => self.wrong_type("true or false"),
        }
    }

    /// A finite number.
    pub(super) fn number(&self) -> Option<f64> {
        let number = match &self.node.value {
            Value::Integer(number) => Some(*number as f64),
            Value::Real(number) => Some(*number),
            // The design document's own example ends such a line with a comma.
            Value::Text(text) => text.strip_suffix(',').and_then(|text| text.parse().ok()),
            _ => None,
        };
        match number.filter(|number| number.is_finite()) {
            Some(number) => Some(number),
            None => self.wrong_type("a number"),
        }
    }

    /// A number that keeps a condition, described for the message (`above 0`).
    pub(super) fn number_that(&self, expected: &str, holds: impl Fn(f64) -> bool) -> Option<f64> {
        let number = self.number()?;
        if holds(number) { Some(number) } else { self.out_of_range(expected.to_owned()) }
    }

    /// A number above 0.
    pub(super) fn positive(&self) -> Option<f64> {
        self.number_that("above 0", |number| number > 0.0)
    }

    /// A number from 0.
    pub(super) fn not_negative(&self) -> Option<f64> {
        self.number_that("0 or more", |number| number >= 0.0)
    }

    /// A whole number from `least`, as far as `T` goes.
    pub(super) fn whole<T: TryFrom<i64>>(&self, least: i64) -> Option<T> {
        let number = match self.node.value {
            Value::Integer(number) => number,
            // `5.0e+2` is a whole number too; 2^53 bounds what a float says exactly.
            Value::Real(number) if number.fract() == 0.0 && number.abs() < 9e15 => number as i64,
            _ => return self.wrong_type("a whole number"),
        };
        match T::try_from(number) {
            Ok(whole) if number >= least => Some(whole),
            _ if number < least => self.out_of_range(format!("{least} or more")),
            _ => self.out_of_range("smaller".to_owned()),
        }
    }

    /// One of the named values, in any case; `kind` has its article (`a loss`).
    pub(super) fn word<T: Copy>(&self, kind: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let name = self.text()?;
        let found = choices.iter().find(|(choice, _)| choice.eq_ignore_ascii_case(name));
        if found.is_none() {
            self.unknown_name(kind, name, &choices.iter().map(|(choice, _)| *choice).collect::<Vec<_>>());
        }
        found.map(|(_, value)| *value)
    }

    /// A named value with its own keys, `{Name: {…}}`, or the bare name.
    pub(super) fn variant<T: Copy>(
        &self,
        kind: &'static str,
        choices: &[(&str, T)],
    ) -> Option<(T, Option<Cursor<'n>>)> {
        let Value::Map(entries) = &self.node.value else {
            return self.word(kind, choices).map(|value| (value, None));
        };
        let [entry] = entries.as_slice() else {
            let expected = format!("exactly one entry, {kind} with its own keys");
            let found = format!("{} entries", entries.len());
            self.problem(Problem::WrongType { expected, found });
            return None;
        };
        let named =
            Cursor { node: &entry.node, path: format!("{}.{}", self.path, entry.key), report: self.report };
        match choices.iter().find(|(choice, _)| choice.eq_ignore_ascii_case(&entry.key)) {
            Some((_, value)) => Some((*value, Some(named).filter(|cursor| !cursor.is_absent()))),
            None => {
                let valid: Vec<_> = choices.iter().map(|(choice, _)| *choice).collect();
                self.unknown_name(kind, &entry.key, &valid);
                None
            }
        }
    }

    /// Reports a name that is not among the valid ones.
    pub(super) fn unknown_name(&self, kind: &'static str, name: &str, valid: &[&str]) {
        self.problem(Problem::UnknownName {
            kind,
            name: name.to_owned(),
            suggestion: nearest(name, valid.iter().copied()).map(str::to_owned),
            valid: valid.join(", "),
        });
    }

    /// Whether the place holds nothing: null, or the dots that stand for "left out" in examples.
    pub(super) fn is_absent(&self) -> bool {
        match &self.node.value {
            Value::Null => true,
            Value::Text(text) => text == "...",
            _ => false,
        }
    }
}
