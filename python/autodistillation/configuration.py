"""Configs in the document's form: its own classes, plain dicts, and files."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence, Union

from .exceptions import ConfigError, ConfigProblem
from .metrics import Metric

ConfigLike = Union[str, "os.PathLike[str]", Mapping[str, Any], "AutoDistillationConfig"]
"""A file (YAML or JSON), a dict in the document's form, or an :class:`AutoDistillationConfig`."""


def _given(config: Any, names: Sequence[str]) -> dict[str, Any]:
    """The named attributes that were given a value."""
    return {name: getattr(config, name) for name in names if getattr(config, name) is not None}


@dataclass
class FlashDistillationConfig:
    """One of the two distillations of a search: parallel lists with one entry a stage.

    As ``knowledge_transfer`` every stage trains one block; as ``regular_distillation`` it trains the whole student.
    """

    block_names: Optional[Sequence[str]] = None
    """The modules that are trained, one a stage."""
    layer_mappings_for_knowledge_transfer: Any = None
    """One list a stage of ``(student layer, teacher layer)`` or ``(student layer, output, teacher layer, output)``."""
    loss_types: Optional[Sequence[Any]] = None
    """Names of losses (``MSE``, ``KL``, ``CE``, ``L1``), one for each mapping of a stage."""
    loss_weights: Optional[Sequence[Any]] = None
    add_origin_loss: Optional[Sequence[bool]] = None
    """Whether the student's own loss on the labels is added, one a stage."""
    train_steps: Optional[Sequence[int]] = None
    """Optimiser steps, one a stage."""
    learning_rate: Optional[Sequence[float]] = None
    temperature: Optional[Any] = None
    """Softens logits before a divergence, which is multiplied by its square."""

    def to_config(self) -> dict[str, Any]:
        """The section in the document's form."""
        return _given(self, [entry.name for entry in fields(self)])


@dataclass
class TFDistillationConfig:
    """One distillation on logits, as the document's TensorFlow usage writes it."""

    train_steps: Optional[Sequence[int]] = None
    """Optimiser steps, one a stage."""
    loss_types: Optional[Sequence[str]] = None
    """Losses of (student–targets, teacher–student)."""
    loss_weights: Optional[Sequence[float]] = None
    """Their weights, which sum to 1."""
    temperature: Optional[float] = None

    def to_config(self) -> dict[str, Any]:
        """The section in the document's form."""
        return _given(self, [entry.name for entry in fields(self)])


DistillationSection = Union[FlashDistillationConfig, TFDistillationConfig, Mapping[str, Any]]


@dataclass
class AutoDistillationConfig:
    """A search with flash and regular distillation.

    >>> AutoDistillationConfig(search_space={"hidden_size": [120, 240]}, max_trials=4).to_config()
    {'search': {'search_space': {'hidden_size': [120, 240]}, 'search_algorithm': 'BO', 'max_trials': 4}}
    """

    search_space: Mapping[str, Sequence[Any]]
    """Dimensions in order, each with its choices."""
    search_algorithm: str = "BO"
    """``BO``, ``Random`` or ``Grid``."""
    metrics: Optional[Sequence[Union[str, Metric]]] = None
    """What is optimised; loss and latency where nothing is given."""
    higher_is_better: Optional[Sequence[bool]] = None
    """One flag a metric, where the metrics themselves do not say."""
    max_trials: Optional[int] = None
    seed: Optional[int] = None
    knowledge_transfer: Optional[DistillationSection] = None
    """Flash distillation."""
    regular_distillation: Optional[DistillationSection] = None
    constraints: Optional[Mapping[str, Any]] = None
    """Bounds such as ``{"max_latency_ms": 8.0}``, which the best architectures keep."""
    search: Mapping[str, Any] = field(default_factory=dict)
    """Further keys of the section ``search``, such as ``max_hours`` or ``pruning``."""

    def to_config(self) -> dict[str, Any]:
        """The content of ``auto_distillation`` in the document's form."""
        names = ["search_space", "search_algorithm", "higher_is_better", "max_trials", "seed", "constraints"]
        search = {**_given(self, names), **self.search}
        if self.metrics is not None:
            search["metrics"] = [
                metric.to_config() if isinstance(metric, Metric) else metric for metric in self.metrics
            ]
        sections = {"knowledge_transfer": self.knowledge_transfer, "regular_distillation": self.regular_distillation}
        flash = {name: _section(section) for name, section in sections.items() if section is not None}
        return {"search": search, **({"flash_distillation": flash} if flash else {})}


@dataclass
class DistillationConfig:
    """What a single student learns by: the content of ``distillation`` in the document's form."""

    criterion: Mapping[str, Any]
    """``{"KnowledgeDistillationLoss": {…}}`` or ``{"IntermediateLayersKnowledgeDistillationLoss": {…}}``."""
    optimizer: Mapping[str, Any] = field(default_factory=lambda: {"SGD": {"learning_rate": 0.001}})
    name: str = "student"
    framework: str = "pytorch"
    train: Mapping[str, Any] = field(default_factory=dict)
    """Further keys of ``train``, such as ``steps`` or ``batch_size``."""

    def to_config(self) -> dict[str, Any]:
        """The whole config in the document's form."""
        train = {"optimizer": self.optimizer, "criterion": self.criterion, **self.train}
        return {"model": {"name": self.name, "framework": self.framework}, "distillation": {"train": train}}


def _section(section: DistillationSection) -> Mapping[str, Any]:
    return section if isinstance(section, Mapping) else section.to_config()


@dataclass(frozen=True)
class ConfigText:
    """A config as the engine reads it: its text and what its messages call it."""

    text: str
    origin: str
    is_file: bool

    @classmethod
    def of(cls, config: ConfigLike, framework: str = "pytorch") -> ConfigText:
        """The text of a config; a dict without ``model`` is the content of ``auto_distillation``.

        Raises :class:`ConfigError` for a file that cannot be read and for values that JSON does not have.
        """
        if isinstance(config, (str, os.PathLike)):
            return cls._of_file(Path(config))
        inner = config.to_config() if isinstance(config, AutoDistillationConfig) else dict(config)
        if not {"model", "auto_distillation"} & set(inner):
            inner = {"auto_distillation": inner}
        inner = {"model": {"name": "student", "framework": framework}, **inner}
        return cls(_json(inner), "config", False)

    @classmethod
    def _of_file(cls, path: Path) -> ConfigText:
        try:
            return cls(path.read_text(encoding="utf-8"), str(path), True)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(str(path), [ConfigProblem(f"the file cannot be read: {error}")]) from error


def _json(config: Any) -> str:
    try:
        return json.dumps(config, default=_plain)
    except (TypeError, ValueError) as error:
        raise ConfigError("config", [ConfigProblem(f"{error}; use numbers, text, lists and dicts")]) from error


def _plain(value: Any) -> Any:
    """Numbers of numpy and others, classes of this module, and metrics."""
    if isinstance(value, (Metric, FlashDistillationConfig, TFDistillationConfig, AutoDistillationConfig)):
        return value.to_config()
    for convert in ("tolist", "item"):
        if hasattr(value, convert):
            return getattr(value, convert)()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{value!r} ({type(value).__name__}) has no place in a config")
