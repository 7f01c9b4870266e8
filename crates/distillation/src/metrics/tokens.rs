//! Classes of tokens: their accuracy, and F1 by entity as seqeval computes it in its strict mode.
//!
//! Tags are `O`, `B-TYPE` and `I-TYPE` (IOB2), or these with `E-TYPE` and `S-TYPE` (BIOES; `L-` and `U-` are the same
//! tags in BILOU). An entity of IOB2 begins with `B-` and goes on with `I-` of its type; an `I-` without its beginning
//! is in no entity. An entity of BIOES is one `S-`, or `B-`, any number of `I-` and `E-`, all of its type; anything less
//! is no entity. A prediction is right when its first token, its last token and its type are.

use std::collections::BTreeSet;

use super::argmax;
use crate::{Evaluation, Target};

/// Share of the tokens that count whose largest logit is the target's; `None` unless some token counts.
pub(super) fn accuracy(evaluation: &Evaluation) -> Option<f64> {
    let sentences = sentences(evaluation)?;
    let pairs = || sentences.iter().flatten();
    let right = pairs().filter(|(target, prediction)| target == prediction).count();
    (pairs().count() > 0).then(|| right as f64 / pairs().count() as f64)
}

/// 2 · right / (predicted + true entities); `None` unless some name of a class is an entity's tag.
pub(super) fn entity_f1(evaluation: &Evaluation) -> Option<f64> {
    let tags: Vec<Tag<'_>> = evaluation.names.iter().map(|name| Tag::parse(name)).collect();
    if !tags.iter().any(|tag| tag.place != Place::Outside) {
        return None;
    }
    let scheme = Scheme::of(&tags);
    let (mut right, mut all) = (0, 0);
    for sentence in sentences(evaluation)? {
        let entities = |class: fn(&(usize, usize)) -> usize| {
            let tags: Option<Vec<Tag<'_>>> =
                sentence.iter().map(|pair| tags.get(class(pair)).copied()).collect();
            tags.map(|tags| scheme.entities(&tags))
        };
        let (targets, predictions) = (entities(|pair| pair.0)?, entities(|pair| pair.1)?);
        right += targets.intersection(&predictions).count();
        all += targets.len() + predictions.len();
    }
    Some(if all > 0 { 2.0 * right as f64 / all as f64 } else { 0.0 })
}

/// Class and prediction of each token that counts, sentence by sentence.
fn sentences(evaluation: &Evaluation) -> Option<Vec<Vec<(usize, usize)>>> {
    let mut sentences = Vec::with_capacity(evaluation.targets.len());
    for (logits, target) in evaluation.logits.iter().zip(&evaluation.targets) {
        let Target::Tokens(classes) = target else { return None };
        let rows = logits.chunks(evaluation.outputs.max(1));
        let counted =
            classes.iter().zip(rows).filter_map(|(class, row)| Some(((*class)? as usize, argmax(row))));
        sentences.push(counted.collect());
    }
    Some(sentences)
}

/// A class name as a tag of entities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tag<'a> {
    place: Place,
    entity: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Begin,
    Inside,
    End,
    Single,
    Outside,
}

impl<'a> Tag<'a> {
    fn parse(name: &'a str) -> Self {
        let place = |letter| match letter {
            "B" => Place::Begin,
            "I" => Place::Inside,
            "E" | "L" => Place::End,
            "S" | "U" => Place::Single,
            _ => Place::Outside,
        };
        match name.split_once('-').map(|(letter, entity)| (place(letter), entity)) {
            Some((Place::Outside, _)) | None => Self { place: Place::Outside, entity: "" },
            Some((place, entity)) => Self { place, entity },
        }
    }

    fn follows(self, before: Self) -> bool {
        self.entity == before.entity
            && matches!(before.place, Place::Begin | Place::Inside)
            && matches!(self.place, Place::Inside | Place::End)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    /// An entity ends wherever it does not go on.
    Iob2,
    /// An entity ends where it says so.
    Bioes,
}

impl Scheme {
    fn of(tags: &[Tag<'_>]) -> Self {
        let ends = tags.iter().any(|tag| matches!(tag.place, Place::End | Place::Single));
        if ends { Self::Bioes } else { Self::Iob2 }
    }

    /// First token, token behind the last, and type of each entity.
    fn entities<'a>(self, tags: &[Tag<'a>]) -> BTreeSet<(usize, usize, &'a str)> {
        let mut entities = BTreeSet::new();
        let mut start = 0;
        while start < tags.len() {
            let mut end = start + 1;
            if matches!(tags[start].place, Place::Begin | Place::Single) {
                while end < tags.len() && tags[end].follows(tags[end - 1]) {
                    end += 1;
                }
                let closed = matches!(tags[end - 1].place, Place::End | Place::Single);
                if closed || self == Self::Iob2 {
                    entities.insert((start, end, tags[start].entity));
                }
            }
            start = end;
        }
        entities
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entities(tags: &str) -> Vec<(usize, usize, &str)> {
        let tags: Vec<Tag<'_>> = tags.split(' ').map(Tag::parse).collect();
        Scheme::of(&tags).entities(&tags).into_iter().collect()
    }

    #[test]
    fn in_iob2_an_entity_begins_with_b_alone() {
        assert_eq!(entities("B-PER I-PER O I-LOC B-LOC"), [(0, 2, "PER"), (4, 5, "LOC")]);
        assert_eq!(entities("B-PER B-PER I-LOC"), [(0, 1, "PER"), (1, 2, "PER")]);
    }

    #[test]
    fn in_bioes_an_entity_must_be_closed() {
        assert_eq!(entities("S-PER B-LOC I-LOC E-LOC B-PER I-PER O"), [(0, 1, "PER"), (1, 4, "LOC")]);
        assert_eq!(entities("U-PER B-LOC L-LOC"), [(0, 1, "PER"), (1, 3, "LOC")], "BILOU");
        assert_eq!(entities("E-PER I-PER S-LOC"), [(2, 3, "LOC")]);
    }

    #[test]
    fn hyphens_belong_to_the_type() {
        assert_eq!(entities("B-work-of-art I-work-of-art"), [(0, 2, "work-of-art")]);
        assert_eq!(Tag::parse("X-PER").place, Place::Outside);
    }
}
