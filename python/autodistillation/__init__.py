"""Search, distil and hand over the best small text models: the Rust engine in the design document's Python.

Advanced mode, where your own functions build, train and measure, is :class:`AutoDistillation`; :class:`Study` is the
same search asked and told. Nothing here imports torch, TensorFlow or transformers before it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import metrics
from ._autodistillation import __version__
from .agent import Advisor, AutoDistillation
from .configuration import (
    AutoDistillationConfig,
    DistillationConfig,
    FlashDistillationConfig,
    TFDistillationConfig,
)
from .exceptions import (
    AutoDistillationError,
    ConfigError,
    ConfigProblem,
    DataError,
    ForkedProcessError,
    MetricsError,
    NoCompletedTrialError,
    Stopped,
    StudyError,
)
from .study import Goal, Study, Trial

if TYPE_CHECKING:
    from .losses import IntermediateLayersKnowledgeDistillationLoss, KnowledgeDistillationLoss
    from .tensorflow_optimization import TFOptimization
    from .trainer import AutoDistillationMixin, Trainer

_LAZY = {
    "AutoDistillationMixin": "trainer",
    "IntermediateLayersKnowledgeDistillationLoss": "losses",
    "KnowledgeDistillationLoss": "losses",
    "TFOptimization": "tensorflow_optimization",
    "Trainer": "trainer",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _LAZY:
        return getattr(import_module(f".{_LAZY[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "Advisor",
    "AutoDistillation",
    "AutoDistillationConfig",
    "AutoDistillationError",
    "AutoDistillationMixin",
    "ConfigError",
    "ConfigProblem",
    "DataError",
    "DistillationConfig",
    "FlashDistillationConfig",
    "ForkedProcessError",
    "Goal",
    "IntermediateLayersKnowledgeDistillationLoss",
    "KnowledgeDistillationLoss",
    "MetricsError",
    "NoCompletedTrialError",
    "Stopped",
    "Study",
    "StudyError",
    "TFDistillationConfig",
    "TFOptimization",
    "Trainer",
    "Trial",
    "__version__",
    "metrics",
]
