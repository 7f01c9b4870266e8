"""The document's criterion classes, for training loops of one's own, on numpy, torch and TensorFlow arrays.

The Rust engine computes them: the same formulas as in its own training. On torch and TensorFlow tensors a loss has its
gradient as any other; on numpy arrays ``loss_cal_and_gradient`` returns both.
"""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from .arrays import Terms, compared, constant, one_hot, to_numpy, value_and_gradient
from .forward import forward_without_gradient, logits_of
from .layer_losses import IntermediateLayersKnowledgeDistillationLoss

__all__ = ["IntermediateLayersKnowledgeDistillationLoss", "KnowledgeDistillationLoss"]


class KnowledgeDistillationLoss:
    """w₀ · L(student, targets) + w₁ · T² · D(student / T, teacher / T) (Hinton et al. 2015).

    D is a soft cross entropy (``CE``), a KL divergence (``KL``), both summed over classes and averaged over the batch,
    or a mean squared error (``MSE``) on the logits, for which T cancels. L is cross entropy on class indices; with
    ``MSE``, or for real-valued targets, the mean squared error.

    >>> import numpy as np
    >>> loss = KnowledgeDistillationLoss(temperature=2.0, loss_types=["CE", "KL"])
    >>> logits = np.array([[1.0, -1.0]])
    >>> round(float(loss.loss_cal(logits, np.array([0]), teacher_outputs=logits)), 6)
    0.063464
    """

    def __init__(
        self,
        temperature: float = 1.0,
        loss_types: Sequence[str] = ("CE", "CE"),
        loss_weights: Sequence[float] = (0.5, 0.5),
        student_model: Any = None,
        teacher_model: Any = None,
    ) -> None:
        """``loss_types`` and ``loss_weights`` are those of (student–targets, teacher–student); the weights sum to 1.

        Raises :class:`ValueError` for a temperature that is not positive, an unknown loss, and other weights.
        """
        self.student_model = student_model
        self.teacher_model = teacher_model
        self.temperature = float(temperature)
        self.loss_types = _pair("loss_types", loss_types)
        first, second = _pair("loss_weights", loss_weights)
        self.loss_weights = (float(first), float(second))
        if min(self.loss_weights) < 0 or abs(sum(self.loss_weights) - 1.0) > 1e-6:
            raise ValueError(f"loss_weights are {self.loss_weights}: give two that are not negative and sum to 1")
        for name in self.loss_types:
            Terms(name, self.temperature)
        self.teacher_outputs: Any = None

    def teacher_student_loss_cal(self, student_outputs: Any, teacher_outputs: Any) -> Any:
        """T² · D(student / T, teacher / T) of logits, both (batch, classes); a scalar."""
        student, teacher = logits_of(student_outputs), constant(logits_of(teacher_outputs))
        return compared(student, teacher, self._teacher_terms())

    def student_targets_loss_cal(self, student_outputs: Any, targets: Any) -> Any:
        """The loss of logits (batch, classes) on class indices (batch), or of values on real targets of their shape."""
        student = logits_of(student_outputs)
        rows, terms = self._targets(student, targets)
        return compared(student, rows, terms)

    def teacher_model_forward(self, input: Any, teacher_model: Any = None) -> Any:  # noqa: A002
        """Runs the teacher on a batch (a mapping of keyword arguments, a sequence of positional ones, or one) without
        gradients; the outputs, which :meth:`loss_cal` uses from then on."""
        model = teacher_model if teacher_model is not None else self.teacher_model
        if model is None:
            raise ValueError("there is no teacher_model: give one here or to the loss")
        self.teacher_outputs = forward_without_gradient(model, input)
        return self.teacher_outputs

    def loss_cal(self, student_outputs: Any, targets: Any, teacher_outputs: Any = None) -> Any:
        """Both terms, weighted; a scalar. Without ``teacher_outputs`` those of the last teacher forward."""
        own = None
        if self.loss_weights[0] > 0:
            own = self.student_targets_loss_cal(student_outputs, targets)
        return self.loss_cal_sloss(student_outputs, teacher_outputs, own)

    def loss_cal_sloss(self, student_outputs: Any, teacher_outputs: Any, student_loss: Any) -> Any:
        """The same with the student's own loss computed already."""
        weights = self.loss_weights
        own = student_loss * weights[0] if weights[0] > 0 else 0.0
        if weights[1] == 0:
            return own
        teacher = self._outputs(teacher_outputs)
        return own + self.teacher_student_loss_cal(student_outputs, teacher) * weights[1]

    __call__ = loss_cal

    def loss_cal_and_gradient(
        self, student_outputs: Any, targets: Any, teacher_outputs: Any = None
    ) -> tuple[float, Any]:
        """The loss of numpy arrays and its gradient by the student's logits, (batch, classes)."""
        student = np.asarray(logits_of(student_outputs))
        total, gradient = 0.0, np.zeros(student.shape, student.dtype)
        if self.loss_weights[0] > 0:
            rows, terms = self._targets(student, targets)
            value, slope = value_and_gradient(student, rows, terms)
            total, gradient = total + self.loss_weights[0] * value, gradient + self.loss_weights[0] * slope
        if self.loss_weights[1] > 0:
            teacher = to_numpy(logits_of(self._outputs(teacher_outputs)))
            value, slope = value_and_gradient(student, teacher, self._teacher_terms())
            total, gradient = total + self.loss_weights[1] * value, gradient + self.loss_weights[1] * slope
        return total, gradient

    def _outputs(self, given: Any) -> Any:
        outputs = given if given is not None else self.teacher_outputs
        if outputs is None:
            raise ValueError("there are no teacher_outputs: give them, or call teacher_model_forward first")
        return outputs

    def _teacher_terms(self) -> Terms:
        return Terms(self.loss_types[1], self.temperature)

    def _targets(self, student: Any, targets: Any) -> tuple[Any, Terms]:
        kind = str(targets.dtype if hasattr(targets, "dtype") else np.asarray(targets).dtype)
        if "float" in kind:
            return targets, Terms("MSE")
        if self.loss_types[0] == "MSE":
            return one_hot(targets, student), Terms("MSE")
        return one_hot(targets, student), Terms("CE", teacher_is_probability=True)

    def __repr__(self) -> str:
        return (
            f"KnowledgeDistillationLoss(temperature={self.temperature}, loss_types={list(self.loss_types)}, "
            f"loss_weights={list(self.loss_weights)})"
        )


def _pair(name: str, values: Sequence[Any]) -> tuple[Any, Any]:
    if isinstance(values, str) or len(values) != 2:
        raise ValueError(f"{name} is {values!r}: give two, of student–targets and of teacher–student")
    return values[0], values[1]
