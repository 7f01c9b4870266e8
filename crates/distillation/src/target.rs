//! What a task wants: of one example, and of a padded batch.

use burn::tensor::{Device, Int, Tensor, TensorData};

/// The target of one example.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// A class index.
    Class(u32),
    /// A real value (regression).
    Value(f32),
    /// Whether each label applies, by label index (multi-label classification).
    Labels(Vec<bool>),
    /// The class of each token; `None` where a token does not count: special tokens, and the later pieces of a word.
    Tokens(Vec<Option<u32>>),
    /// Not labelled.
    Absent,
}

/// The targets of a batch.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "one for each batch: a handle or two, never a list of them")]
pub enum Targets {
    /// One class index per example, (batch).
    Classes(Tensor<1, Int>),
    /// One real value per example and output, (batch, outputs): regression.
    Values(Tensor<2>),
    /// 1 for each label that applies and 0 for the others, (batch, labels): multi-label classification.
    Labels(Tensor<2>),
    /// The class of each token that counts.
    Tokens(TokenTargets),
    /// No labels: the teacher is the only source.
    Absent,
}

/// The classes of the tokens that count in a batch; possibly none.
#[derive(Clone, Debug)]
pub struct TokenTargets {
    /// Where they stand in the batch's tokens, example by example: example · length + token; (tokens).
    pub places: Tensor<1, Int>,
    /// Their class indices, (tokens).
    pub classes: Tensor<1, Int>,
}

impl Targets {
    /// The targets of a batch that is padded to `length`; one that is absent or of another kind makes all absent.
    pub fn of(targets: &[&Target], length: usize, device: &Device) -> Self {
        let gathered = match targets.first() {
            Some(Target::Class(_)) => classes(targets, device),
            Some(Target::Value(_)) => values(targets, device),
            Some(Target::Labels(_)) => labels(targets, device),
            Some(Target::Tokens(_)) => tokens(targets, length, device),
            Some(Target::Absent) | None => None,
        };
        gathered.unwrap_or(Self::Absent)
    }
}

fn classes(targets: &[&Target], device: &Device) -> Option<Targets> {
    let class = |target: &&Target| match target {
        Target::Class(class) => Some(*class as i32),
        _ => None,
    };
    let classes = targets.iter().map(class).collect::<Option<Vec<_>>>()?;
    Some(Targets::Classes(row(classes, device)))
}

fn values(targets: &[&Target], device: &Device) -> Option<Targets> {
    let value = |target: &&Target| match target {
        Target::Value(value) => Some(*value),
        _ => None,
    };
    let values = targets.iter().map(value).collect::<Option<Vec<_>>>()?;
    Some(Targets::Values(Tensor::from_data(TensorData::new(values, [targets.len(), 1]), device)))
}

fn labels(targets: &[&Target], device: &Device) -> Option<Targets> {
    let applies = |target: &&Target| match target {
        Target::Labels(labels) => Some(labels.iter().map(|&label| f32::from(u8::from(label))).collect()),
        _ => None,
    };
    let rows = targets.iter().map(applies).collect::<Option<Vec<Vec<f32>>>>()?;
    let width = rows.first().map_or(0, Vec::len);
    let equal = rows.iter().all(|row| row.len() == width);
    let shape = [rows.len(), width];
    equal.then(|| Targets::Labels(Tensor::from_data(TensorData::new(rows.concat(), shape), device)))
}

fn tokens(targets: &[&Target], length: usize, device: &Device) -> Option<Targets> {
    let (mut places, mut classes) = (Vec::new(), Vec::new());
    for (example, target) in targets.iter().enumerate() {
        let Target::Tokens(tokens) = target else { return None };
        for (token, class) in tokens.iter().enumerate() {
            if let Some(class) = class {
                places.push((example * length + token) as i32);
                classes.push(*class as i32);
            }
        }
    }
    Some(Targets::Tokens(TokenTargets { places: row(places, device), classes: row(classes, device) }))
}

fn row(values: Vec<i32>, device: &Device) -> Tensor<1, Int> {
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(targets: &[Target]) -> Targets {
        Targets::of(&targets.iter().collect::<Vec<_>>(), 4, &Device::flex())
    }

    #[test]
    fn tokens_that_count_are_found_in_the_padded_batch() {
        let targets =
            [Target::Tokens(vec![None, Some(3), None]), Target::Tokens(vec![None, Some(1), Some(2), None])];
        let Targets::Tokens(TokenTargets { places, classes }) = gathered(&targets) else {
            panic!("no tokens")
        };
        assert_eq!(places.into_data().try_to_vec::<i32>().unwrap(), [1, 5, 6]);
        assert_eq!(classes.into_data().try_to_vec::<i32>().unwrap(), [3, 1, 2]);
    }

    #[test]
    fn labels_are_ones_and_zeros() {
        let targets = [Target::Labels(vec![true, false]), Target::Labels(vec![false, false])];
        let Targets::Labels(labels) = gathered(&targets) else { panic!("no labels") };
        assert_eq!(labels.into_data().try_to_vec::<f32>().unwrap(), [1.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn one_unlabelled_or_odd_example_makes_the_batch_unlabelled() {
        for odd in [Target::Absent, Target::Class(1), Target::Labels(vec![true])] {
            let targets = [Target::Labels(vec![true, false]), odd];
            assert!(matches!(gathered(&targets), Targets::Absent));
        }
        assert!(matches!(gathered(&[]), Targets::Absent));
    }
}
