//! The teacher's states as they can be read off a student's.

use burn::tensor::Tensor;
use nalgebra::DMatrix;

use super::basis::Basis;
use super::fit::{RIDGE, regress};
use super::states::TeacherStates;
use crate::Error;
use autodistillation_distillation::LayerPath;

/// h ≈ scale · M x + shift for a state h of the teacher and x of the student.
pub(super) struct Reading {
    /// M, (teacher width, student width)
    matrix: DMatrix<f64>,
    scale: f64,
    /// (teacher width, 1)
    shift: DMatrix<f64>,
}

impl Reading {
    /// Of the coordinates of the state at `path`.
    pub(super) fn of_coordinates(basis: &Basis, path: &LayerPath) -> Self {
        Self {
            matrix: basis.directions.clone(),
            scale: basis.scale(path),
            shift: basis.mean(path).transpose(),
        }
    }

    /// The least squares of a state of the teacher from `rows` of the student, (tokens, student width) for each batch.
    pub(super) fn fitted(
        rows: &[Tensor<2>],
        teacher: &[Tensor<2>],
        weights: &[Tensor<2>],
    ) -> Result<Self, Error> {
        let solution = regress((rows, teacher), weights, RIDGE)?;
        let width = solution.nrows() - 1;
        Ok(Self {
            matrix: solution.rows(0, width).transpose(),
            scale: 1.0,
            shift: solution.rows(width, 1).transpose(),
        })
    }

    /// The teacher's map called `name` of what is read: [scale · W M | b + W shift], (out, student width + 1).
    pub(super) fn through(&self, states: &TeacherStates, name: &str) -> DMatrix<f64> {
        let map = states.matrix(&format!("{name}.weight"));
        let bias = states.matrix(&format!("{name}.bias")); // (1, out)
        let matrix = &map * &self.matrix * self.scale;
        let shift = bias.transpose() + &map * &self.shift;
        let width = matrix.ncols();
        let mut joined = matrix.insert_column(width, 0.0);
        joined.set_column(width, &shift.column(0));
        joined
    }
}
