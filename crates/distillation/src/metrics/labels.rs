//! Labels predicted for labels, any number at once: exact matches and F1 of a multi-label classification.

use crate::{Evaluation, Target};

/// Counts by label, and of examples.
pub(super) struct Labels {
    counts: Vec<Counts>,
    exact: f64,
    examples: f64,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    right: f64,
    predictions: f64,
    targets: f64,
}

impl Counts {
    /// 2 · right / (predictions + targets); 0 for a label that is neither there nor predicted, as in scikit-learn.
    fn f1(self) -> f64 {
        let sum = self.predictions + self.targets;
        if sum > 0.0 { 2.0 * self.right / sum } else { 0.0 }
    }
}

/// Whether a label is predicted: its probability, sigmoid(logit), is at least one half.
pub fn applies(logit: f32) -> bool {
    logit >= 0.0
}

impl Labels {
    pub(super) fn of(evaluation: &Evaluation) -> Option<Self> {
        let mut labels =
            Self { counts: vec![Counts::default(); evaluation.outputs], exact: 0.0, examples: 0.0 };
        for (logits, target) in evaluation.logits.iter().zip(&evaluation.targets) {
            let Target::Labels(target) = target else { return None };
            labels.add(logits, target);
        }
        (labels.examples > 0.0).then_some(labels)
    }

    fn add(&mut self, logits: &[f32], target: &[bool]) {
        let mut exact = true;
        for ((counts, logit), &target) in self.counts.iter_mut().zip(logits).zip(target) {
            let predicted = applies(*logit);
            counts.predictions += f64::from(u8::from(predicted));
            counts.targets += f64::from(u8::from(target));
            counts.right += f64::from(u8::from(predicted && target));
            exact &= predicted == target;
        }
        self.exact += f64::from(u8::from(exact));
        self.examples += 1.0;
    }

    /// Share of examples all of whose labels are right.
    pub(super) fn exact_match(&self) -> f64 {
        self.exact / self.examples
    }

    /// F1 of all decisions together.
    pub(super) fn micro_f1(&self) -> f64 {
        let sum = |of: fn(&Counts) -> f64| self.counts.iter().map(of).sum();
        let (right, predictions, targets) =
            (sum(|it| it.right), sum(|it| it.predictions), sum(|it| it.targets));
        Counts { right, predictions, targets }.f1()
    }

    /// The mean of each label's F1.
    pub(super) fn macro_f1(&self) -> f64 {
        self.counts.iter().map(|counts| counts.f1()).sum::<f64>() / self.counts.len().max(1) as f64
    }
}
