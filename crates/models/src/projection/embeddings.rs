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

/// What a student's embeddings are looked up in, in its coordinates.
pub(super) struct Tables {
    /// (vocabulary, width)
    pub(super) words: DMatrix<f64>,
    /// (positions, width)
    pub(super) positions: DMatrix<f64>,
    /// (segments, width); a student may have none.
    pub(super) segments: DMatrix<f64>,
}

/// A BERT's tables and a neutral norm.
pub(super) fn project(basis: &Basis, states: &TeacherStates, student: &TransformerConfig) -> Weights {
    Tables::of(basis, states, student).named("bert.embeddings", basis.width())
}

impl Tables {
    /// These tables and a neutral norm as the weights of a module.
    pub(super) fn named(&self, module: &str, width: usize) -> Weights {
        let tables = [
            ("word_embeddings", &self.words),
            ("position_embeddings", &self.positions),
            ("token_type_embeddings", &self.segments),
        ];
        let table = |(name, rows): (&str, &DMatrix<f64>)| {
            let weight = Weight { dims: vec![rows.nrows(), rows.ncols()], values: row_major(rows) };
            (format!("{module}.{name}.weight"), weight)
        };
        let given = tables.into_iter().filter(|(_, rows)| rows.nrows() > 0).map(table);
        let neutral = |value: f32| Weight { dims: vec![width], values: vec![value; width] };
        let norm = [("weight", 1.0), ("bias", 0.0)];
        let norm = norm.map(|(name, value)| (format!("{module}.LayerNorm.{name}"), neutral(value)));
        Weights(given.chain(norm).collect())
    }

    /// The words carry the mean position and the first segment, the positions and the other segments only what differs from
    /// that.
    pub(super) fn of(basis: &Basis, states: &TeacherStates, student: &TransformerConfig) -> Self {
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
        let deviation =
            summed.row_iter().map(|row| row.variance().sqrt()).sum::<f64>() / summed.nrows() as f64;
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
                row.iter_mut()
                    .enumerate()
                    .for_each(|(i, value)| *value = scale[i] * (*value - mean) / deviation);
            }
            rows
        };
        // Fewer rows than the teacher's are its first ones; more differ in nothing from the mean position.
        let resized = |rows: DMatrix<f64>, count: usize| rows.resize_vertically(count, 0.0);
        let moved = project(differences(&places, &place)).insert_rows(0, student.first_position(), 0.0);
        let first = segments.row(0).into_owned();
        Self {
            words: project(summed),
            positions: resized(moved, student.max_position_embeddings),
            segments: resized(project(differences(&segments, &first)), student.type_vocab_size),
        }
    }
}
