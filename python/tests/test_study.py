"""Ask and tell, tables, pictures, reprs; configs and their classes."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from conftest import config, evaluate

from autodistillation import (
    AutoDistillation,
    AutoDistillationConfig,
    ConfigError,
    DistillationConfig,
    FlashDistillationConfig,
    Study,
    StudyError,
    TFDistillationConfig,
    metrics,
)


def told(**search: Any) -> Study:
    study = Study(config(**search))
    while (trial := study.ask()) is not None:
        if trial.number == 1:
            study.fail(trial.number, "OutOfMemory: no\nTraceback …")
        else:
            study.tell(trial.number, evaluate(trial.architecture))
    return study


def test_ask_and_tell_is_the_same_search_as_the_loop() -> None:
    study = Study(config())
    while (trial := study.ask()) is not None:
        assert study.tell(trial.number, evaluate(trial.architecture)).state == "completed"
    agent = AutoDistillation(dict, config(), eval_func=evaluate)
    agent.search_loop()
    assert study.trials == agent.search_results
    assert [trial.architecture for trial in study.best_trials] == agent.best_model_archs


def test_a_trial_is_told_once() -> None:
    study = Study(config())
    trial = study.ask()
    assert trial is not None
    study.give_back(trial.number)
    assert study.ask() == trial
    study.tell(trial.number, evaluate(trial.architecture))
    for misuse in (lambda: study.tell(0, {"accuracy": 1}), lambda: study.fail(5, "x"), lambda: study.give_back(0)):
        with pytest.raises(StudyError, match="is not running"):
            misuse()


def test_hypervolume_is_in_the_goals_units() -> None:
    study = Study(config(search_space={"width": [2], "depth": [3]}, max_trials=1))
    trial = study.ask()
    assert trial is not None
    study.tell(trial.number, evaluate(trial.architecture))
    assert study.hypervolume([0.0, 10.0]) == pytest.approx(6 * 7)
    with pytest.raises(ValueError, match="2 goals"):
        study.hypervolume([0.0])
    assert study.is_in_space({"depth": 3, "width": 2}) and not study.is_in_space({"depth": 4, "width": 2})


def test_the_table_of_trials() -> None:
    pandas = pytest.importorskip("pandas")
    frame = told().trials_dataframe()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == ["number", "state", "width", "depth", "accuracy", "latency", "reason"]
    assert len(frame) == 8 and frame["accuracy"].isna().sum() == 1
    assert frame["reason"][1] == "OutOfMemory: no"


def test_a_table_without_its_library_says_what_to_install() -> None:
    with pytest.raises(ImportError, match="needs no_such_library: install it with pip"):
        told().trials_dataframe("no_such_library")


def test_the_picture_of_the_front() -> None:
    pytest.importorskip("matplotlib")
    figure = told().plot("matplotlib")
    trials, front = figure.axes[0].collections
    assert len(trials.get_offsets()) == 7 and 0 < len(front.get_offsets()) < 7
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("latency", "accuracy")
    with pytest.raises(ValueError, match="use matplotlib or plotly"):
        told().plot("gnuplot")


def test_reprs_say_what_there_is() -> None:
    study = told()
    assert repr(Study(config())) == "Study(accuracy ↑, latency ↓; 12 architectures; no trial yet)"
    assert repr(study) == "Study(accuracy ↑, latency ↓; 12 architectures; 7 completed, 1 failed)"
    page = study._repr_html_()
    assert page.count("<tr") == 9 and "font-weight:bold" in page


CONFIGS = [
    AutoDistillationConfig(
        search_space={"hidden_size": [120, 240], "intermediate_size": [256, 512]},
        search_algorithm="BO",
        max_trials=3,
        metrics=[metrics.Metric(name="eval_loss", greater_is_better=False)],
        knowledge_transfer=TFDistillationConfig(
            train_steps=[3], loss_types=["CE", "CE"], loss_weights=[0.5, 0.5], temperature=1.0
        ),
        regular_distillation=TFDistillationConfig(
            train_steps=[3], loss_types=["CE", "CE"], loss_weights=[0.5, 0.5], temperature=1.0
        ),
    ),
    DistillationConfig({"KnowledgeDistillationLoss": {"temperature": 1.0}}),
    FlashDistillationConfig(block_names=["a.b"], train_steps=[5]),
    metrics.Metric("accuracy"),
]


@pytest.mark.parametrize("value", CONFIGS, ids=lambda value: type(value).__name__)
def test_configs_are_pickled_and_printed(value: Any) -> None:
    copy = pickle.loads(pickle.dumps(value))
    assert copy == value and copy is not value
    assert eval(repr(value), {**vars(__import__("autodistillation")), "Metric": metrics.Metric}) == value


def test_a_config_error_is_pickled() -> None:
    with pytest.raises(ConfigError) as caught:
        Study(config(max_trials=0))
    copy = pickle.loads(pickle.dumps(caught.value))
    assert str(copy) == str(caught.value) and copy.problems == caught.value.problems


def test_the_documents_tensorflow_config_is_a_search() -> None:
    agent = AutoDistillation(dict, CONFIGS[0], framework="tensorflow", eval_func=lambda model: {"eval_loss": 0.5})
    assert agent.search_space == {"hidden_size": [120, 240], "intermediate_size": [256, 512]}
    assert [(goal.metric, goal.greater_is_better) for goal in agent.study.goals] == [("eval_loss", False)]
    assert len(agent.search_loop()) == 3, "equal metrics all stay on the front"
    stages = agent.config["scheduler"]
    assert len(stages["stages"] if isinstance(stages, dict) else stages) == 2


def test_a_bound_is_kept_by_the_best() -> None:
    study = told(constraints={"max_latency": 1}, max_trials=12)
    assert {trial.architecture["depth"] for trial in study.best_trials} == {1}
