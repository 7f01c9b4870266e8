//! Counts of classes predicted for classes: accuracy, F1 and Matthews correlation of a classification.

use super::argmax;
use crate::{Evaluation, Target};

/// Counts of (target, prediction).
pub(super) struct Confusion {
    counts: Vec<Vec<f64>>,
}

impl Confusion {
    pub(super) fn of(evaluation: &Evaluation) -> Option<Self> {
        let classes = evaluation.outputs;
        let mut counts = vec![vec![0.0; classes]; classes];
        for (logits, target) in evaluation.logits.iter().zip(&evaluation.targets) {
            let Target::Class(class) = target else { return None };
            *counts.get_mut(*class as usize)?.get_mut(argmax(logits))? += 1.0;
        }
        (!evaluation.logits.is_empty()).then_some(Self { counts })
    }

    fn total(&self) -> f64 {
        self.counts.iter().flatten().sum()
    }

    fn right(&self) -> f64 {
        (0..self.counts.len()).map(|class| self.counts[class][class]).sum()
    }

    fn targets(&self, class: usize) -> f64 {
        self.counts[class].iter().sum()
    }

    fn predictions(&self, class: usize) -> f64 {
        self.counts.iter().map(|row| row[class]).sum()
    }

    pub(super) fn accuracy(&self) -> f64 {
        self.right() / self.total()
    }

    pub(super) fn f1(&self) -> f64 {
        let of_class = |class: usize| {
            let sum = self.targets(class) + self.predictions(class);
            (sum > 0.0).then(|| 2.0 * self.counts[class][class] / sum)
        };
        match self.counts.len() {
            2 => of_class(1).unwrap_or(0.0),
            classes => {
                // As in scikit-learn, a class that is neither there nor predicted has no say.
                let scores: Vec<f64> = (0..classes).filter_map(of_class).collect();
                scores.iter().sum::<f64>() / scores.len().max(1) as f64
            }
        }
    }

    pub(super) fn matthews(&self) -> f64 {
        let total = self.total();
        let classes = 0..self.counts.len();
        let cross: f64 = classes.clone().map(|class| self.targets(class) * self.predictions(class)).sum();
        let spread = |of: &dyn Fn(usize) -> f64| {
            total * total - classes.clone().map(|class| of(class).powi(2)).sum::<f64>()
        };
        let scale = (spread(&|class| self.targets(class)) * spread(&|class| self.predictions(class))).sqrt();
        if scale == 0.0 { 0.0 } else { (self.right() * total - cross) / scale }
    }
}
