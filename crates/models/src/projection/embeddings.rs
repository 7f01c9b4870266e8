//! The student's embeddings: every word's normalised teacher embedding in the student's coordinates.

use nalgebra::DMatrix;

use super::basis::Basis;
use super::fit::row_major;
use super::states::TeacherStates;
use crate::TransformerConfig;
use crate::bert::paths::embeddings;
use crate::weights::{Weight, Weights};

/// Positions whose mean stands for "a position" when words are normalised.
const MEAN_POSITIONS: usize = 24;

/// Word, position and segment tables and a neutral norm. The words carry the mean position and the first segment, the
/// positions and the other segments only what differs from that.
pub(super) fn project(basis: &Basis, states: &TeacherStates, student: &TransformerConfig) -> Weights {
    let table = |name: &str| states.matrix(&format!("bert.embeddings.{name}.weight"));
    let from = states.config().first_position();
    let places = table("position_embeddings");
    let places = places.rows(from, places.nrows() - from).into_owned();
    let words = table("word_embeddings");
    // A teacher without segments puts none of them apart.
    let segments = match states.config().type_vocab_size {
        0 => DMatrix::zeros(1, words.ncols()),
        _ => table("token_type_embeddings"),
    };
    let (scale, shift) = (table("LayerNorm"), states.matrix("bert.embeddings.LayerNorm.bias"));
    let place = places.rows(0, MEAN_POSITIONS.min(places.nrows())).row_mean();
    let usual = &place + segments.row(0);
    let mut summed = words;
    summed.row_iter_mut().for_each(|mut row| row += &usual);
    let deviation = summed.row_iter().map(|row| row.variance().sqrt()).sum::<f64>() / summed.nrows() as f64;
    let epsilon = states.config().layer_norm_eps;
    for mut row in summed.row_iter_mut() {
        let (mean, spread) = (row.mean(), (row.variance() + epsilon).sqrt());
        for (i, value) in row.iter_mut().enumerate() {
            *value = scale[i] * (*value - mean) / spread + shift[i];
        }
    }
    let mean = basis.mean(&embeddings());
    summed.row_iter_mut().for_each(|mut row| row -= mean.row(0));
    let project = |rows: DMatrix<f64>| rows * &basis.directions / basis.scale(&embeddings());
    let differences = |rows: &DMatrix<f64>, from: &nalgebra::RowDVector<f64>| {
        let mut rows = rows.clone();
        for mut row in rows.row_iter_mut() {
            row -= from;
            let mean = row.mean();
            row.iter_mut().enumerate().for_each(|(i, value)| *value = scale[i] * (*value - mean) / deviation);
        }
        rows
    };
    let mut weights = Weights::default();
    let mut insert = |name: &str, rows: DMatrix<f64>| {
        let weight = Weight { dims: vec![rows.nrows(), rows.ncols()], values: row_major(&rows) };
        weights.0.insert(format!("bert.embeddings.{name}.weight"), weight);
    };
    insert("word_embeddings", project(summed));
    // Fewer rows than the teacher's are its first ones; more differ in nothing from the mean position.
    let resized = |rows: DMatrix<f64>, count: usize| rows.resize_vertically(count, 0.0);
    let (positions, types) = (student.max_position_embeddings, student.type_vocab_size);
    let own = student.first_position();
    let moved = project(differences(&places, &place)).insert_rows(0, own, 0.0);
    insert("position_embeddings", resized(moved, positions));
    let first = segments.row(0).into_owned();
    if types > 0 {
        insert("token_type_embeddings", resized(project(differences(&segments, &first)), types));
    }
    let neutral = |value: f32| Weight { dims: vec![basis.width()], values: vec![value; basis.width()] };
    weights.0.insert("bert.embeddings.LayerNorm.weight".to_owned(), neutral(1.0));
    weights.0.insert("bert.embeddings.LayerNorm.bias".to_owned(), neutral(0.0));
    weights
}
