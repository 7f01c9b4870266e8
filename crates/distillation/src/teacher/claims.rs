//! Who computes what: several students ask one teacher the same questions, and each is answered once.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// An output that is being computed: the layer's position and the row.
type Question = (usize, u32);

/// The questions that somebody is answering at the moment.
#[derive(Debug, Default)]
pub(super) struct Claims {
    taken: Mutex<HashSet<Question>>,
    freed: Condvar,
}

/// Questions that one asker answers; given back when dropped, answered or not.
pub(super) struct Claim<'a> {
    claims: &'a Claims,
    questions: Vec<Question>,
}

impl Claims {
    /// Takes the questions about `rows` at all of `layers`, leaving out the rows of which somebody else answers a
    /// part; also the rows that are left out.
    pub(super) fn take(&self, layers: &[usize], rows: &[u32]) -> (Claim<'_>, BTreeSet<u32>) {
        let mut taken = self.lock();
        let (mut claim, mut left) = (Claim { claims: self, questions: Vec::new() }, BTreeSet::new());
        for &row in rows {
            if layers.iter().any(|&layer| taken.contains(&(layer, row))) {
                left.insert(row);
            } else {
                claim.questions.extend(layers.iter().map(|&layer| (layer, row)));
            }
        }
        taken.extend(&claim.questions);
        (claim, left)
    }

    /// Waits until somebody gives questions back, or for `patience`.
    pub(super) fn wait(&self, patience: Duration) {
        // Whether time or an answer ended the wait, the caller looks again.
        drop(self.freed.wait_timeout(self.lock(), patience).unwrap_or_else(PoisonError::into_inner));
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Question>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut taken = self.claims.lock();
        for question in &self.questions {
            taken.remove(question);
        }
        drop(taken);
        self.claims.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_taken_once_until_it_is_given_back() {
        let claims = Claims::default();
        let (first, left) = claims.take(&[0, 1], &[5, 6]);
        assert!(left.is_empty());
        let (_second, left) = claims.take(&[1, 2], &[6, 7]);
        assert_eq!(left, BTreeSet::from([6]));
        let (_third, left) = claims.take(&[3], &[6]);
        assert!(left.is_empty(), "another layer is another question");
        drop(first);
        assert!(claims.take(&[0], &[5]).1.is_empty());
    }
}
