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
    /// The words under a text's masks, and whether its second part follows the first (pretraining).
    Masked(MaskedText),
    /// Where the answer to a question stands.
    Span(AnswerSpan),
    /// Not labelled.
    Absent,
}

/// The tokens of an answer, counted from the example's first; both are 0, the token in front of all texts, where the
/// example does not hold the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnswerSpan {
    /// Its first token.
    pub first: u32,
    /// Its last token.
    pub last: u32,
}

/// What a pretraining example hides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MaskedText {
    /// The id that each token had before it was masked; `None` for the others. Empty before anything is masked.
    pub tokens: Vec<Option<u32>>,
    /// Whether the second text follows the first; `None` for a single text.
    pub follows: Option<bool>,
}

impl MaskedText {
    /// Number of masked tokens.
    pub fn count(&self) -> usize {
        self.tokens.iter().flatten().count()
    }
}

impl Target {
    /// Number of masked tokens.
    pub fn masked(&self) -> usize {
        match self {
            Self::Masked(text) => text.count(),
            _ => 0,
        }
    }
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
    /// The words under the masks, and what follows.
    Masked(MaskedTargets),
    /// The first and the last token of each answer.
    Spans(SpanTargets),
    /// No labels: the teacher is the only source.
    Absent,
}

/// Where the answers of a batch stand.
#[derive(Clone, Debug)]
pub struct SpanTargets {
    /// The first token of an example's answer and the last one, example by example, (2 · batch).
    pub tokens: Tensor<1, Int>,
    /// 1 for a real token and 0 for padding, in the order of `tokens`, (2 · batch, length).
    pub real: Tensor<2>,
}

/// What the masks of a batch hide.
#[derive(Clone, Debug)]
pub struct MaskedTargets {
    /// The masked tokens and the ids that they had.
    pub tokens: TokenTargets,
    /// For each pair of texts 0 if the second follows the first and 1 if not, (batch); absent for single texts.
    pub next: Option<Tensor<1, Int>>,
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
    /// The targets of examples of these `lengths` in a batch that is padded to `length`; one that is absent or of another
    /// kind makes all absent.
    pub fn of(targets: &[&Target], (lengths, length): (&[u32], usize), device: &Device) -> Self {
        let gathered = match targets.first() {
            Some(Target::Class(_)) => classes(targets, device),
            Some(Target::Value(_)) => values(targets, device),
            Some(Target::Labels(_)) => labels(targets, device),
            Some(Target::Tokens(_)) => tokens(targets, length, device),
            Some(Target::Masked(_)) => masked(targets, length, device),
            Some(Target::Span(_)) => spans(targets, (lengths, length), device),
            Some(Target::Absent) | None => None,
        };
        gathered.unwrap_or(Self::Absent)
    }

    /// Where the masked tokens stand in the batch's tokens, example by example: example · length + token; `None` where
    /// no token is masked.
    pub fn masked_places(&self) -> Option<&Tensor<1, Int>> {
        match self {
            Self::Masked(masked) => Some(&masked.tokens.places).filter(|places| places.dims()[0] > 0),
            _ => None,
        }
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
    let of_example = |target: &&Target| match target {
        Target::Tokens(tokens) => Some(tokens.clone()),
        _ => None,
    };
    let examples = targets.iter().map(of_example).collect::<Option<Vec<_>>>()?;
    Some(Targets::Tokens(TokenTargets::of(&examples, length, device)))
}

fn masked(targets: &[&Target], length: usize, device: &Device) -> Option<Targets> {
    let text = |target: &&Target| match target {
        Target::Masked(text) => Some(text.clone()),
        _ => None,
    };
    let texts = targets.iter().map(text).collect::<Option<Vec<_>>>()?;
    let next: Option<Vec<i32>> =
        texts.iter().map(|text| text.follows.map(|follows| i32::from(!follows))).collect();
    let examples: Vec<_> = texts.into_iter().map(|text| text.tokens).collect();
    let tokens = TokenTargets::of(&examples, length, device);
    Some(Targets::Masked(MaskedTargets { tokens, next: next.map(|next| row(next, device)) }))
}

fn spans(targets: &[&Target], (lengths, length): (&[u32], usize), device: &Device) -> Option<Targets> {
    let tokens = |target: &&Target| match target {
        Target::Span(AnswerSpan { first, last }) => Some([*first as i32, *last as i32]),
        _ => None,
    };
    let tokens = targets.iter().map(tokens).collect::<Option<Vec<_>>>()?.concat();
    Some(Targets::Spans(SpanTargets {
        tokens: row(tokens, device),
        real: real_tokens((lengths, length), device),
    }))
}

/// 1 for a real token and 0 for padding, twice for each example, (2 · batch, length).
pub(crate) fn real_tokens((lengths, length): (&[u32], usize), device: &Device) -> Tensor<2> {
    let twice = lengths.iter().flat_map(|real| [*real as usize; 2]);
    let values: Vec<f32> =
        twice.flat_map(|real| (0..length).map(move |token| f32::from(u8::from(token < real)))).collect();
    Tensor::from_data(TensorData::new(values, [2 * lengths.len(), length]), device)
}

impl TokenTargets {
    /// Of a batch that is padded to `length`, from the class of each token of each example.
    fn of(examples: &[Vec<Option<u32>>], length: usize, device: &Device) -> Self {
        let (mut places, mut classes) = (Vec::new(), Vec::new());
        for (example, tokens) in examples.iter().enumerate() {
            for (token, class) in tokens.iter().enumerate() {
                if let Some(class) = class {
                    places.push((example * length + token) as i32);
                    classes.push(*class as i32);
                }
            }
        }
        Self { places: row(places, device), classes: row(classes, device) }
    }
}

fn row(values: Vec<i32>, device: &Device) -> Tensor<1, Int> {
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(targets: &[Target]) -> Targets {
        let lengths = [2, 4];
        Targets::of(&targets.iter().collect::<Vec<_>>(), (&lengths[..targets.len()], 4), &Device::flex())
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
    fn masked_tokens_and_what_follows_are_gathered() {
        let text = |tokens: &[Option<u32>], follows| {
            Target::Masked(MaskedText { tokens: tokens.to_vec(), follows: Some(follows) })
        };
        let targets = gathered(&[text(&[None, Some(7)], true), text(&[Some(5), None, None], false)]);
        let places = targets.masked_places().unwrap().clone();
        assert_eq!(places.into_data().try_to_vec::<i32>().unwrap(), [1, 4]);
        let Targets::Masked(MaskedTargets { tokens, next }) = targets else { panic!("nothing masked") };
        assert_eq!(tokens.classes.into_data().try_to_vec::<i32>().unwrap(), [7, 5]);
        assert_eq!(next.unwrap().into_data().try_to_vec::<i32>().unwrap(), [0, 1]);
        assert!(gathered(&[text(&[None], true)]).masked_places().is_none());
    }

    #[test]
    fn answers_are_gathered_with_the_tokens_that_may_be_theirs() {
        let span = |first, last| Target::Span(AnswerSpan { first, last });
        let Targets::Spans(SpanTargets { tokens, real }) = gathered(&[span(1, 1), span(2, 3)]) else {
            panic!("no answers")
        };
        assert_eq!(tokens.into_data().try_to_vec::<i32>().unwrap(), [1, 1, 2, 3]);
        let real: Vec<f32> = real.into_data().try_to_vec().unwrap();
        assert_eq!(real, [[1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0], [1.0; 4], [1.0; 4]].concat());
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
