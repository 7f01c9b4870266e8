"""What the tests share: configs in the document's form, and functions in place of the user's."""

from __future__ import annotations

from typing import Any

import pytest


def config(**search: Any) -> dict[str, Any]:
    """A small search of two goals."""
    return {
        "search": {
            "search_space": {"width": [1, 2, 3, 4], "depth": [1, 2, 3]},
            "metrics": ["accuracy", "latency"],
            "higher_is_better": [True, False],
            "max_trials": 8,
            "seed": 3,
            **search,
        }
    }


def evaluate(architecture: dict[str, int]) -> dict[str, float]:
    """Metrics in closed form."""
    return {"accuracy": architecture["width"] * architecture["depth"], "latency": float(architecture["depth"])}


@pytest.fixture
def agent() -> Any:
    """A search whose models are their architectures."""
    from autodistillation import AutoDistillation

    return AutoDistillation(lambda architecture: architecture, config(), eval_func=evaluate)
