"""What can go wrong, one class for each thing that a program may want to tell apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional, Sequence, Union


class AutoDistillationError(Exception):
    """Whatever this package raises on its own account; the others derive from it."""


@dataclass(frozen=True)
class ConfigProblem:
    """One thing that is wrong with a config, with its remedy."""

    message: str
    key_path: str = ""
    """The dotted path of the key, such as ``auto_distillation.search.metrics[1]``."""
    line: Optional[int] = None
    """Counted from 1; ``None`` where the config is no text of the user's."""
    column: Optional[int] = None

    def __str__(self) -> str:
        place = f"{self.line}:{self.column}: " if self.line is not None else ""
        key = f"{self.key_path}: " if self.key_path else ""
        return f"{place}{key}{self.message}"


class ConfigError(AutoDistillationError, ValueError):
    """A config with problems; :attr:`problems` has all of them, in the order of the text."""

    def __init__(self, origin: str, problems: Sequence[Union[ConfigProblem, tuple[Any, ...]]]) -> None:
        self.origin = origin
        self.problems = tuple(_problem(problem) for problem in problems)
        super().__init__(origin, self.problems)

    def __str__(self) -> str:
        return "\n".join(f"{self.origin}: {problem}" for problem in self.problems)

    def __reduce__(self) -> tuple[type[ConfigError], tuple[str, tuple[ConfigProblem, ...]]]:
        return ConfigError, (self.origin, self.problems)

    def without_places(self) -> ConfigError:
        """The same without lines and columns, for a config that was never a text."""
        problems = [ConfigProblem(problem.message, problem.key_path) for problem in self.problems]
        return ConfigError(self.origin, problems)


def _problem(problem: Union[ConfigProblem, tuple[Any, ...]]) -> ConfigProblem:
    return problem if isinstance(problem, ConfigProblem) else ConfigProblem(*problem)


class DataError(AutoDistillationError, ValueError):
    """A data set that cannot be used."""


class StudyError(AutoDistillationError):
    """A study that cannot be read, written or changed this way: in use by another search, made with other settings,
    or a trial that is told twice."""


class ForkedProcessError(StudyError):
    """A forked child used the study of its parent, which only the parent may write to."""


class MetricsError(AutoDistillationError, TypeError):
    """``eval_func`` returned something that is not the metrics of the config."""


class NoCompletedTrialError(AutoDistillationError, RuntimeError):
    """A search ended and every one of its trials had failed; :attr:`reasons` says why, each reason once."""

    def __init__(self, reasons: Sequence[str]) -> None:
        self.reasons = tuple(reasons)
        super().__init__(self.reasons)

    def __str__(self) -> str:
        if not self.reasons:
            return "the search ended without a trial"
        return "no trial completed:\n" + "\n".join(f"- {reason}" for reason in self.reasons)


class Stopped(AutoDistillationError):
    """A run was stopped after saving; the same call goes on with it."""
