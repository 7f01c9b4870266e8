"""Pictures of a study, drawn by matplotlib or plotly where one of them is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

if TYPE_CHECKING:
    from .study import Study


def pareto_plot(study: Study, library: Optional[str] = None) -> Any:
    """The completed trials by the first two goals, the front marked; with one goal, its value by trial.

    Returns a figure of ``library``. Raises :class:`ImportError` where it, or with ``None`` both, are missing.
    """
    draws = {"matplotlib": _with_matplotlib, "plotly": _with_plotly}
    if library is not None and library not in draws:
        raise ValueError(f"`{library}` cannot draw here: use matplotlib or plotly")
    for name in [library] if library else list(draws):
        try:
            return draws[name](_Points.of(study))
        except ImportError:
            continue
    raise ImportError(f"plots need {library or 'matplotlib or plotly'}: install it with pip")


class _Points:
    """What is drawn: all completed trials, and the front among them."""

    def __init__(self, axes: tuple[str, str], points: list[tuple[float, float, str]], front: list[int]) -> None:
        self.axes, self.points, self.front = axes, points, front

    @classmethod
    def of(cls, study: Study) -> _Points:
        goals = [goal.metric for goal in study.goals]
        axes = (goals[1], goals[0]) if len(goals) > 1 else ("trial", goals[0])
        completed = [trial for trial in study.trials if trial.state == "completed"]
        best = {trial.number for trial in study.best_trials}
        points = []
        for trial in completed:
            across = float(trial.number) if axes[0] == "trial" else trial.metrics[axes[0]]
            label = ", ".join(f"{name}={value}" for name, value in trial.architecture.items())
            points.append((across, trial.metrics[axes[1]], f"trial {trial.number}: {label}"))
        return cls(axes, points, [at for at, trial in enumerate(completed) if trial.number in best])


def _with_matplotlib(found: _Points) -> Any:
    from matplotlib.figure import Figure

    figure = Figure()
    axes = figure.subplots()
    for chosen, label in [(range(len(found.points)), "trials"), (found.front, "Pareto front")]:
        shown = [found.points[at] for at in chosen]
        axes.scatter([point[0] for point in shown], [point[1] for point in shown], label=label)
    axes.set_xlabel(found.axes[0])
    axes.set_ylabel(found.axes[1])
    axes.legend()
    return figure


def _with_plotly(found: _Points) -> Any:
    from plotly import graph_objects

    figure = graph_objects.Figure()
    for chosen, name in [(range(len(found.points)), "trials"), (found.front, "Pareto front")]:
        across, up, text = zip(*(found.points[at] for at in chosen)) if chosen else ((), (), ())
        figure.add_scatter(x=across, y=up, text=text, mode="markers", name=name)
    figure.update_layout(xaxis_title=found.axes[0], yaxis_title=found.axes[1])
    return figure
