"""The same few operations on numpy arrays, torch tensors and TensorFlow tensors, and the engine's losses on them.

A loss on a torch tensor is part of its autograd graph, one on a TensorFlow tensor of its tape; both get the gradient
that the engine computed together with the value. The engine computes in f64 for f64 and in f32 for anything else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Optional

import numpy as np

from ._autodistillation import loss_gradient

if TYPE_CHECKING:
    from ._autodistillation import Comparison

LOSSES = ("MSE", "L1", "KL", "CE")


@dataclass(frozen=True)
class Terms:
    """How student rows and teacher rows are compared."""

    loss: str
    """``MSE``: mean of (s − t)²; ``L1``: mean of \\|s − t\\|; ``KL``: Σ t (log t − log s) over the last axis, mean over
    rows; ``CE``: −Σ t log s likewise."""
    temperature: float = 1.0
    """Divides scores before their softmax; a divergence is multiplied by its square (Hinton et al. 2015)."""
    student_is_probability: bool = False
    """The student's values are probabilities, such as attention maps, and get no softmax."""
    teacher_is_probability: bool = False
    """The teacher's values are probabilities."""
    element_mean: bool = False
    """A divergence is averaged over all elements, as ``torch.nn.KLDivLoss(reduction="mean")`` does."""

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise ValueError(f"`{self.loss}` is not a loss: use one of {', '.join(LOSSES)}")
        if not 0 < self.temperature < float("inf"):
            raise ValueError(f"temperature is {self.temperature}: give a positive number")


def framework_of(array: Any) -> str:
    """``torch``, ``tensorflow`` or ``numpy``, by the type of an array."""
    module = type(array).__module__.partition(".")[0]
    return module if module in ("torch", "tensorflow") else "numpy"


def value_and_gradient(
    student: Any, teacher: Any, terms: Terms, mask: Optional[Any] = None
) -> tuple[float, Any]:
    """The loss between two numpy arrays of one shape, (…, width), and its gradient by the student's values.

    ``mask`` has one entry a row: 1 for a real one, 0 for padding. Raises :class:`ValueError` for shapes that differ.
    """
    student = np.asarray(student)
    wide = student.dtype == np.float64
    number = np.float64 if wide else np.float32
    rows, targets = np.ascontiguousarray(student, number), np.ascontiguousarray(teacher, number)
    if rows.shape != targets.shape or student.ndim == 0:
        raise ValueError(f"the student is {student.shape} and the teacher {targets.shape}: give both one shape")
    counts = None if mask is None else np.ascontiguousarray(mask, number).tobytes()
    comparison: Comparison = {
        "loss": terms.loss,
        "width": rows.shape[-1],
        "wide": bool(wide),
        "temperature": float(terms.temperature),
        "student_is_probability": terms.student_is_probability,
        "teacher_is_probability": terms.teacher_is_probability,
        "element_mean": terms.element_mean,
    }
    value, gradient = loss_gradient(rows.tobytes(), targets.tobytes(), counts, comparison)
    kind = student.dtype if student.dtype.kind == "f" else number
    return value, np.frombuffer(gradient, number).reshape(rows.shape).astype(kind)


def compared(student: Any, teacher: Any, terms: Terms, mask: Optional[Any] = None) -> Any:
    """The loss between two arrays of one framework: a number, or a scalar tensor with its gradient."""
    framework = framework_of(student)
    if framework == "torch":
        from . import torch_function

        return torch_function.apply(student, teacher, terms, None if mask is None else to_numpy(mask))
    if framework == "tensorflow":
        return _tensorflow_compared(student, teacher, terms, mask)
    return value_and_gradient(student, teacher, terms, mask)[0]


def to_numpy(array: Any) -> Any:
    """The values as a numpy array, without any graph."""
    if framework_of(array) == "torch":
        tensor = array.detach().cpu()
        return (tensor.float() if str(tensor.dtype) in ("torch.bfloat16", "torch.float16") else tensor).numpy()
    return np.asarray(array)


def _tensorflow_compared(student: Any, teacher: Any, terms: Terms, mask: Optional[Any]) -> Any:
    import tensorflow as tf

    rows = None if mask is None else to_numpy(mask)

    def computed(values: Any, targets: Any) -> Any:
        value, gradient = value_and_gradient(values, targets, terms, rows)
        return np.asarray(value, values.dtype), gradient.astype(values.dtype)

    def loss(values: Any) -> Any:
        fixed = tf.stop_gradient(tf.convert_to_tensor(teacher, values.dtype))
        value, gradient = tf.numpy_function(computed, [values, fixed], [values.dtype] * 2)
        value.set_shape(())
        gradient.set_shape(values.shape)
        return value, lambda upstream: upstream * gradient

    return tf.custom_gradient(loss)(tf.convert_to_tensor(student))


def permuted(array: Any, axes: tuple[int, ...]) -> Any:
    """The array with its axes in another order."""
    framework = framework_of(array)
    if framework == "torch":
        return array.permute(*axes)
    if framework == "tensorflow":
        import tensorflow as tf

        return tf.transpose(array, axes)
    return np.transpose(array, axes)


def constant(array: Any) -> Any:
    """The array without its graph."""
    framework = framework_of(array)
    if framework == "torch":
        return array.detach()
    if framework == "tensorflow":
        import tensorflow as tf

        return tf.stop_gradient(array)
    return array


def like(values: Any, array: Any) -> Any:
    """Numpy values as an array of the framework, type and device of another."""
    framework = framework_of(array)
    if framework == "torch":
        import torch

        return torch.as_tensor(values, dtype=array.dtype, device=array.device)
    if framework == "tensorflow":
        import tensorflow as tf

        return tf.convert_to_tensor(values, dtype=array.dtype)
    return np.asarray(values, np.asarray(array).dtype)


def one_hot(classes: Any, logits: Any) -> Any:
    """Class indices (batch) as rows of the logits' shape (batch, classes), 1 at the class."""
    indices, width = to_numpy(classes).astype(np.int64).reshape(-1), int(logits.shape[-1])
    if indices.size and (indices.min() < 0 or indices.max() >= width):
        raise ValueError(f"a target is outside the {width} classes: give indices from 0 to {width - 1}")
    return like(np.eye(width)[indices], logits)
