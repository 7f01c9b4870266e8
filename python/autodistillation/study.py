"""A study: what is searched, what was tried, and what is best so far."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping as AnyMapping
from dataclasses import dataclass, field
from typing import Any, Callable, Mapping, Optional, Sequence, Union

from ._autodistillation import Search
from .configuration import ConfigLike, ConfigText
from .exceptions import ConfigError, MetricsError

Architecture = dict[str, Any]
"""A choice for every dimension of the search space, in its order."""


@dataclass(frozen=True)
class Goal:
    """A metric and its direction."""

    metric: str
    greater_is_better: bool


@dataclass(frozen=True)
class Trial:
    """One architecture and what became of it."""

    number: int
    architecture: Architecture
    state: str = "running"
    """``running``, ``completed``, ``pruned`` or ``failed``."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """What was measured; empty unless it completed or was pruned."""
    reason: Optional[str] = None
    """Why it failed, in one line."""
    traceback: Optional[str] = None
    """Where in the user's code it failed."""

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Trial:
        """The trial as the engine writes it."""
        number, architecture, outcome = value["number"], value["architecture"], value.get("outcome")
        if outcome is None:
            return cls(number, architecture)
        state, content = next(iter(outcome.items()))
        if state == "failed":
            reason, _, traceback = content.partition("\n")
            return cls(number, architecture, state, reason=reason, traceback=traceback or None)
        return cls(number, architecture, state, {name: float(found) for name, found in content.items()})


class Study:
    """A search that is asked for architectures and told what was measured.

    >>> study = Study({"search": {"search_space": {"width": [1, 2, 3]}, "metrics": ["accuracy"], "max_trials": 3}})
    >>> while (trial := study.ask()) is not None:
    ...     _ = study.tell(trial.number, {"accuracy": trial.architecture["width"] / 10})
    >>> study.best_trials[0].architecture
    {'width': 3}
    """

    def __init__(
        self,
        config: ConfigLike,
        output_dir: Optional[Union[str, os.PathLike[str]]] = None,
        framework: str = "pytorch",
    ) -> None:
        """The study of ``config``. With ``output_dir`` it is kept in ``output_dir/study.db``, a file that Optuna
        reads, and goes on where that left off.

        Raises :class:`ConfigError` with every problem, and :class:`StudyError` for a folder that another search
        uses or that holds the study of another config.
        """
        text = ConfigText.of(config, framework)
        try:
            self._search = Search(text.text, text.origin, None if output_dir is None else os.fspath(output_dir))
        except ConfigError as error:
            raise (error if text.is_file else error.without_places()) from None
        self.config: dict[str, Any] = json.loads(self._search.config)
        """The config as it was understood, defaults filled in."""

    @property
    def search_space(self) -> dict[str, list[Any]]:
        """The dimensions in order, each with its choices."""
        return {entry["name"]: entry["choices"] for entry in self._dimensions()}

    def _dimensions(self) -> list[dict[str, Any]]:
        space = self.config["search"]["space"]
        dimensions: list[dict[str, Any]] = space["dimensions"] if isinstance(space, dict) else space
        return dimensions

    @property
    def goals(self) -> tuple[Goal, ...]:
        """The metrics in the config's order."""
        found = self.config["search"]["goals"]
        return tuple(Goal(goal["metric"], goal["direction"] == "maximize") for goal in found)

    @property
    def trials(self) -> list[Trial]:
        """Every trial, in the order in which it was started."""
        return [Trial.from_json(trial) for trial in json.loads(self._search.trials())]

    @property
    def best_trials(self) -> list[Trial]:
        """The trials on the Pareto front that keep every constraint, in order of evaluation."""
        front = set(self._search.front())
        return [trial for trial in self.trials if trial.number in front]

    def ask(self) -> Optional[Trial]:
        """The next trial, ``None`` once ``max_trials`` were asked for or every architecture was tried."""
        asked = self._search.ask()
        return None if asked is None else Trial.from_json(json.loads(asked))

    def tell(self, number: int, metrics: Any) -> Trial:
        """Ends a trial with what was measured: a mapping by metric, a number where there is one metric, or a
        sequence in the config's order. A metric that is missing or no finite number makes the trial fail.

        Raises :class:`MetricsError` for anything else, and :class:`StudyError` for a trial that is not running.
        """
        named = list(self.named(metrics).items())
        return Trial.from_json(json.loads(self._search.tell(number, named)))

    def fail(self, number: int, reason: str) -> Trial:
        """Ends a trial that could not be built, trained or measured. Lines after the first are its traceback."""
        return Trial.from_json(json.loads(self._search.fail(number, reason)))

    def give_back(self, number: int) -> None:
        """Gives back a trial whose work was interrupted: it is asked for again next."""
        self._search.give_back(number)

    def named(self, metrics: Any) -> dict[str, float]:
        """What ``eval_func`` returned, by metric. Raises :class:`MetricsError` where that cannot be."""
        if isinstance(metrics, AnyMapping):
            return {_name(name): _number(str(name), value) for name, value in metrics.items()}
        names = [goal.metric for goal in self.goals]
        if isinstance(metrics, (list, tuple)):
            if len(metrics) != len(names):
                raise MetricsError(f"{len(metrics)} values for the {len(names)} metrics {', '.join(names)}")
            return {name: _number(name, value) for name, value in zip(names, metrics)}
        if len(names) == 1 and not isinstance(metrics, (str, bytes, bool, type(None))):
            return {names[0]: _number(names[0], metrics)}
        found = "None" if metrics is None else f"{metrics!r} ({type(metrics).__name__})"
        raise MetricsError(f"eval_func returned {found}: return a dict of {', '.join(names)}")

    def is_in_space(self, architecture: Mapping[str, Any]) -> bool:
        """Whether an architecture is a point of the search space."""
        return self._search.misfit(json.dumps(dict(architecture))) is None

    def hypervolume(self, reference: Sequence[float]) -> float:
        """The volume between the front and a reference point, given in the goals' order and units."""
        return self._search.hypervolume([float(value) for value in reference])

    def trials_dataframe(self, library: Optional[str] = None) -> Any:
        """Every trial as a row: number, state, dimensions, metrics and reason. ``library`` is ``pandas`` or
        ``polars``; ``None`` takes the one that is installed, pandas first.

        Raises :class:`ImportError` where neither is.
        """
        return _frame_maker(library)(self._columns())

    def _columns(self) -> dict[str, list[Any]]:
        trials = self.trials
        metrics = dict.fromkeys([goal.metric for goal in self.goals])
        for trial in trials:
            metrics.update(dict.fromkeys(trial.metrics))
        columns: dict[str, list[Any]] = {
            "number": [trial.number for trial in trials],
            "state": [trial.state for trial in trials],
        }
        for name in self.search_space:
            columns[name] = [trial.architecture[name] for trial in trials]
        for name in metrics:
            columns[name] = [trial.metrics.get(name, math.nan) for trial in trials]
        columns["reason"] = [trial.reason for trial in trials]
        return columns

    def plot(self, library: Optional[str] = None) -> Any:
        """The trials by the first two goals with the front; a figure of ``matplotlib`` or ``plotly``.

        Raises :class:`ImportError` where neither is installed.
        """
        from .plots import pareto_plot

        return pareto_plot(self, library)

    def __len__(self) -> int:
        return len(self.trials)

    def __repr__(self) -> str:
        goals = ", ".join(f"{goal.metric} {'↑' if goal.greater_is_better else '↓'}" for goal in self.goals)
        counts: dict[str, int] = {}
        for trial in self.trials:
            counts[trial.state] = counts.get(trial.state, 0) + 1
        states = ", ".join(f"{count} {state}" for state, count in counts.items()) or "no trial yet"
        return f"Study({goals}; {self._search.size} architectures; {states})"

    def _repr_html_(self) -> str:
        front = {trial.number for trial in self.best_trials}
        columns = self._columns()
        head = "".join(f"<th>{_escaped(name)}</th>" for name in columns)
        rows = []
        for row in zip(*columns.values()):
            cells = "".join(f"<td>{_escaped(_shown(value))}</td>" for value in row)
            rows.append(f"<tr{' style=font-weight:bold' if row[0] in front else ''}>{cells}</tr>")
        return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _name(name: Any) -> str:
    if not isinstance(name, str):
        raise MetricsError(f"the metric name {name!r} is no text")
    return name


def _number(name: str, value: Any) -> float:
    try:
        if isinstance(value, (str, bytes)):
            raise TypeError("text is no number")
        return float(value)
    except (TypeError, ValueError) as error:
        raise MetricsError(f"metric `{name}` is {value!r} ({type(value).__name__}): {error}") from error


def _frame_maker(library: Optional[str]) -> Callable[[dict[str, list[Any]]], Any]:
    for name in [library] if library else ["pandas", "polars"]:
        try:
            module = __import__(name)
        except ImportError:
            continue
        maker: Callable[[dict[str, list[Any]]], Any] = module.DataFrame
        return maker
    raise ImportError(f"trials_dataframe needs {library or 'pandas or polars'}: install it with pip")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.4g}"
    return "" if value is None else str(value)
