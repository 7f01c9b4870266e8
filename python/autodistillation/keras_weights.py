"""A Keras model of transformers as a folder that the engine reads: its config, and weights under PyTorch's names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np


def save_as_safetensors(model: Any, folder: Path) -> None:
    """Writes ``config.json`` and ``model.safetensors``; kernels are transposed to (out, in) as PyTorch keeps them."""
    from safetensors.numpy import save_file

    model.config.architectures = [_torch_name(model)]
    model.config.save_pretrained(str(folder))
    tensors = dict(_named(model, weight) for weight in model.weights)
    save_file(tensors, str(folder / "model.safetensors"), metadata={"format": "pt"})


def _named(model: Any, weight: Any) -> tuple[str, Any]:
    from transformers.modeling_tf_pytorch_utils import convert_tf_weight_name_to_pt_weight_name

    values = weight.numpy()
    name, transpose = convert_tf_weight_name_to_pt_weight_name(weight.name, "", values.shape)
    needs_transpose = getattr(transpose, "value", transpose) not in ("no", False)
    return name, np.ascontiguousarray(values.T if needs_transpose else values)


def _torch_name(model: Any) -> str:
    name = type(model).__name__
    return name[2:] if name.startswith("TF") else name
