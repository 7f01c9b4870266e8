//! Quality metrics over a whole evaluation, with scikit-learn's conventions.

use crate::{Evaluation, Target};

/// A quality metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Share of examples whose largest logit is the target's.
    Accuracy,
    /// F1: of class 1 for two classes, the unweighted mean over classes for more.
    F1,
    /// Matthews correlation coefficient (Gorodkin's form for more than two classes).
    Matthews,
    /// Pearson correlation of the first logit with the target value.
    Pearson,
    /// Spearman rank correlation of the first logit with the target value, ties at their mean rank.
    Spearman,
    /// Mean loss on the labels.
    Loss,
}

impl Metric {
    /// Every metric.
    pub const ALL: [Self; 6] =
        [Self::Accuracy, Self::F1, Self::Matthews, Self::Pearson, Self::Spearman, Self::Loss];

    /// Its name in configs and results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::F1 => "f1",
            Self::Matthews => "matthews",
            Self::Pearson => "pearson",
            Self::Spearman => "spearman",
            Self::Loss => "loss",
        }
    }

    /// Its value; `None` when the task has no such metric (a correlation of classes, an F1 of real values) or
    /// nothing is labelled. A correlation of constants is 0.
    pub fn of(self, evaluation: &Evaluation) -> Option<f64> {
        match self {
            Self::Loss => evaluation.loss,
            Self::Accuracy => Confusion::of(evaluation).map(|confusion| confusion.accuracy()),
            Self::F1 => Confusion::of(evaluation).map(|confusion| confusion.f1()),
            Self::Matthews => Confusion::of(evaluation).map(|confusion| confusion.matthews()),
            Self::Pearson => values(evaluation).map(|(x, y)| pearson(&x, &y)),
            Self::Spearman => values(evaluation).map(|(x, y)| pearson(&ranks(&x), &ranks(&y))),
        }
    }
}

/// Counts of (target, prediction).
struct Confusion {
    counts: Vec<Vec<f64>>,
}

impl Confusion {
    fn of(evaluation: &Evaluation) -> Option<Self> {
        let classes = evaluation.logits.first()?.len();
        let mut counts = vec![vec![0.0; classes]; classes];
        for (logits, target) in evaluation.logits.iter().zip(&evaluation.targets) {
            let Target::Class(class) = target else { return None };
            *counts.get_mut(*class as usize)?.get_mut(argmax(logits))? += 1.0;
        }
        Some(Self { counts })
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

    fn accuracy(&self) -> f64 {
        self.right() / self.total()
    }

    fn f1(&self) -> f64 {
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

    fn matthews(&self) -> f64 {
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

/// The place of the largest value; the first of equals.
pub fn argmax(values: &[f32]) -> usize {
    let mut best = 0;
    for (place, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = place;
        }
    }
    best
}

fn values(evaluation: &Evaluation) -> Option<(Vec<f64>, Vec<f64>)> {
    let pairs = evaluation.logits.iter().zip(&evaluation.targets).map(|(logits, target)| match target {
        Target::Value(value) => Some((f64::from(*logits.first()?), f64::from(*value))),
        _ => None,
    });
    pairs.collect::<Option<Vec<_>>>().map(|pairs| pairs.into_iter().unzip())
}

fn pearson(x: &[f64], y: &[f64]) -> f64 {
    let count = x.len() as f64;
    let (mean_x, mean_y) = (x.iter().sum::<f64>() / count, y.iter().sum::<f64>() / count);
    let mut sums = (0.0, 0.0, 0.0);
    for (a, b) in x.iter().zip(y) {
        let (a, b) = (a - mean_x, b - mean_y);
        sums = (sums.0 + a * b, sums.1 + a * a, sums.2 + b * b);
    }
    let scale = (sums.1 * sums.2).sqrt();
    if scale > 0.0 { sums.0 / scale } else { 0.0 }
}

/// Ranks from 1, equal values at the mean of their ranks.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    while start < order.len() {
        let equal = order[start..].iter().take_while(|&&i| values[i] == values[order[start]]).count();
        for &place in &order[start..start + equal] {
            ranks[place] = start as f64 + (equal as f64 + 1.0) / 2.0;
        }
        start += equal.max(1);
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(predictions: &[usize], targets: &[u32], count: usize) -> Evaluation {
        let logits =
            predictions.iter().map(|&p| (0..count).map(|c| f32::from(u8::from(c == p))).collect()).collect();
        Evaluation { logits, targets: targets.iter().map(|&t| Target::Class(t)).collect(), loss: None }
    }

    fn close(value: Option<f64>, expected: f64) {
        assert!((value.unwrap() - expected).abs() < 1e-6, "{value:?} instead of {expected}");
    }

    #[test]
    fn agrees_with_scikit_learn() {
        let two = classes(&[0, 1, 1, 0, 1], &[0, 1, 0, 1, 1], 2);
        close(Metric::Accuracy.of(&two), 0.6);
        close(Metric::F1.of(&two), 0.666_666_7);
        close(Metric::Matthews.of(&two), 0.166_666_7);
        let three = classes(&[0, 2, 1, 2], &[0, 1, 1, 2], 3);
        close(Metric::F1.of(&three), 0.777_777_8);
        close(Metric::Matthews.of(&three), 0.7);
        close(Metric::F1.of(&classes(&[0, 1], &[0, 1], 3)), 1.0);
        let targets = [1.0, 2.0, 3.0, 4.0].map(Target::Value).to_vec();
        let values =
            Evaluation { logits: [0.1, 0.4, 0.3, 0.9].map(|x| vec![x]).to_vec(), targets, loss: None };
        close(Metric::Pearson.of(&values), 0.872_439_7);
        close(Metric::Spearman.of(&values), 0.8);
    }

    #[test]
    fn a_metric_of_another_task_is_absent() {
        assert_eq!(Metric::Pearson.of(&classes(&[0], &[0], 2)), None);
    }

    #[test]
    fn ties_share_their_mean_rank() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0]), [3.5, 1.0, 3.5, 2.0]);
    }
}
