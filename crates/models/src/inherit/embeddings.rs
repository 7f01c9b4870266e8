//! A student's embeddings from its teacher's: the same, or their projection onto fewer directions.

use nalgebra::DMatrix;

use super::basis::{EmbeddingBasis, centred, mean_row};
use super::{Source, Start};
use crate::weights::Weight;

/// Standard deviation of projected word embeddings: twice the usual random start's, which measured best.
pub(super) const PROJECTED_DEVIATION: f64 = 0.04;

const MODULE: &str = "bert.embeddings";
const WORDS: &str = "bert.embeddings.word_embeddings";
const PLACES: &str = "bert.embeddings.position_embeddings";
const NORM: &str = "bert.embeddings.LayerNorm";
const SEGMENTS: &str = "bert.embeddings.token_type_embeddings";

/// Copies all embeddings between equal widths; projects them to a narrower student.
///
/// A student with another vocabulary, or wider than its teacher, keeps its own.
pub(super) fn inherit(start: &mut Start<'_>) {
    let (student, teacher) = (&start.student, start.teacher);
    if student.vocab_size != teacher.vocab_size || student.embedding_size > teacher.embedding_size {
        return;
    }
    if student.embedding_size == teacher.embedding_size { copy(start) } else { project(start) }
}

/// A student without segments has the first one in its words.
fn copy(start: &mut Start<'_>) {
    let first_segment = start.source.get(&weight_of(SEGMENTS)).map(|segments| segments.values.clone());
    for table in [WORDS, PLACES, SEGMENTS] {
        let weight = start.source.get(&weight_of(table)).cloned();
        if let Some(mut weight) = weight {
            if let (WORDS, 0, Some(first)) = (table, start.student.type_vocab_size, &first_segment) {
                let width = weight.dims[1];
                weight.values.chunks_mut(width).for_each(|row| add(row, &first[..width]));
            }
            give(start, table, weight);
        }
    }
    start.take(NORM, NORM);
    start.report(MODULE, Source::Copied { from: MODULE.to_owned() });
}

/// Word and position embeddings relative to their means and segments relative to the first: what is common to
/// all tokens would only take room, and the norm after the sum has its own shift.
fn project(start: &mut Start<'_>) {
    let Some(words) = start.source.get(&weight_of(WORDS)) else {
        return;
    };
    let width = start.student.embedding_size;
    let basis = EmbeddingBasis::of(words);
    let scale = PROJECTED_DEVIATION / basis.projected_deviation(width).max(f64::MIN_POSITIVE);
    let projection = basis.first(width) * scale;
    let hidden = basis.width();
    for table in [WORDS, PLACES, SEGMENTS] {
        let Some(weight) = start.source.get(&weight_of(table)) else {
            continue;
        };
        let offset = match table {
            SEGMENTS => weight.values[..hidden].iter().map(|&value| f64::from(value)).collect(),
            _ => mean_row(&weight.values, hidden),
        };
        let projected = row_major(&(centred(&weight.values, &offset) * &projection));
        give(start, table, projected);
    }
    let source = Source::Projected { from: MODULE.to_owned(), kept_variance: basis.kept_variance(width) };
    start.report(MODULE, source);
}

/// Gives a table to the student, which may have fewer rows; one with more keeps its own.
fn give(start: &mut Start<'_>, table: &str, mut weight: Weight) {
    let name = weight_of(table);
    if table == PLACES {
        move_rows(&mut weight, (start.teacher.first_position(), start.student.first_position()));
    }
    let Some(wanted) = start.wanted.get(&name).filter(|wanted| wanted[0] <= weight.dims[0]) else {
        return;
    };
    weight.values.truncate(wanted.iter().product());
    weight.dims.clone_from(wanted);
    start.given.0.insert(name, weight);
}

fn add(row: &mut [f32], other: &[f32]) {
    row.iter_mut().zip(other).for_each(|(value, more)| *value += more);
}

/// Moves the first position's row of one family to that of another.
fn move_rows(weight: &mut Weight, (from, to): (usize, usize)) {
    let width = weight.dims[1];
    let surplus = from.saturating_sub(to).min(weight.dims[0]);
    weight.values.drain(..surplus * width);
    let missing = to.saturating_sub(from);
    weight.values.splice(0..0, std::iter::repeat_n(0.0, missing * width));
    weight.dims[0] = weight.dims[0] - surplus + missing;
}

fn weight_of(module: &str) -> String {
    format!("{module}.weight")
}

pub(super) fn row_major(matrix: &DMatrix<f64>) -> Weight {
    let values = matrix.transpose().iter().map(|&value| value as f32).collect();
    Weight { dims: vec![matrix.nrows(), matrix.ncols()], values }
}
