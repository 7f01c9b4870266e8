//! What a stage may have to go back to.

use super::EarlyStop;
use crate::Network;
use crate::matcher::Matchers;

/// A student and the matchers that were trained with it.
pub(super) type State<S> = (S, Option<Matchers>);

/// What early stopping and the collapse watch remember.
pub(super) struct Watch<S> {
    pub(super) early_stop: Option<EarlyStop>,
    pub(super) start: State<S>,
    pub(super) best: State<S>,
    pub(super) best_loss: f64,
    worse: u32,
    pub(super) collapsed: u32,
}

impl<S: Network> Watch<S> {
    pub(super) fn new(early_stop: Option<EarlyStop>, start: State<S>) -> Self {
        Self { early_stop, best: start.clone(), start, best_loss: f64::INFINITY, worse: 0, collapsed: 0 }
    }

    /// Remembers a better student; says whether patience is at its end.
    pub(super) fn judge(
        &mut self,
        loss: f64,
        (student, matchers): (&S, Option<&mut Matchers>),
        rule: EarlyStop,
    ) -> bool {
        if loss < self.best_loss {
            self.best_loss = loss;
            self.best = (student.clone(), matchers.cloned());
            self.worse = 0;
        } else {
            self.worse += 1;
        }
        self.worse >= rule.patience
    }
}
