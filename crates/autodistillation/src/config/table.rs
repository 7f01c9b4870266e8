//! A map of the config: keys are taken one by one, and what is left at the end is unknown.

use super::cursor::Cursor;
use super::nearest::nearest;
use super::node::Entry;
use super::problem::Problem;

/// A map whose keys are being taken. [`finish`](Self::finish) reports unknown and missing keys.
pub(super) struct Table<'n> {
    cursor: Cursor<'n>,
    entries: &'n [Entry],
    known: Vec<&'static str>,
    missing: Vec<(&'static str, &'static str)>,
}

impl<'n> Table<'n> {
    pub(super) fn new(cursor: Cursor<'n>, entries: &'n [Entry]) -> Self {
        Self { cursor, entries, known: Vec::new(), missing: Vec::new() }
    }

    /// The value of a key that may be absent; null counts as absent.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Cursor<'n>> {
        self.known.push(key);
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        Some(self.value_of(entry)).filter(|cursor| !cursor.is_absent())
    }

    /// The value of a key that has to be there; `what` says what to give.
    pub(super) fn need(&mut self, key: &'static str, what: &'static str) -> Option<Cursor<'n>> {
        let value = self.take(key);
        if value.is_none() {
            self.missing.push((key, what));
        }
        value
    }

    /// The value of a key with two spellings, of which one may be used.
    pub(super) fn take_either(&mut self, key: &'static str, other: &'static str) -> Option<Cursor<'n>> {
        let (first, second) = (self.take(key), self.take(other));
        one_of(first, second)
    }

    /// Keys that are not looked at here.
    pub(super) fn skip(&mut self, keys: &[&'static str]) {
        self.known.extend(keys);
    }

    /// Every key with its value.
    pub(super) fn entries(&self) -> Vec<(&'n str, Cursor<'n>)> {
        self.entries.iter().map(|entry| (entry.key.as_str(), self.value_of(entry))).collect()
    }

    /// Whether a key is there with a value.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key && !self.value_of(entry).is_absent())
    }

    /// Reports every key that was not taken, then every missing one, unless an unknown key looks like it.
    pub(super) fn finish(mut self) {
        for entry in self.entries.iter().filter(|entry| !self.known.contains(&entry.key.as_str())) {
            let unused = self.known.iter().copied().filter(|key| !self.has(key));
            let suggestion =
                nearest(&entry.key, unused).or_else(|| nearest(&entry.key, self.known.iter().copied()));
            self.missing.retain(|(key, _)| suggestion != Some(*key));
            let problem = Problem::UnknownKey {
                key: entry.key.clone(),
                suggestion: suggestion.map(str::to_owned),
                valid: self.known.join(", "),
            };
            self.cursor.report.add(entry.position, self.path_of(&entry.key), problem);
        }
        for (key, what) in &self.missing {
            self.cursor.problem(Problem::MissingKey { key, what });
        }
    }

    fn value_of(&self, entry: &'n Entry) -> Cursor<'n> {
        Cursor { node: &entry.node, path: self.path_of(&entry.key), report: self.cursor.report }
    }

    fn path_of(&self, key: &str) -> String {
        if self.cursor.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.cursor.path) }
    }
}

/// The one of two places that is given; both is a problem.
pub(super) fn one_of<'n>(first: Option<Cursor<'n>>, second: Option<Cursor<'n>>) -> Option<Cursor<'n>> {
    if let (Some(first), Some(second)) = (&first, &second) {
        let key = second.path.rsplit('.').next().unwrap_or_default().to_owned();
        second.problem(Problem::GivenTwice { key, other: first.path.clone() });
    }
    first.or(second)
}
