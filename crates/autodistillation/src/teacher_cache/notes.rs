//! What the user should know about the cache, each thing once.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Notes that wait to be told.
#[derive(Debug, Default)]
pub struct Notes {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    said: BTreeSet<String>,
    waiting: Vec<String>,
}

impl Notes {
    /// Adds a note unless it was there before.
    pub fn add(&self, note: String) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.said.insert(note.clone()) {
            state.waiting.push(note);
        }
    }

    /// The notes that nobody has taken yet.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner).waiting)
    }
}
