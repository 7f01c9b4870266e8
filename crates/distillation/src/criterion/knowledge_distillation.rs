//! `KnowledgeDistillationLoss`: the student's logits against the labels and against the teacher's logits.

use crate::criterion::{Criterion, Forwards, LossTerm, LossTerms, score_rows, scores, task_loss};
use crate::loss::{Comparison, Rows, Scale, between};
use crate::{Error, LayerPath, LossKind, Reduction, Taps, Targets};
use burn::tensor::Tensor;

/// L = w₀ · L(student, targets) + w₁ · T² · D(student / T, teacher / T) (Hinton et al. 2015).
///
/// D is a soft cross entropy, a KL divergence (both: sum over classes, mean over the examples, or over the tokens that
/// are not padding), their binary forms, or a mean squared error on the softened logits (so that T² cancels). A term of weight 0 is skipped; without the teacher's
/// term the teacher is not run.
#[derive(Clone, Debug)]
pub struct KnowledgeDistillationLoss {
    student: LayerPath,
    teacher: LayerPath,
    /// Softens both sides' logits.
    pub temperature: f64,
    /// Loss of [student–targets, teacher–student].
    pub loss_types: [LossKind; 2],
    /// Weight of [student–targets, teacher–student]; they sum to 1.
    pub loss_weights: [f64; 2],
    student_taps: Taps,
    teacher_taps: Taps,
}

impl KnowledgeDistillationLoss {
    /// Cross entropy on both sides, half each, between the logits at (student path, teacher path).
    ///
    /// # Errors
    ///
    /// [`Error::Temperature`] unless `temperature` is positive.
    pub fn new((student, teacher): (LayerPath, LayerPath), temperature: f64) -> Result<Self, Error> {
        if !(temperature > 0.0 && temperature.is_finite()) {
            return Err(Error::Temperature { temperature });
        }
        let student_taps = Taps::new([student.clone()]);
        let teacher_taps = Taps::new([teacher.clone()]);
        let loss_types = [LossKind::CrossEntropy; 2];
        Ok(Self {
            student,
            teacher,
            temperature,
            loss_types,
            loss_weights: [0.5; 2],
            student_taps,
            teacher_taps,
        })
    }

    /// The same with other losses.
    #[must_use]
    pub fn with_losses(mut self, loss_types: [LossKind; 2]) -> Self {
        self.loss_types = loss_types;
        self
    }

    /// The same with other weights.
    ///
    /// # Errors
    ///
    /// [`Error::Weights`] unless both are at least 0 and they sum to 1.
    pub fn with_weights(mut self, loss_weights: [f64; 2]) -> Result<Self, Error> {
        let sum: f64 = loss_weights.iter().sum();
        if loss_weights.iter().any(|weight| *weight < 0.0) || (sum - 1.0).abs() > 1e-6 {
            return Err(Error::Weights { weights: loss_weights });
        }
        self.loss_weights = loss_weights;
        if loss_weights[1] == 0.0 {
            self.teacher_taps = Taps::default();
        }
        Ok(self)
    }

    /// T² · D(student / T, teacher / T) for logits (rows, classes), of which `rows` says which count.
    pub fn teacher_student_loss(&self, student: Tensor<2>, teacher: Tensor<2>, rows: Rows) -> Tensor<1> {
        let scale = Scale::Scores { temperature: self.temperature };
        let reduction = Reduction::RowMean;
        let terms = Comparison { rows, student: scale, teacher: scale, reduction, keys: None };
        between(self.loss_types[1], student, teacher, &terms)
    }

    /// The loss of logits (rows, classes) on the labels, see [`task_loss`]; with `MSE`, the squared error against one-hot
    /// classes of examples, labels that apply (1) or not (0), or real values.
    ///
    /// # Errors
    ///
    /// [`Error::MissingTargets`] for a batch without labels.
    pub fn student_targets_loss(&self, student: Tensor<2>, targets: &Targets) -> Result<Tensor<1>, Error> {
        match (self.loss_types[0], targets) {
            (LossKind::MeanSquared, Targets::Classes(classes)) => {
                let one_hot: Tensor<2> = classes.clone().one_hot(student.dims()[1]).float();
                Ok((student - one_hot).powi_scalar(2).mean())
            }
            (LossKind::MeanSquared, Targets::Labels(labels)) => {
                Ok((student - labels.clone()).powi_scalar(2).mean())
            }
            _ => task_loss(student, targets),
        }
    }
}

impl Criterion for KnowledgeDistillationLoss {
    fn student_taps(&self) -> &Taps {
        &self.student_taps
    }

    fn teacher_taps(&self) -> &Taps {
        &self.teacher_taps
    }

    fn terms(&self, forwards: Forwards<'_>) -> Result<LossTerms, Error> {
        let student = scores(forwards.student, &self.student)?;
        let mut terms = LossTerms::default();
        if self.loss_weights[0] != 0.0 {
            let value = self.student_targets_loss(student.clone(), &forwards.batch.targets)?;
            terms.terms.push(LossTerm {
                name: "student–targets".into(),
                weight: self.loss_weights[0],
                value,
            });
        }
        if self.loss_weights[1] != 0.0 {
            let rows = score_rows(forwards.student, &self.student, forwards.batch)?;
            let teacher = scores(forwards.teacher, &self.teacher)?;
            let value = self.teacher_student_loss(student, teacher, rows);
            terms.terms.push(LossTerm {
                name: "teacher–student".into(),
                weight: self.loss_weights[1],
                value,
            });
        }
        Ok(terms)
    }
}
