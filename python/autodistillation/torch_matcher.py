"""The feature matcher of torch features, a module whose parameters an optimiser can train."""

from __future__ import annotations

from typing import Any

import torch


class TorchFeatureMatcher(torch.nn.Module):  # type: ignore[misc, unused-ignore]
    """x · weight + bias with weight (student width, teacher width)."""

    def __init__(self, weight: Any, feature: Any) -> None:
        """The map with these weights, of the type and on the device of ``feature``."""
        super().__init__()
        values = torch.as_tensor(weight, dtype=feature.dtype, device=feature.device)
        self.weight = torch.nn.Parameter(values)
        self.bias = torch.nn.Parameter(values.new_zeros(values.shape[1]))

    def forward(self, rows: Any) -> Any:
        """(…, student width) → (…, teacher width)."""
        return rows @ self.weight + self.bias
