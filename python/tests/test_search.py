"""Advanced mode: the loop, its attributes, its store, and what happens when the user's functions misbehave."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import pytest
from conftest import config, evaluate

import autodistillation
from autodistillation import (
    AutoDistillation,
    ConfigError,
    ForkedProcessError,
    MetricsError,
    NoCompletedTrialError,
    Study,
    StudyError,
)


def test_the_loop_returns_the_pareto_front_and_keeps_every_trial(agent: AutoDistillation) -> None:
    best = agent.search_loop()
    assert best == agent.best_model_archs == agent.best_model_arch
    trials = agent.search_results
    assert [trial.number for trial in trials] == list(range(8)) and agent.search_result == trials
    scores = [(trial.metrics["accuracy"], -trial.metrics["latency"]) for trial in trials]
    dominated = lambda own: any(other != own and other[0] >= own[0] and other[1] >= own[1] for other in scores)  # noqa: E731
    assert best == [trial.architecture for trial, own in zip(trials, scores) if not dominated(own)]
    assert agent.search_space == {"width": [1, 2, 3, 4], "depth": [1, 2, 3]}
    assert (agent.advisor.name, agent.advisor.seed) == ("BO", 3)
    assert agent.search_loop() == best and len(agent.search_results) == 8


def test_the_same_seed_gives_the_same_search_and_another_seed_another(agent: AutoDistillation) -> None:
    agent.search_loop()
    again = AutoDistillation(dict, config(), eval_func=evaluate)
    other = AutoDistillation(dict, config(seed=5), eval_func=evaluate)
    again.search_loop()
    other.search_loop()
    assert again.search_results == agent.search_results != other.search_results


def test_train_func_stands_between_builder_and_evaluation() -> None:
    calls: list[str] = []

    def train(model: dict[str, int]) -> dict[str, int]:
        calls.append("train")
        return {**model, "width": model["width"] + 10}

    agent = AutoDistillation(dict, config(max_trials=1))
    agent.train_func = train
    agent.eval_func = lambda model: {"accuracy": model["width"], "latency": 1.0}
    agent.search_loop()
    assert agent.search_results[0].metrics["accuracy"] == agent.search_results[0].architecture["width"] + 10
    agent = AutoDistillation(dict, config(max_trials=1), train_func=lambda model: None, eval_func=evaluate)
    assert len(agent.search_loop()) == 1, "a train_func that returns nothing trained in place"


def test_an_exception_is_a_failed_trial_with_its_traceback() -> None:
    def builder(architecture: dict[str, int]) -> dict[str, int]:
        if architecture["width"] == 2:
            raise ValueError("width 2 is\ncursed")
        return architecture

    agent = AutoDistillation(builder, config(max_trials=12), eval_func=evaluate)
    agent.search_loop()
    failed = [trial for trial in agent.search_results if trial.state == "failed"]
    assert [trial.architecture["width"] for trial in failed] == [2, 2, 2]
    assert failed[0].reason == "ValueError: width 2 is cursed"
    assert failed[0].traceback is not None and 'raise ValueError("width 2' in failed[0].traceback
    assert "agent.py" not in failed[0].traceback


@pytest.mark.parametrize(
    ("returned", "reason"),
    [
        (None, "eval_func returned None"),
        ("fine", "eval_func returned 'fine' (str)"),
        (0.5, "eval_func returned 0.5 (float)"),
        ([1.0, 2.0, 3.0], "3 values for the 2 metrics accuracy, latency"),
        ({"accuracy": "high", "latency": 1}, "metric `accuracy` is 'high' (str)"),
        ({"accuracy": None, "latency": 1}, "metric `accuracy` is None (NoneType)"),
        ({1: 2.0}, "the metric name 1 is no text"),
        ({"accuracy": 1.0}, "the evaluation returned no metric `latency`"),
        ({"accuracy": float("nan"), "latency": 1}, "metric `accuracy` is NaN"),
        ({"accuracy": 1.0, "latency": float("inf")}, "metric `latency` is inf"),
    ],
)
def test_what_eval_func_may_not_return_fails_the_trial_and_says_why(returned: Any, reason: str) -> None:
    agent = AutoDistillation(dict, config(max_trials=2), eval_func=lambda model: returned)
    with pytest.raises(NoCompletedTrialError) as caught:
        agent.search_loop()
    assert len(caught.value.reasons) == 1 and reason in caught.value.reasons[0]
    assert [trial.state for trial in agent.search_results] == ["failed", "failed"]


def test_metrics_go_by_name_and_sequences_by_the_order_of_the_config() -> None:
    by_name = AutoDistillation(dict, config(), eval_func=lambda model: dict(reversed(evaluate(model).items())))
    by_place = AutoDistillation(dict, config(), eval_func=lambda model: tuple(evaluate(model).values()))
    by_name.search_loop()
    by_place.search_loop()
    assert by_name.search_results == by_place.search_results
    single = AutoDistillation(dict, config(metrics=["accuracy"], higher_is_better=[True]), eval_func=lambda model: 0.5)
    single.search_loop()
    assert single.search_results[0].metrics == {"accuracy": 0.5}


def test_one_step_at_a_time(agent: AutoDistillation) -> None:
    architecture = agent.model_arch_proposition()
    assert architecture is not None and agent.search_results[0].state == "running"
    assert agent.train_evaluate(architecture) == evaluate(architecture)
    assert agent.search_results[0].state == "completed"
    assert agent.train_evaluate({"width": 4, "depth": 3}) == {"accuracy": 12.0, "latency": 3.0}
    assert len(agent.search_results) == 1, "an architecture that nobody proposed is measured, not remembered"
    agent.eval_func = lambda model: 1 / 0
    architecture = agent.model_arch_proposition()
    assert architecture is not None
    with pytest.raises(ZeroDivisionError):
        agent.train_evaluate(architecture)
    assert agent.search_results[1].reason == "ZeroDivisionError: division by zero"
    agent.eval_func = lambda model: "no"
    architecture = agent.model_arch_proposition()
    assert architecture is not None
    with pytest.raises(MetricsError):
        agent.train_evaluate(architecture)


def test_a_missing_function_stops_the_search_and_loses_no_trial() -> None:
    agent = AutoDistillation(dict, config())
    with pytest.raises(ValueError, match="eval_func is not set"):
        agent.search_loop()
    agent.eval_func = evaluate
    agent.search_loop()
    assert [trial.number for trial in agent.search_results] == list(range(8))
    assert all(trial.state == "completed" for trial in agent.search_results)


def test_every_problem_of_a_config_is_listed() -> None:
    with pytest.raises(ConfigError) as caught:
        Study(config(max_trials=0, higher_is_better=[True], search_algorithm="BOO"))
    paths = [problem.key_path for problem in caught.value.problems]
    assert len(paths) == 3 and "auto_distillation.search.max_trials" in paths
    assert all(problem.line is None for problem in caught.value.problems), "a dict has no lines"
    assert str(caught.value).count("\n") == 2 and isinstance(caught.value, ValueError)


def test_a_config_file_is_read_and_its_problems_have_places(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("model: {name: s, framework: pytorch}\nauto_distillation:\n  search: {search_space: {w: [1, 2]}}\n")
    assert Study(path).search_space == {"w": [1, 2]}
    path.write_text("auto_distillation:\n  search: {search_space: {w: [1, 2]}, sead: 3}\n")
    with pytest.raises(ConfigError, match="did you mean `seed`") as caught:
        Study(str(path))
    assert caught.value.problems[0].line == 2 and caught.value.origin == str(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        Study(tmp_path / "nowhere.yaml")
    with pytest.raises(ConfigError, match="has no place in a config"):
        Study(config(seed=object()))


def test_a_study_in_a_folder_goes_on_in_a_new_process_and_optuna_can_read_it(tmp_path: Path) -> None:
    whole = AutoDistillation(dict, config(), eval_func=evaluate)
    whole.search_loop()
    interrupted = AutoDistillation(dict, config(), eval_func=interrupting(after=3))
    with pytest.raises(KeyboardInterrupt):
        interrupted.search(tmp_path)
    assert [trial.state for trial in interrupted.search_results] == ["completed"] * 3 + ["running"]
    del interrupted
    script = f"""
        import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
        from conftest import config, evaluate
        from autodistillation import AutoDistillation
        print(AutoDistillation(dict, config(), eval_func=evaluate).search({str(tmp_path)!r}))
    """
    printed = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == str(whole.best_model_archs)
    resumed = AutoDistillation(dict, config(), eval_func=evaluate, output_dir=tmp_path)
    assert resumed.search_results == whole.search_results
    front = json.loads((tmp_path / "pareto.json").read_text())
    assert [trial["architecture"] for trial in front["trials"]] == whole.best_model_archs
    states = sqlite3.connect(tmp_path / "study.db").execute("SELECT state, COUNT(*) FROM trials GROUP BY state")
    assert states.fetchall() == [("COMPLETE", 8)]


def interrupting(after: int) -> Any:
    calls: list[int] = []

    def evaluated(model: dict[str, int]) -> dict[str, float]:
        calls.append(1)
        if len(calls) > after:
            raise KeyboardInterrupt
        return evaluate(model)

    return evaluated


def test_an_interrupted_search_in_memory_goes_on_with_the_trial_it_left(agent: AutoDistillation) -> None:
    whole = AutoDistillation(dict, config(), eval_func=evaluate)
    whole.search_loop()
    agent.eval_func = interrupting(after=2)
    with pytest.raises(KeyboardInterrupt):
        agent.search_loop()
    agent.eval_func = evaluate
    agent.search_loop()
    assert agent.search_results == whole.search_results


def test_control_c_from_outside_ends_the_search_at_once(tmp_path: Path) -> None:
    script = f"""
        import signal, sys, threading; sys.path.insert(0, {str(Path(__file__).parent)!r})
        signal.signal(signal.SIGINT, signal.default_int_handler)  # Shells start background jobs without it.
        from conftest import config
        from autodistillation import AutoDistillation
        def evaluate(model):
            print("evaluating", flush=True)
            threading.Event().wait(60)
        AutoDistillation(dict, config(), eval_func=evaluate).search({str(tmp_path)!r})
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "evaluating\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert "KeyboardInterrupt" in errors and process.returncode in (1, -signal.SIGINT, 130)
    assert [trial.state for trial in Study(config(), tmp_path).trials] == ["running"]


def test_one_folder_has_one_search_at_a_time_and_one_config(tmp_path: Path) -> None:
    first = Study(config(), tmp_path)
    with pytest.raises(StudyError, match="in use by another run"):
        Study(config(), tmp_path)
    assert Study(config(), tmp_path / "other").trials == []
    del first
    with pytest.raises(StudyError, match="seed: 3 in the study, 5 now"):
        Study(config(seed=5), tmp_path)
    assert len(Study(config(max_trials=20), tmp_path)) == 0, "the number of trials may change"


def test_two_searches_at_once_do_not_meet(agent: AutoDistillation) -> None:
    other = AutoDistillation(dict, config(seed=9), eval_func=evaluate)
    threads = [threading.Thread(target=search.search_loop) for search in (agent, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    alone = AutoDistillation(dict, config(seed=9), eval_func=evaluate)
    alone.search_loop()
    assert other.search_results == alone.search_results and len(agent.search_results) == 8


def test_one_search_runs_in_one_thread_at_a_time() -> None:
    inside, refused = threading.Event(), []

    def evaluated(model: dict[str, int]) -> dict[str, float]:
        if not inside.is_set():
            inside.set()
            with pytest.raises(StudyError, match="already runs") as caught:
                agent.search_loop()
            refused.append(caught)
        return evaluate(model)

    agent = AutoDistillation(dict, config(), eval_func=evaluated)
    agent.search_loop()
    assert len(refused) == 1 and len(agent.search_results) == 8


def test_callbacks_may_use_threads(agent: AutoDistillation) -> None:
    def evaluated(model: dict[str, int]) -> dict[str, float]:
        found: list[dict[str, float]] = []
        thread = threading.Thread(target=lambda: found.append(evaluate(model)))
        thread.start()
        thread.join()
        assert len(agent.search_results) > 0, "the study can be read meanwhile"
        return found[0]

    agent.eval_func = evaluated
    assert agent.search_loop()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_cannot_write_to_its_parents_study(tmp_path: Path) -> None:
    script = f"""
        import os, sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
        from conftest import config, evaluate
        from autodistillation import AutoDistillation, ForkedProcessError
        def evaluated(model):
            child = os.fork()
            if child == 0:
                try:
                    agent.study.ask()
                except ForkedProcessError:
                    sys.exit(7)  # An ordinary end, which runs every destructor.
                os._exit(1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
            return evaluate(model)
        agent = AutoDistillation(dict, config(max_trials=3), eval_func=evaluated)
        try:
            agent.search({str(tmp_path)!r})
        except ForkedProcessError:
            sys.exit(7)  # The child's own loop.
        print(len(agent.search_results))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=60)
    assert done.stdout == "3\n" and done.returncode == 0, done.stderr
    assert [trial.state for trial in Study(config(max_trials=3), tmp_path).trials] == ["completed"] * 3
    assert issubclass(ForkedProcessError, StudyError)


def test_the_interpreter_can_end_while_a_search_runs(tmp_path: Path) -> None:
    script = f"""
        import sys, threading; sys.path.insert(0, {str(Path(__file__).parent)!r})
        from conftest import config, evaluate
        from autodistillation import AutoDistillation
        begun = threading.Event()
        def evaluated(model):
            begun.set()
            return evaluate(model)
        space = {{f"d{{i}}": [1, 2, 3, 4] for i in range(6)}}
        agent = AutoDistillation(lambda a: {{"width": 1, "depth": a["d0"]}}, config(search_space=space, max_trials=4000), eval_func=evaluated)
        threading.Thread(target=agent.search, args=({str(tmp_path)!r},), daemon=True).start()
        begun.wait()
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_the_package_imports_nothing_heavy() -> None:
    heavy = ("torch", "tensorflow", "transformers", "numpy", "pandas", "matplotlib")
    script = f"import sys, autodistillation; print([name for name in {heavy!r} if name in sys.modules])"
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "[]"
    with pytest.raises(AttributeError, match="no attribute `?'?Nothing"):
        getattr(autodistillation, "Nothing")


def test_the_framework_is_one_of_two(agent: AutoDistillation) -> None:
    agent.framework = "tensorflow"
    assert "tensorflow" in repr(agent)
    with pytest.raises(ValueError, match="use one of pytorch, tensorflow"):
        AutoDistillation(dict, config(), framework="jax")
