"""The tutorial notebook, cell by cell, without Jupyter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("numpy")
matplotlib = pytest.importorskip("matplotlib")

NOTEBOOK = Path(__file__).parents[2] / "docs/tutorial.ipynb"


def test_every_cell_runs_in_its_order(capsys: pytest.CaptureFixture[str]) -> None:
    matplotlib.use("Agg")
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert len(code) > 5
    names: dict[str, Any] = {}
    for number, source in enumerate(code):
        exec(compile(source, f"cell {number}", "exec"), names)
    assert len(names["agent"].search_results) == 8
    assert names["figure"] is not None
    assert "8 students in" in capsys.readouterr().out
