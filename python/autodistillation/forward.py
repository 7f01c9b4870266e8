"""Forward passes of anybody's models, and what comes out of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def logits_of(outputs: Any) -> Any:
    """The logits of a forward: an array as it is, ``.logits`` of a model output, the entry of a dict, or the first
    of a tuple."""
    if hasattr(outputs, "logits"):
        return outputs.logits
    if isinstance(outputs, Mapping):
        return outputs["logits"]
    return outputs[0] if isinstance(outputs, tuple) else outputs


def is_torch_module(model: Any) -> bool:
    """Whether a model is a ``torch.nn.Module``, without importing torch."""
    return hasattr(model, "named_modules") and hasattr(model, "state_dict")


def forward_without_gradient(model: Any, batch: Any) -> Any:
    """A model's outputs on a batch, in its evaluation mode where it has one, without a graph."""
    if not is_torch_module(model):
        return _called(model, batch)
    import torch

    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            return _called(model, batch)
    finally:
        model.train(was_training)


def _called(model: Any, batch: Any) -> Any:
    if isinstance(batch, Mapping):
        return model(**batch)
    return model(*batch) if isinstance(batch, (list, tuple)) else model(batch)
