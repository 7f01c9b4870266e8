"""Opens a study store with the real Optuna and prints what Optuna sees, as JSON.

Usage: python3 scripts/check_optuna.py STUDY_DB

Fails when a table differs from what this Optuna creates, or when Optuna cannot load the study, list its
best trials or continue it (tried on a copy). The data frame is checked where pandas is installed.
"""

import contextlib
import json
import math
import pathlib
import sqlite3
import sys
import tempfile

import optuna
import sqlalchemy


@sqlalchemy.event.listens_for(sqlalchemy.engine.Engine, "connect")
def do_not_wait_for_the_disk(connection, _record):
    """What is written here is thrown away."""
    connection.execute("PRAGMA synchronous = OFF")


def url(path):
    return f"sqlite:///{path}"


def tables(path):
    """Columns (name, type, not null, primary key) and unique column sets of every table of Optuna."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {}
        for name in names:
            columns = [(c[1], c[2], c[3], c[5]) for c in connection.execute(f"PRAGMA table_info({name})")]
            unique = []
            for index in list(connection.execute(f"PRAGMA index_list({name})")):
                covered = [c[2] for c in connection.execute(f"PRAGMA index_info({index[1]})")]
                unique.append((covered, bool(index[2])))
            keys = sorted((key[2], key[3], key[4]) for key in connection.execute(f"PRAGMA foreign_key_list({name})"))
            found[name] = {"columns": columns, "indexes": sorted(unique), "foreign keys": keys}
        return found


def versions(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        schema = connection.execute("SELECT schema_version FROM version_info").fetchall()
        revision = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        return schema, revision


def check_schema(path, folder):
    fresh = pathlib.Path(folder, "fresh.db")
    optuna.create_study(storage=url(fresh))
    expected, found = tables(fresh), tables(path)
    for name, table in expected.items():
        assert name in found, f"table {name} is missing"
        for part, value in table.items():
            assert found[name][part] == value, f"{part} of {name}: {found[name][part]} instead of {value}"
    own = sorted(set(found) - set(expected))
    assert all(name.startswith("autodistillation_") for name in own), own
    assert versions(path) == versions(fresh), versions(path)


def check_continuing(path, folder, name):
    copy = pathlib.Path(folder, "copy.db")
    with contextlib.closing(sqlite3.connect(path)) as source, contextlib.closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    study = optuna.load_study(study_name=name, storage=url(copy))
    before = study.trials
    trial = study.ask(before[0].distributions if before else {})
    study.tell(trial, [0.0] * len(study.directions))
    assert study.trials[-1].number == len(before), "the next trial has a number of its own"


def check_data_frame(study):
    try:
        import pandas  # noqa: F401
    except ImportError:
        return "skipped: no pandas"
    frame = study.trials_dataframe()
    assert len(frame) == len(study.trials), f"{len(frame)} rows for {len(study.trials)} trials"
    return list(frame.columns)


def number(value):
    return value if math.isfinite(value) else str(value)


def main(path):
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    (summary,) = optuna.get_all_study_summaries(storage=url(path))
    with tempfile.TemporaryDirectory() as folder:
        check_schema(path, folder)
        check_continuing(path, folder, summary.study_name)
    study = optuna.load_study(study_name=summary.study_name, storage=url(path))
    trials = study.trials
    return {
        "optuna": optuna.__version__,
        "name": study.study_name,
        "metric_names": study.metric_names,
        "directions": [direction.name for direction in study.directions],
        "states": [trial.state.name for trial in trials],
        "values": [trial.values and [number(value) for value in trial.values] for trial in trials],
        "params": [trial.params for trial in trials],
        "distributions": [{name: list(kind.choices) for name, kind in trial.distributions.items()} for trial in trials],
        "intermediate_values": [trial.intermediate_values for trial in trials],
        "user_attrs": [trial.user_attrs for trial in trials],
        "seconds": [None if trial.duration is None else trial.duration.total_seconds() for trial in trials],
        "best_trials": [trial.number for trial in study.best_trials],
        "data_frame": check_data_frame(study),
    }


if __name__ == "__main__":
    if len(sys.argv) != 2 or not pathlib.Path(sys.argv[1]).is_file():
        sys.exit(__doc__)
    print(json.dumps(main(pathlib.Path(sys.argv[1])), indent=2))
