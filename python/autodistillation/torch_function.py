"""The engine's losses as a ``torch.autograd.Function``."""

from __future__ import annotations

from typing import Any, Optional

import torch

from .arrays import Terms, to_numpy, value_and_gradient


class EngineLoss(torch.autograd.Function):  # type: ignore[misc, unused-ignore]
    """A loss whose gradient the engine computes together with its value; the teacher gets none."""

    @staticmethod
    def forward(context: Any, student: Any, teacher: Any, terms: Terms, mask: Optional[Any]) -> Any:
        """The loss, a scalar of the student's type on its device."""
        value, gradient = value_and_gradient(to_numpy(student), to_numpy(teacher), terms, mask)
        context.save_for_backward(torch.as_tensor(gradient, dtype=student.dtype, device=student.device))
        return torch.as_tensor(value, dtype=student.dtype, device=student.device)

    @staticmethod
    def backward(context: Any, *upstream: Any) -> tuple[Any, None, None, None]:
        """The gradient by the student's values."""
        (gradient,) = context.saved_tensors
        return upstream[0] * gradient, None, None, None


def apply(student: Any, teacher: Any, terms: Terms, mask: Optional[Any]) -> Any:
    """The loss between two tensors of one shape, (…, width), as part of the student's graph."""
    return EngineLoss.apply(student, teacher, terms, mask)
