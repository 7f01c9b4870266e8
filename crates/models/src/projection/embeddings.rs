//! The student's embeddings: every word's normalised teacher embedding in the student's coordinates.

use burn::tensor::{Device, Tensor, TensorData};
use nalgebra::{DMatrix, RowDVector};

use super::basis::Basis;
use super::fit::{row_major, tensor};
use super::states::TeacherStates;
use crate::TransformerConfig;
use crate::bert::paths::embeddings;
use crate::weights::{Weight, Weights};

/// Positions whose mean stands for "a position" when words are normalised.
const MEAN_POSITIONS: usize = 24;

/// What a student's embeddings are looked up in, in its coordinates.
pub(super) struct Tables {
    /// (vocabulary, width)
    pub(super) words: Tensor<2>,
    /// (positions, width)
    pub(super) positions: DMatrix<f64>,
    /// (segments, width); a student may have none.
    pub(super) segments: DMatrix<f64>,
}

/// A BERT's tables and a neutral norm.
pub(super) fn project(
    (basis, device): (&Basis, &Device),
    states: &TeacherStates,
    student: &TransformerConfig,
) -> Weights {
    Tables::of((basis, device), states, student).named("bert.embeddings", basis.width())
}

impl Tables {
    /// These tables and a neutral norm as the weights of a module.
    pub(super) fn named(&self, module: &str, width: usize) -> Weights {
        let table = |name: &str, (rows, columns): (usize, usize), values: Vec<f32>| {
            (format!("{module}.{name}.weight"), Weight { dims: vec![rows, columns], values })
        };
        let [count, columns] = self.words.dims();
        let words = self.words.clone().into_data().try_into_vec().unwrap_or_default();
        let words = table("word_embeddings", (count, columns), words);
        let small = [("position_embeddings", &self.positions), ("token_type_embeddings", &self.segments)];
        let small = small.into_iter().filter(|(_, rows)| rows.nrows() > 0);
        let small = small.map(|(name, rows)| table(name, rows.shape(), row_major(rows)));
        let given = small.chain([words]);
        let neutral = |value: f32| Weight { dims: vec![width], values: vec![value; width] };
        let norm = [("weight", 1.0), ("bias", 0.0)];
        let norm = norm.map(|(name, value)| (format!("{module}.LayerNorm.{name}"), neutral(value)));
        Weights(given.chain(norm).collect())
    }

    /// The words carry the mean position and the first segment, the positions and the other segments only what differs from
    /// that.
    pub(super) fn of(
        (basis, device): (&Basis, &Device),
        states: &TeacherStates,
        student: &TransformerConfig,
    ) -> Self {
        let table = |name: &str| states.matrix(&format!("bert.embeddings.{name}.weight"));
        let from = states.config().first_position();
        let places = table("position_embeddings");
        let places = places.rows(from, places.nrows() - from).into_owned();
        // A teacher without segments puts none of them apart.
        let segments = match states.config().type_vocab_size {
            0 => DMatrix::zeros(1, places.ncols()),
            _ => table("token_type_embeddings"),
        };
        let scale = table("LayerNorm");
        let place = places.rows(0, MEAN_POSITIONS.min(places.nrows())).row_mean();
        let (words, deviation) = normalised_words(states, &(&place + segments.row(0)), basis);
        let directions = &basis.directions / basis.scale(&embeddings());
        let words = {
            let dims = [words.len() / place.ncols(), place.ncols()];
            Tensor::<2>::from_data(TensorData::new(words, dims), device).matmul(tensor(&directions, device))
        };
        let project = |rows: DMatrix<f64>| rows * &directions;
        let differences = |rows: &DMatrix<f64>, from: &RowDVector<f64>| {
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
            words,
            positions: resized(moved, student.max_position_embeddings),
            segments: resized(project(differences(&segments, &first)), student.type_vocab_size),
        }
    }
}

/// Each word's embedding with a usual position and segment behind the teacher's norm, from the mean of such states, (vocabulary, teacher
/// width); and the mean over words of the deviation before the norm.
fn normalised_words(states: &TeacherStates, usual: &RowDVector<f64>, basis: &Basis) -> (Vec<f32>, f64) {
    let mut words = states.weight("bert.embeddings.word_embeddings.weight").values.clone();
    let scale = states.matrix("bert.embeddings.LayerNorm.weight");
    let shift = states.matrix("bert.embeddings.LayerNorm.bias") - basis.mean(&embeddings());
    let (epsilon, width) = (states.config().layer_norm_eps, usual.ncols());
    let mut deviations = 0.0;
    let mut summed = vec![0.0; width];
    for word in words.chunks_exact_mut(width) {
        for (sum, (&value, usual)) in summed.iter_mut().zip(word.iter().zip(usual)) {
            *sum = f64::from(value) + usual;
        }
        let mean = summed.iter().sum::<f64>() / width as f64;
        let variance = summed.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / width as f64;
        deviations += variance.sqrt();
        let spread = (variance + epsilon).sqrt();
        for (at, value) in word.iter_mut().enumerate() {
            *value = (scale[at] * (summed[at] - mean) / spread + shift[at]) as f32;
        }
    }
    let count = (words.len() / width).max(1);
    (words, deviations / count as f64)
}
