"""Linear maps from the student's width to the teacher's, in the framework of the features they map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .arrays import framework_of


@dataclass
class FeatureMatcher:
    """x · weight + bias, for numpy arrays."""

    weight: Any
    """(student width, teacher width)"""
    bias: Any
    """(teacher width)"""

    def __call__(self, rows: Any) -> Any:
        """(…, student width) → (…, teacher width)."""
        return rows @ self.weight + self.bias


def feature_matcher(student: int, teacher: int, feature: Any) -> Any:
    """The map for a feature's framework and type: weights uniform in ±1/√student, seeded by the widths; bias 0."""
    bound = 1.0 / np.sqrt(student)
    weight = np.random.default_rng([student, teacher]).uniform(-bound, bound, (student, teacher))
    framework = framework_of(feature)
    if framework == "torch":
        from .torch_matcher import TorchFeatureMatcher

        return TorchFeatureMatcher(weight, feature)
    if framework == "tensorflow":
        import tensorflow as tf

        variable = tf.Variable(weight, dtype=feature.dtype, name="weight")
        return _TensorFlowMatcher(variable, tf.Variable(np.zeros(teacher), dtype=feature.dtype, name="bias"))
    kind = np.asarray(feature).dtype
    return FeatureMatcher(weight.astype(kind), np.zeros(teacher, kind))


class _TensorFlowMatcher(FeatureMatcher):
    """x · weight + bias, for TensorFlow tensors of any number of axes."""

    def __call__(self, rows: Any) -> Any:
        import tensorflow as tf

        return tf.tensordot(rows, self.weight, 1) + self.bias

    @property
    def trainable_variables(self) -> list[Any]:
        """What an optimiser is to train."""
        return [self.weight, self.bias]
