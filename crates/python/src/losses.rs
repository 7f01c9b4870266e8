//! The losses of distillation on arrays that Python hands over as raw bytes.

use autodistillation::distillation::loss::Scale;
use autodistillation::distillation::{LossKind, Reduction};
use autodistillation::loss_gradient::{ComparedRows, LossTerms, Real};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::failure::raised;

/// How two arrays are compared.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Comparison {
    loss: String,
    width: usize,
    wide: bool,
    temperature: f64,
    student_is_probability: bool,
    teacher_is_probability: bool,
    element_mean: bool,
}

/// The loss between rows of the student and the teacher, both (rows, width) in C order, and its gradient by the
/// student's values as bytes. `wide` = f64, else f32, in the machine's byte order.
#[pyfunction]
#[pyo3(signature = (student, teacher, mask, comparison))]
pub(crate) fn loss_gradient<'py>(
    py: Python<'py>,
    student: &[u8],
    teacher: &[u8],
    mask: Option<&[u8]>,
    comparison: Comparison,
) -> PyResult<(f64, Bound<'py, PyBytes>)> {
    let terms = terms(&comparison)?;
    let sides = (student, teacher, mask);
    let found = py.detach(|| match comparison.wide {
        true => computed(sides, comparison.width, &terms, f64::from_ne_bytes),
        false => computed(sides, comparison.width, &terms, f32::from_ne_bytes),
    });
    let (value, gradient) = found.map_err(|error| raised(&error))?;
    Ok((value, PyBytes::new(py, &gradient)))
}

type Sides<'a> = (&'a [u8], &'a [u8], Option<&'a [u8]>);

fn computed<F: Real + Bytes<N>, const N: usize>(
    (student, teacher, mask): Sides<'_>,
    width: usize,
    terms: &LossTerms,
    number: impl Fn([u8; N]) -> F,
) -> Result<(f64, Vec<u8>), autodistillation::Error> {
    let read = |bytes: &[u8]| bytes.as_chunks::<N>().0.iter().map(|chunk| number(*chunk)).collect::<Vec<F>>();
    let (student, teacher, mask) = (read(student), read(teacher), mask.map(read));
    let rows = ComparedRows { student: &student, teacher: &teacher, width, mask: mask.as_deref() };
    let found = autodistillation::loss_gradient::loss_gradient(rows, terms)?;
    Ok((found.value.into(), found.gradient.iter().flat_map(|value| value.bytes()).collect()))
}

/// A number as it lies in memory.
trait Bytes<const N: usize> {
    fn bytes(&self) -> [u8; N];
}

impl Bytes<4> for f32 {
    fn bytes(&self) -> [u8; 4] {
        self.to_ne_bytes()
    }
}

impl Bytes<8> for f64 {
    fn bytes(&self) -> [u8; 8] {
        self.to_ne_bytes()
    }
}

fn terms(comparison: &Comparison) -> PyResult<LossTerms> {
    let kind = match comparison.loss.as_str() {
        "MSE" => LossKind::MeanSquared,
        "L1" => LossKind::MeanAbsolute,
        "KL" => LossKind::KullbackLeibler,
        "CE" => LossKind::CrossEntropy,
        other => {
            return Err(PyValueError::new_err(format!("`{other}` is not a loss: use MSE, L1, KL or CE")));
        }
    };
    let temperature = comparison.temperature;
    if !(temperature > 0.0 && temperature.is_finite()) {
        return Err(PyValueError::new_err(format!("temperature is {temperature}: give a positive number")));
    }
    let scale =
        |is_probability| if is_probability { Scale::Probabilities } else { Scale::Scores { temperature } };
    let reduction = if comparison.element_mean { Reduction::ElementMean } else { Reduction::RowMean };
    let (student, teacher) =
        (scale(comparison.student_is_probability), scale(comparison.teacher_is_probability));
    Ok(LossTerms { kind, student, teacher, reduction })
}
