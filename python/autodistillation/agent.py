"""Advanced mode: a search whose students the user's own functions build, train and measure."""

from __future__ import annotations

import json
import os
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Mapping, Optional, Union

from .configuration import ConfigLike
from .exceptions import AutoDistillationError, MetricsError, NoCompletedTrialError, StudyError
from .study import Architecture, Study, Trial

FRAMEWORKS = ("pytorch", "tensorflow")

ModelBuilder = Callable[[Architecture], Any]
"""Architecture → model, of any kind."""
TrainFunc = Callable[[Any], Any]
"""Model → trained model; ``None`` returned means the same model."""
EvalFunc = Callable[[Any], Any]
"""Trained model → metrics by name."""


@dataclass(frozen=True)
class Advisor:
    """The search algorithm: a function of the study and its seed, without a state of its own."""

    name: str
    """``BO``, ``Random`` or ``Grid``."""
    seed: int


class AutoDistillation:
    """The whole pipeline of a search: propose an architecture, build, train and evaluate its model, remember.

    >>> agent = AutoDistillation(
    ...     model_builder=lambda architecture: architecture["width"],
    ...     conf={"search": {"search_space": {"width": [1, 2, 3]}, "metrics": ["accuracy"], "max_trials": 3}},
    ... )
    >>> agent.train_func = lambda model: model
    >>> agent.eval_func = lambda model: {"accuracy": model / 10}
    >>> agent.search_loop()
    [{'width': 3}]

    An exception of the user's functions makes a failed trial that keeps its traceback, and the search goes on; Ctrl-C
    ends it, and the next :meth:`search_loop` begins with the trial that was interrupted.
    """

    def __init__(
        self,
        model_builder: Optional[ModelBuilder],
        conf: ConfigLike,
        framework: str = "pytorch",
        *,
        train_func: Optional[TrainFunc] = None,
        eval_func: Optional[EvalFunc] = None,
        output_dir: Optional[Union[str, os.PathLike[str]]] = None,
    ) -> None:
        """``conf`` is a YAML or JSON file, a dict in the document's form, or an ``AutoDistillationConfig``. With
        ``output_dir`` the study is kept there from the first trial on, and an earlier one goes on.

        Raises ``ConfigError`` with every problem of the config at once.
        """
        self.model_builder = model_builder
        self.train_func = train_func
        self.eval_func = eval_func
        self.framework = framework
        self._conf = conf
        self._running = threading.Lock()
        self.study = Study(conf, output_dir, framework)

    @property
    def framework(self) -> str:
        """``pytorch`` or ``tensorflow``."""
        return self._framework

    @framework.setter
    def framework(self, name: str) -> None:
        if name not in FRAMEWORKS:
            raise ValueError(f"framework is {name!r}: use one of {', '.join(FRAMEWORKS)}")
        self._framework = name

    @property
    def config(self) -> dict[str, Any]:
        """The config as it was understood, defaults filled in."""
        return self.study.config

    @property
    def search_space(self) -> dict[str, list[Any]]:
        """The dimensions in order, each with its choices."""
        return self.study.search_space

    @property
    def advisor(self) -> Advisor:
        """The search algorithm."""
        search = self.config["search"]
        return Advisor(str(search["algorithm"]), int(search["seed"]))

    @property
    def search_results(self) -> list[Trial]:
        """Every trial so far, in the order in which it was started."""
        return self.study.trials

    search_result = search_results

    @property
    def best_model_archs(self) -> list[Architecture]:
        """The architectures on the Pareto front so far, in order of evaluation."""
        return [trial.architecture for trial in self.study.best_trials]

    best_model_arch = best_model_archs

    def search(
        self, output_dir: Union[str, os.PathLike[str]], model_cls: Optional[Any] = None
    ) -> list[Architecture]:
        """:meth:`search_loop` with the study kept in ``output_dir/study.db`` and the front in ``pareto.json``.

        A study that is there already goes on. ``model_cls`` is free for a ``model_builder`` that wants it.
        """
        del model_cls
        self.study = Study(self._conf, output_dir, self.framework)
        best = self.search_loop()
        front = [_plain_trial(trial) for trial in self.study.best_trials]
        goals = [
            {"metric": goal.metric, "direction": "maximize" if goal.greater_is_better else "minimize"}
            for goal in self.study.goals
        ]
        text = json.dumps({"goals": goals, "trials": front}, indent=2)
        Path(output_dir, "pareto.json").write_text(text + "\n", encoding="utf-8")
        return best

    def search_loop(self) -> list[Architecture]:
        """Runs trials until ``max_trials`` are finished or every architecture was tried; returns the architectures
        on the Pareto front.

        Raises ``NoCompletedTrialError`` with the reasons where every trial failed, and ``StudyError`` while this
        search already runs in another thread.
        """
        with self._exclusive():
            while (trial := self.study.ask()) is not None:
                self._attempt(trial)
        trials = self.study.trials
        if not any(trial.state == "completed" for trial in trials):
            raise NoCompletedTrialError(list(dict.fromkeys(trial.reason or "" for trial in trials)))
        return self.best_model_archs

    def model_arch_proposition(self) -> Optional[Architecture]:
        """The next architecture to assess, already noted in the study; ``None`` once the search is over."""
        trial = self.study.ask()
        return None if trial is None else trial.architecture

    def train_evaluate(self, model_arch_paras: Mapping[str, Any]) -> dict[str, float]:
        """Builds, trains and evaluates the model of one architecture; its metrics by name.

        Ends the trial of that architecture where :meth:`model_arch_proposition` proposed it. An exception of the
        user's functions is noted there as well, and raised.
        """
        waiting = [trial for trial in self.study.trials if trial.state == "running"]
        trial = next((trial for trial in waiting if trial.architecture == model_arch_paras), None)
        if trial is None:
            return self._measure(dict(model_arch_paras))
        with self._noted(trial):
            metrics = self._measure(trial.architecture)
        self.study.tell(trial.number, metrics)
        return metrics

    def _attempt(self, trial: Trial) -> None:
        """One trial of the loop, whose failure is its outcome."""
        try:
            with self._noted(trial):
                metrics = self._measure(trial.architecture)
        except Exception as error:
            if isinstance(error, _Unfit):
                raise
            return
        self.study.tell(trial.number, metrics)

    def _measure(self, architecture: Architecture) -> dict[str, float]:
        if self.model_builder is None or self.eval_func is None:
            missing = "model_builder" if self.model_builder is None else "eval_func"
            raise _Unfit(f"{missing} is not set: give a function")
        model = self.model_builder(dict(architecture))
        trained = model if self.train_func is None else self.train_func(model)
        return self.study.named(self.eval_func(model if trained is None else trained))

    @contextmanager
    def _noted(self, trial: Trial) -> Iterator[None]:
        """Notes an exception in the study: a failure with its traceback, or an interruption that goes on later."""
        try:
            yield
        except _Unfit:
            self.study.give_back(trial.number)
            raise
        except Exception as error:
            self.study.fail(trial.number, _reason(error))
            raise
        except BaseException:
            self.study.give_back(trial.number)
            raise

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        if not self._running.acquire(blocking=False):
            raise StudyError("this search already runs: wait for it, or make another AutoDistillation")
        try:
            yield
        finally:
            self._running.release()

    def __repr__(self) -> str:
        return f"AutoDistillation({self.framework}, {self.advisor.name}, {self.study!r})"

    def _repr_html_(self) -> str:
        return self.study._repr_html_()


class _Unfit(AutoDistillationError, ValueError):
    """The agent itself lacks something, which no other trial would get around."""


def _reason(error: Exception) -> str:
    """The failure in one line, then the traceback without the frames of this package."""
    line = traceback.format_exception_only(type(error), error)[-1].strip().replace("\n", " ")
    if isinstance(error, MetricsError):
        return str(error).replace("\n", " ")
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    return line + "\n" + "".join(traceback.format_exception(type(error), error, frames))


def _plain_trial(trial: Trial) -> dict[str, Any]:
    return {"number": trial.number, "architecture": trial.architecture, "metrics": dict(trial.metrics)}
