//! `KnowledgeDistillationLoss`: the student's logits against the labels and against the teacher's logits.

use crate::criterion::{Criterion, Forwards, Heads, LossTerm, LossTerms, score_rows, scores, task_loss};
use crate::divergence::standardized;
use crate::loss::{Comparison, Rows, Scale, between};
use crate::{Error, LayerPath, LogitScale, LossKind, Ramp, Reduction, Taps, Targets};
use burn::tensor::Tensor;

/// L = w₀ · L(student, targets) + w₁ · T² · D(student / T, teacher / T) (Hinton et al. 2015).
///
/// Where the student also says whether texts follow each other, that loss is part of the first term; the second compares
/// the logits alone.
///
/// D is a soft cross entropy or a divergence (KL, reverse KL, Jensen–Shannon: sum over classes, mean over the examples,
/// or over the tokens that are not padding), a binary form of them, or a mean squared error on the softened logits (so
/// that T² cancels). Temperature and weights may change over the stage. A term that weighs 0 throughout is skipped;
/// without the teacher's term the teacher is not run.
#[derive(Clone, Debug)]
pub struct KnowledgeDistillationLoss {
    student: Heads,
    teacher: LayerPath,
    /// Softens both sides' logits.
    pub temperature: Ramp,
    /// Loss of [student–targets, teacher–student].
    pub loss_types: [LossKind; 2],
    /// Weight of [student–targets, teacher–student]; they sum to 1.
    pub loss_weights: [Ramp; 2],
    /// What a divergence does to both sides' logits before the temperature.
    pub logits: LogitScale,
    student_taps: Taps,
    teacher_taps: Taps,
}

impl KnowledgeDistillationLoss {
    /// Cross entropy on both sides, half each, between the logits at (student heads, teacher path).
    ///
    /// # Errors
    ///
    /// [`Error::Temperature`] unless `temperature` is positive.
    pub fn new(
        (student, teacher): (impl Into<Heads>, LayerPath),
        temperature: impl Into<Ramp>,
    ) -> Result<Self, Error> {
        let student = student.into();
        let temperature = temperature.into();
        if !temperature.keeps(|value| value > 0.0 && value.is_finite()) {
            return Err(Error::Temperature { temperature });
        }
        Ok(Self {
            student_taps: Taps::new(student.paths()),
            teacher_taps: Taps::new([teacher.clone()]),
            student,
            teacher,
            temperature,
            loss_types: [LossKind::CrossEntropy; 2],
            loss_weights: [0.5.into(); 2],
            logits: LogitScale::default(),
        })
    }

    /// The same with other losses.
    #[must_use]
    pub fn with_losses(mut self, loss_types: [LossKind; 2]) -> Self {
        self.loss_types = loss_types;
        self
    }

    /// The same with logits that a divergence takes so.
    #[must_use]
    pub fn with_logits(mut self, logits: LogitScale) -> Self {
        self.logits = logits;
        self
    }

    /// The same with other weights.
    ///
    /// # Errors
    ///
    /// [`Error::Weights`] unless both are at least 0 and they sum to 1, at both ends of the stage.
    pub fn with_weights<W: Into<Ramp>>(mut self, loss_weights: [W; 2]) -> Result<Self, Error> {
        let weights: [Ramp; 2] = loss_weights.map(Into::into);
        let sums_to_one =
            |progress| (weights.iter().map(|it| it.at(progress)).sum::<f64>() - 1.0).abs() <= 1e-6;
        if !weights.iter().all(|weight| weight.keeps(|value| value >= 0.0))
            || [0.0, 1.0].map(sums_to_one).contains(&false)
        {
            return Err(Error::Weights { weights });
        }
        self.loss_weights = weights;
        if weights[1].is_zero() {
            self.teacher_taps = Taps::default();
        }
        Ok(self)
    }

    /// T² · D(student / T, teacher / T) for logits (rows, classes), of which `rows` says which count and `keys` which of
    /// their elements (all if `None`), where the share `progress` of the stage is done.
    pub fn teacher_student_loss(
        &self,
        (student, teacher): (Tensor<2>, Tensor<2>),
        (rows, keys): (Rows, Option<Tensor<2>>),
        progress: f64,
    ) -> Tensor<1> {
        let (student, teacher) = match self.logits {
            LogitScale::Standardized if self.loss_types[1].is_divergence() => {
                (standardized(student, keys.as_ref()), standardized(teacher, keys.as_ref()))
            }
            _ => (student, teacher),
        };
        let scale = Scale::Scores { temperature: self.temperature.at(progress) };
        let reduction = Reduction::RowMean;
        let terms = Comparison { rows, student: scale, teacher: scale, reduction, keys };
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
        let student = scores(forwards.student, &self.student.logits)?;
        let [of_labels, of_teacher] = self.loss_weights;
        let mut terms = LossTerms::default();
        let mut add = |name: &str, weight: Ramp, value| {
            terms.terms.push(LossTerm { name: name.to_owned(), weight: weight.at(forwards.progress), value });
        };
        if !of_labels.is_zero() {
            let targets = &forwards.batch.targets;
            add("student–targets", of_labels, self.student_targets_loss(student.clone(), targets)?);
            if let Some(value) = self.student.next_sentence_loss(forwards.student, targets)? {
                add("next sentence", of_labels, value);
            }
        }
        if !of_teacher.is_zero() {
            let rows = score_rows(forwards.student, &self.student.logits, forwards.batch)?;
            let teacher = scores(forwards.teacher, &self.teacher)?;
            let value = self.teacher_student_loss((student, teacher), rows, forwards.progress);
            add("teacher–student", of_teacher, value);
        }
        Ok(terms)
    }
}
