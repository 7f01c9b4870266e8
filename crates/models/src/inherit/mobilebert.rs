//! A MobileBERT's start from another MobileBERT, or its embeddings from a BERT.

use super::basis::{EmbeddingBasis, centred, mean_row};
use super::embeddings::{PROJECTED_DEVIATION, row_major};
use super::{InheritancePlan, Inherited, Source, Start};
use crate::weights::Weight;
use crate::{Bert, MobileBert, Transformer};

const EMBEDDINGS: &str = "mobilebert.embeddings";

/// Gives `student` what it can take from `teacher`.
pub(super) fn inherit(
    student: MobileBert,
    teacher: &Transformer,
    plan: &InheritancePlan,
) -> (MobileBert, Vec<Inherited>) {
    let own = student.config().clone();
    let start = match teacher {
        Transformer::MobileBert(teacher) => {
            let mut start = Start::new(&student, teacher, (&own, teacher.config()));
            start.copy(EMBEDDINGS, EMBEDDINGS);
            start.copy_layers("mobilebert.encoder.layer", plan);
            start.copy("mobilebert.pooler", "mobilebert.pooler");
            start.copy_head();
            start.copy("cls.predictions.dense", "cls.predictions.dense");
            start
        }
        other => {
            let Some(teacher) = other.as_bert() else { return (student, Vec::new()) };
            let mut start = Start::new(&student, teacher, (&own, teacher.config()));
            narrow_embeddings(&mut start, teacher);
            if own.head.is_language_model() {
                start.copy_head();
            }
            start
        }
    };
    let Start { given, inherited, .. } = start;
    (given.give(student), inherited)
}

/// The teacher's words in their first principal directions, as many as the narrow embeddings have; the transformation
/// hands each token's own on as they are, and positions and segments lie in the same directions.
fn narrow_embeddings(start: &mut Start<'_>, teacher: &Bert) {
    let (narrow, width) = (start.student.embedding_size, start.student.hidden_size);
    let theirs = teacher.config();
    if theirs.embedding_size != theirs.hidden_size || narrow > width || width > theirs.hidden_size {
        return;
    }
    let table = |name: &str| start.source.get(&format!("bert.embeddings.{name}.weight")).cloned();
    let Some(words) = table("word_embeddings").filter(|words| words.dims[0] == start.student.vocab_size)
    else {
        return;
    };
    let basis = EmbeddingBasis::of(&words);
    let scale = PROJECTED_DEVIATION / basis.projected_deviation(width).max(f64::MIN_POSITIVE);
    let kept_variance = basis.kept_variance(narrow);
    let in_first = |weight: &Weight, directions: usize| {
        let offset = mean_row(&weight.values, theirs.hidden_size);
        row_major(&(centred(&weight.values, &offset) * basis.first(directions) * scale))
    };
    let from = theirs.first_position() * theirs.hidden_size;
    let places = table("position_embeddings").map(|mut places| {
        places.values.drain(..from);
        places.dims[0] -= theirs.first_position();
        in_first(&places, width)
    });
    let words = in_first(&words, narrow);
    give(start, "word_embeddings", words);
    if let Some(places) = places {
        give(start, "position_embeddings", places);
    }
    let own = start.student.mobilebert.is_some_and(|settings| settings.trigram_input);
    give(start, "embedding_transformation", handing_on((narrow, width), own));
    start.report(EMBEDDINGS, Source::Projected { from: "bert.embeddings".to_owned(), kept_variance });
}

/// The matrix (width, inputs) that puts each token's narrow embedding into the first features; with neighbours it is the
/// middle one of three.
fn handing_on((narrow, width): (usize, usize), among_neighbours: bool) -> Weight {
    let (inputs, first) = if among_neighbours { (3 * narrow, narrow) } else { (narrow, 0) };
    let mut values = vec![0.0; width * inputs];
    (0..narrow).for_each(|feature| values[feature * inputs + first + feature] = 1.0);
    Weight { dims: vec![width, inputs], values }
}

/// Gives the student the rows it has room for; a table that would be short of rows stays as it is.
fn give(start: &mut Start<'_>, module: &str, mut weight: Weight) {
    let name = format!("{EMBEDDINGS}.{module}.weight");
    let Some(wanted) = start.wanted.get(&name) else { return };
    if wanted[0] <= weight.dims[0] && wanted[1] == weight.dims[1] {
        weight.values.truncate(wanted.iter().product());
        weight.dims.clone_from(wanted);
        start.given.0.insert(name, weight);
    }
}
