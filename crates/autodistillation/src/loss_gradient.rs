//! The losses of distillation on plain rows of numbers: a value and its gradient, for training loops of others.

use autodistillation_distillation::loss::{Comparison, Rows, Scale, between};
use autodistillation_distillation::{LossKind, Reduction};
use burn::tensor::{DType, Device, Element, Tensor, TensorData};

use crate::Error;

/// Two matrices of the same shape to be compared, (rows, width), row by row.
#[derive(Clone, Copy, Debug)]
pub struct ComparedRows<'a, F> {
    /// The student's values, in which the gradient is.
    pub student: &'a [F],
    /// The teacher's values, constants.
    pub teacher: &'a [F],
    /// Values in a row.
    pub width: usize,
    /// Which rows count: 1 for a real one, 0 for padding; absent = all of them.
    pub mask: Option<&'a [F]>,
}

/// How the rows are compared.
#[derive(Clone, Copy, Debug)]
pub struct LossTerms {
    /// The loss.
    pub kind: LossKind,
    /// What the student's values are.
    pub student: Scale,
    /// What the teacher's values are.
    pub teacher: Scale,
    /// What a divergence is averaged over.
    pub reduction: Reduction,
}

/// A loss and its gradient.
#[derive(Clone, Debug, PartialEq)]
pub struct LossGradient<F> {
    /// The loss.
    pub value: F,
    /// Its derivative by each of the student's values, (rows, width).
    pub gradient: Vec<F>,
}

/// A number that a loss can be computed in: `f32` or `f64`.
pub trait Real: Element + Into<f64> {
    /// Its type on the device.
    const TYPE: DType;
}

impl Real for f32 {
    const TYPE: DType = DType::F32;
}

impl Real for f64 {
    const TYPE: DType = DType::F64;
}

/// The loss between two matrices and its gradient, by the formulas that training uses, on the CPU.
///
/// # Errors
///
/// [`Error::UnequalRows`] unless both sides are whole rows of the same number, the mask has one entry a row, and at
/// least one row counts.
pub fn loss_gradient<F: Real>(
    rows: ComparedRows<'_, F>,
    terms: &LossTerms,
) -> Result<LossGradient<F>, Error> {
    let count = check(&rows)?;
    let matrix = |values: &[F], width: usize| {
        let data = TensorData::new(values.to_vec(), [count, width]);
        Tensor::<2>::from_data(data, (&Device::flex(), F::TYPE))
    };
    let real = rows.mask.map_or(count as f64, |mask| mask.iter().map(|row| (*row).into()).sum());
    let rows_that_count = Rows {
        mask: rows.mask.map(|mask| matrix(mask, 1)),
        real_rows: real,
        real_elements: real * rows.width as f64,
    };
    let comparison = Comparison {
        rows: rows_that_count,
        student: terms.student,
        teacher: terms.teacher,
        reduction: terms.reduction,
        keys: None,
    };
    let student = matrix(rows.student, rows.width).autodiff().require_grad();
    let loss = between(terms.kind, student.clone(), matrix(rows.teacher, rows.width), &comparison);
    let gradients = loss.backward();
    let gradient = student.grad(&gradients).map(|gradient| gradient.into_data().try_into_vec());
    let gradient = match gradient {
        Some(Ok(gradient)) => gradient,
        // A loss that does not depend on the student's values has no gradient node.
        _ => matrix(rows.student, rows.width).zeros_like().into_data().try_into_vec().unwrap_or_default(),
    };
    Ok(LossGradient { value: loss.into_scalar::<F>(), gradient })
}

/// The number of rows.
fn check<F: Real>(rows: &ComparedRows<'_, F>) -> Result<usize, Error> {
    let count = rows.student.len().checked_div(rows.width).unwrap_or(0);
    let is_whole = count > 0 && count * rows.width == rows.student.len();
    let counts = rows
        .mask
        .is_none_or(|mask| mask.len() == count && mask.iter().map(|row| (*row).into()).sum::<f64>() > 0.0);
    if is_whole && rows.student.len() == rows.teacher.len() && counts {
        return Ok(count);
    }
    Err(Error::UnequalRows {
        student: rows.student.len(),
        teacher: rows.teacher.len(),
        width: rows.width,
        mask: rows.mask.map(<[F]>::len),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SCORES: Scale = Scale::Scores { temperature: 1.5 };
    const KINDS: [LossKind; 4] =
        [LossKind::MeanSquared, LossKind::MeanAbsolute, LossKind::KullbackLeibler, LossKind::CrossEntropy];

    fn terms(kind: LossKind) -> LossTerms {
        LossTerms { kind, student: SCORES, teacher: SCORES, reduction: Reduction::RowMean }
    }

    proptest! {
        #[test]
        fn gradients_agree_with_finite_differences(values in prop::collection::vec(-3f64..3.0, 12)) {
            let teacher: Vec<f64> = values.iter().map(|value| 0.4 - value * value * 0.3).collect();
            let mask = [1.0, 0.0, 1.0];
            for kind in KINDS {
                let of = |student: &[f64]| {
                    let rows = ComparedRows { student, teacher: &teacher, width: 4, mask: Some(&mask) };
                    loss_gradient(rows, &terms(kind)).unwrap()
                };
                let found = of(&values);
                for at in 0..12 {
                    let shifted = |step: f64| {
                        let mut moved = values.clone();
                        moved[at] += step;
                        of(&moved).value
                    };
                    let near_a_kink = kind == LossKind::MeanAbsolute && (values[at] - teacher[at]).abs() < 1e-4;
                    let slope = (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
                    prop_assert!(near_a_kink || (slope - found.gradient[at]).abs() < 1e-7, "{kind:?} {at}");
                }
            }
        }
    }

    #[test]
    fn single_precision_gives_the_same_numbers_to_its_own_precision() {
        let student = [0.3, -1.2, 0.8, 2.0, 0.1, -0.4];
        let teacher = [1.0, 0.2, -0.5, 0.0, 0.3, 0.9];
        let narrow = |values: [f64; 6]| values.map(|value| value as f32);
        for kind in KINDS {
            let wide = ComparedRows { student: &student[..], teacher: &teacher[..], width: 3, mask: None };
            let wide = loss_gradient(wide, &terms(kind)).unwrap();
            let (student, teacher) = (narrow(student), narrow(teacher));
            let rows = ComparedRows { student: &student[..], teacher: &teacher[..], width: 3, mask: None };
            let single = loss_gradient(rows, &terms(kind)).unwrap();
            assert!((f64::from(single.value) - wide.value).abs() < 1e-6, "{kind:?}");
            let apart = single.gradient.iter().zip(&wide.gradient).map(|(a, b)| (f64::from(*a) - b).abs());
            assert!(apart.fold(0.0, f64::max) < 1e-6, "{kind:?}");
        }
    }

    #[test]
    fn rows_that_do_not_fit_are_refused() {
        let student = [1.0f32, 2.0, 3.0, 4.0];
        let refused = |teacher: &[f32], width, mask: Option<&[f32]>| {
            let rows = ComparedRows { student: &student, teacher, width, mask };
            loss_gradient(rows, &terms(LossKind::MeanSquared)).unwrap_err().to_string()
        };
        assert!(refused(&student[..2], 2, None).starts_with("student and teacher cannot be compared"));
        refused(&student, 3, None);
        refused(&student, 0, None);
        refused(&student, 2, Some(&[1.0]));
        refused(&student, 2, Some(&[0.0, 0.0]));
        refused(&[], 2, None);
    }
}
