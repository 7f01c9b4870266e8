"""What a search optimises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional


@dataclass(frozen=True)
class Metric:
    """A metric by name and the direction that is better.

    >>> Metric(name="eval_loss", greater_is_better=False)
    Metric(name='eval_loss', greater_is_better=False)
    """

    name: str
    """As ``eval_func`` returns it. The built-in evaluation knows ``accuracy``, ``f1``, ``matthews``, ``pearson``,
    ``spearman``, ``loss``, ``latency`` (ms), ``parameters``, ``flops`` and ``size_mb``, each with or without ``eval_``."""
    greater_is_better: Optional[bool] = None
    """``None``: the natural direction of a metric that the built-in evaluation knows, up for any other."""

    def to_config(self) -> dict[str, Any]:
        """The metric in the document's form."""
        if self.greater_is_better is None:
            return {"name": self.name}
        return {"name": self.name, "greater_is_better": self.greater_is_better}
