"""Out-of-the-box mode: teacher, data and settings in a work folder, from which the engine makes the students."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping, Optional, Sequence, Union

from . import _autodistillation
from .configuration import AutoDistillationConfig, ConfigText
from .exceptions import ConfigError, NoCompletedTrialError
from .study import Architecture, Trial
from .token_rows import Purpose, write_rows

Listener = Callable[[dict[str, Any]], object]
"""Hears one event of a run at a time."""


class Students(Sequence[Architecture]):
    """The architectures on the Pareto front, in order of evaluation, with their trained models."""

    def __init__(self, output: Path, front: Sequence[Mapping[str, Any]], trials: Sequence[Trial], model_cls: Any) -> None:
        self._front = [dict(trial["architecture"]) for trial in front]
        self.metrics = [dict(trial["metrics"]) for trial in front]
        """What was measured on each."""
        self.folders = [output / trial["student"] for trial in front]
        """The Hugging Face folder of each."""
        self.trials = list(trials)
        """Every trial of the search."""
        self.report = output / "report.html"
        self._model_cls = model_cls

    @property
    def models(self) -> list[Any]:
        """Each student as an object of ``model_cls``, loaded from its folder."""
        return [self._model_cls.from_pretrained(str(folder)) for folder in self.folders]

    def __getitem__(self, at: Any) -> Any:
        return self._front[at]

    def __len__(self) -> int:
        return len(self._front)

    def __iter__(self) -> Iterator[Architecture]:
        return iter(self._front)

    def __eq__(self, other: object) -> bool:
        return list(self) == (list(other) if isinstance(other, Students) else other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Students({self._front!r})"


@dataclass(frozen=True)
class Task:
    """What the engine is to make students of."""

    teacher: Path
    """A Hugging Face folder with tokenizer."""
    family: str
    """The student's, such as ``bert``."""
    fixed: Mapping[str, Any]
    """Values of the student's config that are not searched."""
    train_dataset: Any
    eval_dataset: Any
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The sections ``train`` and ``evaluation`` of the config."""
    framework: str = "pytorch"
    steps: Optional[int] = None
    """Optimiser steps of stages whose config gives none."""


def search_students(
    task: Task,
    config: Union[Mapping[str, Any], AutoDistillationConfig],
    output: Union[str, os.PathLike[str]],
    model_cls: Any,
    listener: Optional[Listener] = None,
) -> Students:
    """Writes the data to ``output/data``, runs the search into ``output/run``, or goes on with it, and returns the
    students on the front.

    Raises ``ConfigError`` with every problem of the config, ``DataError`` for rows that cannot be read, and
    ``NoCompletedTrialError`` where every trial failed. Ctrl-C ends it after saving.
    """
    folder = Path(output).resolve()
    text = _config_text(task, config, folder)
    options: dict[str, Any] = {"output": str(folder / "run"), "jobs": None, "threads": None}
    hear = None if listener is None else (lambda event: listener(json.loads(event)))
    try:
        found = json.loads(_autodistillation.run(text, "config", options, hear))  # type: ignore[arg-type]
    except ConfigError as error:
        raise error.without_places() from None
    trials = [Trial.from_json(trial) for trial in found["trials"]]
    if not any(trial.state == "completed" for trial in trials):
        raise NoCompletedTrialError(list(dict.fromkeys(trial.reason or "" for trial in trials)))
    return Students(Path(found["output"]), found["pareto"]["trials"], trials, model_cls)


def _config_text(task: Task, config: Union[Mapping[str, Any], AutoDistillationConfig], folder: Path) -> str:
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    sets = {"train": task.train_dataset, "validation": task.eval_dataset}
    purpose = purpose_of(task.teacher)
    written = [write_rows(rows, data / f"{part}.jsonl", purpose) for part, rows in sets.items()]
    columns = {"text": "first", "text_pair": "second"}
    if all(part.has_labels for part in written):
        columns["label"] = "label"
    inner = config.to_config() if isinstance(config, AutoDistillationConfig) else dict(config)
    if task.steps is not None:
        inner = _with_steps(inner, task.steps)
    searched = set(inner.get("search", {}).get("search_space", {}))
    whole = {
        "model": {"name": "student", "framework": task.framework},
        "teacher": {"path": str(task.teacher)},
        "student": {
            "family": task.family,
            **{name: value for name, value in task.fixed.items() if name not in searched},
        },
        "data": {
            **{part: str(data / f"{part}.jsonl") for part in sets},
            **columns,
            **{"tokenised": True, "max_length": max(3, *(part.longest for part in written))},
        },
        "auto_distillation": inner,
        **task.settings,
    }
    return ConfigText.of(whole).text


def _with_steps(config: Mapping[str, Any], steps: int) -> dict[str, Any]:
    """The config with `steps` for each stage that gives none."""
    changed = {name: _with_steps(value, steps) if isinstance(value, Mapping) else value for name, value in config.items()}
    mappings = changed.get("layer_mappings_for_knowledge_transfer")
    if mappings is not None and "train_steps" not in changed:
        changed["train_steps"] = steps if isinstance(mappings, str) else [steps for _ in mappings]
    return changed


def purpose_of(teacher: Path) -> Purpose:
    """What the teacher in a folder needs rows for: a language model masks them, anything else needs labels."""
    config = teacher / "config.json"
    classes = json.loads(config.read_text(encoding="utf-8")).get("architectures") if config.is_file() else None
    name = str(classes[0]) if classes else ""
    # What ELECTRA's class for pretraining says of tokens is no language model.
    is_language_model = name.endswith(("ForPreTraining", "ForMaskedLM")) and name != "ElectraForPreTraining"
    return Purpose.PRETRAINING if is_language_model else Purpose.LABELS


SIZES = {
    "bert": ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"),
    "distilbert": ("dim", "n_layers", "n_heads", "hidden_dim"),
    "mobilebert": (
        "hidden_size",
        "num_hidden_layers",
        "num_attention_heads",
        "intermediate_size",
        "intra_bottleneck_size",
        "num_feedforward_networks",
    ),
}
"""The sizes that a family's config fixes, where they are not searched."""

SPELLINGS = {"hidden_size": "dim", "num_hidden_layers": "n_layers", "num_attention_heads": "n_heads", "intermediate_size": "hidden_dim"}
"""DistilBERT's own names of the usual sizes."""


SETTINGS = {
    "mobilebert": (
        "embedding_size",
        "trigram_input",
        "use_bottleneck",
        "use_bottleneck_attention",
        "key_query_shared_bottleneck",
        "normalization_type",
        "classifier_activation",
        "hidden_act",
    ),
    "electra": ("embedding_size", "hidden_act"),
    "distilbert": ("activation",),
}
"""What else of a family's config decides what a network computes."""


def fixed_values(config: Any, searched: Sequence[str]) -> dict[str, Any]:
    """The sizes and settings of a Hugging Face config, less those that are searched under either name."""
    family = config.model_type
    names = SIZES.get(family, SIZES["bert"])
    taken = set(searched) | ({SPELLINGS.get(name, name) for name in searched} if family == "distilbert" else set())
    sizes = {name: int(getattr(config, name)) for name in names if name not in taken and hasattr(config, name)}
    settings = SETTINGS.get(family, ("hidden_act",))
    return {**sizes, **{name: getattr(config, name) for name in settings if name not in taken and hasattr(config, name)}}
