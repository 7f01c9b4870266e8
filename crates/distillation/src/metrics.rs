//! Quality metrics over a whole evaluation, with scikit-learn's and seqeval's conventions.

mod answers;
mod confusion;
mod labels;
mod tokens;

use crate::{Evaluation, Target};
use confusion::Confusion;
use labels::Labels;

pub use labels::applies;

/// A quality metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Share of examples whose largest logit is the target's; of examples all of whose labels are right, where any
    /// number of labels applies (a label is predicted from a probability of one half on); of tokens, where tokens have
    /// classes; of masked tokens, where texts are masked.
    Accuracy,
    /// F1: of class 1 for two classes, the unweighted mean over classes for more and over labels where any number
    /// applies; of entities where tokens have classes; of the words of answers, mean over questions.
    F1,
    /// Share of questions whose answer is a right one.
    ExactMatch,
    /// F1 of all decisions on labels together, where any number of labels applies.
    MicroF1,
    /// Matthews correlation coefficient (Gorodkin's form for more than two classes).
    Matthews,
    /// Pearson correlation of the first logit with the target value.
    Pearson,
    /// Spearman rank correlation of the first logit with the target value, ties at their mean rank.
    Spearman,
    /// Share of pairs of which the network says rightly whether the second text follows the first.
    NextSentence,
    /// e to the mean cross entropy of masked tokens.
    Perplexity,
    /// Mean loss on the labels.
    Loss,
}

impl Metric {
    /// Every metric.
    pub const ALL: [Self; 10] = [
        Self::Accuracy,
        Self::F1,
        Self::ExactMatch,
        Self::MicroF1,
        Self::Matthews,
        Self::Pearson,
        Self::Spearman,
        Self::NextSentence,
        Self::Perplexity,
        Self::Loss,
    ];

    /// Its name in configs and results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::F1 => "f1",
            Self::ExactMatch => "exact_match",
            Self::MicroF1 => "micro_f1",
            Self::Matthews => "matthews",
            Self::Pearson => "pearson",
            Self::Spearman => "spearman",
            Self::NextSentence => "next_sentence",
            Self::Perplexity => "perplexity",
            Self::Loss => "loss",
        }
    }

    /// Its value; `None` when the task has no such metric (a correlation of classes, an F1 of real values) or
    /// nothing is labelled. A correlation of constants is 0.
    pub fn of(self, evaluation: &Evaluation) -> Option<f64> {
        let confusion = || Confusion::of(evaluation);
        let labels = || Labels::of(evaluation);
        match self {
            Self::Loss => evaluation.loss,
            Self::Accuracy => confusion()
                .map(|it| it.accuracy())
                .or_else(|| labels().map(|it| it.exact_match()))
                .or_else(|| tokens::accuracy(evaluation))
                .or_else(|| evaluation.masked?.words.accuracy()),
            Self::F1 => confusion()
                .map(|it| it.f1())
                .or_else(|| labels().map(|it| it.macro_f1()))
                .or_else(|| tokens::entity_f1(evaluation))
                .or_else(|| answers::word_f1(evaluation)),
            Self::ExactMatch => answers::exact_match(evaluation),
            Self::NextSentence => evaluation.masked?.next_sentence.accuracy(),
            Self::Perplexity => evaluation.masked?.words.mean_loss().map(f64::exp),
            Self::MicroF1 => labels().map(|it| it.micro_f1()),
            Self::Matthews => confusion().map(|it| it.matthews()),
            Self::Pearson => values(evaluation).map(|(x, y)| pearson(&x, &y)),
            Self::Spearman => values(evaluation).map(|(x, y)| pearson(&ranks(&x), &ranks(&y))),
        }
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
    let pairs = pairs.collect::<Option<Vec<_>>>().filter(|pairs| !pairs.is_empty());
    pairs.map(|pairs| pairs.into_iter().unzip())
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

    fn evaluation(logits: Vec<Vec<f32>>, targets: Vec<Target>, outputs: usize) -> Evaluation {
        Evaluation { logits, targets, loss: None, outputs, names: Vec::new(), masked: None, questions: None }
    }

    fn classes(predictions: &[usize], targets: &[u32], count: usize) -> Evaluation {
        let logits =
            predictions.iter().map(|&p| (0..count).map(|c| f32::from(u8::from(c == p))).collect()).collect();
        let targets = targets.iter().map(|&t| Target::Class(t)).collect();
        evaluation(logits, targets, count)
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
        let values = evaluation([0.1, 0.4, 0.3, 0.9].map(|x| vec![x]).to_vec(), targets, 1);
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
