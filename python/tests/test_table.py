"""A table of trained networks as the user's functions: what a trial costs, and what the search finds.

The numbers are those of the Rust benchmark for the same seeds:

    cargo run --release -p autodistillation-search --example nb201 -- nb201.csv --seeds 0:2 --modes learned --columns lat_ms_fpga
"""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import Any

import pytest

from autodistillation import AutoDistillation, Study

TABLE = Path(__file__).parents[3] / "shared/bench/tables/nb201.csv"
REFERENCE = {0: {20: 0.92232, 50: 0.9771, 100: 0.99095}, 1: {20: 0.97634, 50: 0.97805, 100: 0.9821}}
DIMENSIONS = [f"op{at}" for at in range(6)]
MILLISECONDS_PER_TRIAL = 5.0

pytestmark = pytest.mark.skipif(not TABLE.is_file(), reason="no tables beside the repository")


class TimedSearch:
    """A search that counts the seconds of its proposals."""

    def __init__(self, search: Any) -> None:
        self._search, self.seconds = search, 0.0

    def ask(self) -> Any:
        begin = time.perf_counter()
        try:
            return self._search.ask()
        finally:
            self.seconds += time.perf_counter() - begin

    def __getattr__(self, name: str) -> Any:
        return getattr(self._search, name)


@pytest.fixture(scope="module")
def rows() -> dict[tuple[str, ...], tuple[float, float]]:
    with TABLE.open(encoding="utf-8") as file:
        found = csv.DictReader(file)
        value = lambda row: (float(row["cifar100_val_200ep_mean"]), float(row["lat_ms_fpga"]))  # noqa: E731
        return {tuple(row[name] for name in DIMENSIONS): value(row) for row in found}


def config(rows: Any, trials: int, seed: int) -> dict[str, Any]:
    space = {name: sorted({key[at] for key in rows}) for at, name in enumerate(DIMENSIONS)}
    goals = {"metrics": ["accuracy", "latency"], "higher_is_better": [True, False]}
    return {"search": {"search_space": space, **goals, "max_trials": trials, "seed": seed}}


def volume_of_table(rows: Any, reference: list[float]) -> float:
    """The hypervolume of all rows, by sweeping over latency."""
    total, best = 0.0, reference[0]
    for accuracy, latency in sorted(rows.values(), key=lambda row: (row[1], -row[0])):
        if accuracy > best:
            total += (accuracy - best) * (reference[1] - latency)
            best = accuracy
    return total


@pytest.mark.parametrize("seed", list(REFERENCE))
def test_the_search_finds_what_the_rust_benchmark_finds_and_adds_little_time(rows: Any, seed: int) -> None:
    reference = [min(row[0] for row in rows.values()), max(row[1] for row in rows.values())]
    whole = volume_of_table(rows, reference)
    agent = AutoDistillation(
        lambda architecture: tuple(architecture[name] for name in DIMENSIONS),
        config(rows, 100, seed),
        eval_func=lambda key: dict(zip(("accuracy", "latency"), rows[key])),
    )
    timed = TimedSearch(agent.study._search)
    agent.study._search = timed  # type: ignore[assignment]
    begin = time.perf_counter()
    agent.search_loop()
    extra = time.perf_counter() - begin - timed.seconds
    print(f"{1000 * extra / 100:.3f} ms a trial beyond {10 * timed.seconds:.1f} ms for its proposal")
    assert extra / 100 < MILLISECONDS_PER_TRIAL / 1000
    again = Study(config(rows, 100, seed))
    for number, trial in enumerate(agent.search_results, start=1):
        again.tell(replayed(again, trial), trial.metrics)
        if number in REFERENCE[seed]:
            assert again.hypervolume(reference) / whole == pytest.approx(REFERENCE[seed][number], abs=1.1e-5)


def replayed(study: Study, trial: Any) -> int:
    """The same trial asked of another study, which has seen the same."""
    asked = study.ask()
    assert asked is not None and asked.architecture == trial.architecture
    return asked.number


def test_a_study_on_disk_costs_a_few_milliseconds_a_trial(rows: Any, tmp_path: Path) -> None:
    settings = config(rows, 40, 0)
    settings["search"]["search_algorithm"] = "Random"
    agent = AutoDistillation(lambda architecture: architecture, settings, eval_func=lambda model: (1.0, 2.0))
    begin = time.perf_counter()
    agent.search(tmp_path)
    seconds = (time.perf_counter() - begin) / 40
    print(f"{1000 * seconds:.2f} ms a trial with its proposal and two writes that reach the disk")
    assert seconds < 0.1
