"""Exports every Pareto student of a finished run as ONNX, and compares ONNX Runtime with transformers.

    python scripts/interop/run_onnx.py RUN|NETWORK… [--binary target/release/autodistillation] [--tolerance 1e-4]

For each student (or network folder): `autodistillation export … --format onnx` writes a file that onnx.checker accepts;
its inputs are those of the family's tokenizer; its outputs (of texts, of tokens, of the first and the last token of
answers, or of words and of what follows) have the names of transformers and agree with those of the Hugging Face folder to
the tolerance (a part of the largest logit where that is above 1) at several batch sizes and lengths, with padding; it holds
each parameter once, and carries the labels of the config, where it is no language model.
Needs: torch, transformers, onnx, onnxruntime.
"""

import argparse
import json
import pathlib
import subprocess
import tempfile

import numpy
import onnx
import onnxruntime
import torch
from transformers import (
    AutoModelForMaskedLM, AutoModelForPreTraining, AutoModelForQuestionAnswering, AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

AUTO_CLASSES = {
    "ForSequenceClassification": AutoModelForSequenceClassification,
    "ForTokenClassification": AutoModelForTokenClassification,
    "ForQuestionAnswering": AutoModelForQuestionAnswering,
    "ForMaskedLM": AutoModelForMaskedLM,
    "ForPreTraining": AutoModelForPreTraining,
}
LANGUAGE_MODELS = ["ForMaskedLM", "ForPreTraining"]
# The outputs that say something of each token, and those of each text.
OF_TOKENS = {
    "ForTokenClassification": ["logits"],
    "ForQuestionAnswering": ["start_logits", "end_logits"],
    "ForMaskedLM": ["logits"],
    "ForPreTraining": ["prediction_logits"],
}
OF_TEXTS = {"ForSequenceClassification": ["logits"], "ForPreTraining": ["seq_relationship_logits"]}
SHAPES = [(1, 2), (1, 17), (2, 5), (7, 32), (32, 11)]


def sources(path):
    """(what `export` is asked for, Hugging Face folder) of a run's students, or of one network folder."""
    if not (path / "pareto.json").exists():
        return [([str(path)], path)]
    front = json.loads((path / "pareto.json").read_text())
    assert front["trials"], f"{path}: the front is empty"
    return [([str(path), "--trial", str(trial["number"])], path / trial["student"]) for trial in front["trials"]]


def inputs(shape, network, generator):
    """Random tokens, rows of different lengths, two segments."""
    batch, length = shape
    ids = generator.integers(5, network.config.vocab_size, shape)
    lengths = generator.integers(1, length + 1, batch)
    lengths[0] = length
    mask = (numpy.arange(length) < lengths[:, None]).astype(numpy.int64)
    ids = numpy.where(mask == 1, ids, network.config.pad_token_id)
    segments = (numpy.arange(length) >= lengths[:, None] // 2) * mask
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": segments}


def check(arguments, folder, options):
    [name] = json.loads((folder / "config.json").read_text())["architectures"]
    head = next(head for head in AUTO_CLASSES if name.endswith(head))
    network = AUTO_CLASSES[head].from_pretrained(folder).float().eval()
    of_tokens = OF_TOKENS.get(head, [])
    outputs = of_tokens + OF_TEXTS.get(head, [])
    with tempfile.TemporaryDirectory() as place:
        to = pathlib.Path(place) / "exported"
        command = [options.binary, "export", *arguments, "--to", str(to), "--format", "onnx"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        path = to / "model.onnx"
        onnx.checker.check_model(path, full_check=True)
        held = sum(int(numpy.prod(tensor.dims)) for tensor in onnx.load(path).graph.initializer if tensor.data_type == 1
                   and tensor.dims)
        session = onnxruntime.InferenceSession(path)
    ports = {port.name for port in session.get_inputs()}
    segments = (getattr(network.config, "type_vocab_size", 0) or 0) > 1
    assert ports == {"input_ids", "attention_mask"} | ({"token_type_ids"} if segments else set()), ports
    assert [port.name for port in session.get_outputs()] == outputs, outputs
    assert held <= network.num_parameters(), f"{folder}: {held} weights for {network.num_parameters()} parameters"
    described = session.get_modelmeta().custom_metadata_map
    assert described["architecture"] == name, described
    if head in LANGUAGE_MODELS:
        assert "id2label" not in described, described
    else:
        labels = json.loads(described["id2label"])
        assert {int(key): name for key, name in labels.items()} == network.config.id2label, labels
    generator, worst = numpy.random.default_rng(0), 0.0
    first = network.config.pad_token_id + 1 if network.config.model_type == "roberta" else 0
    longest = network.config.max_position_embeddings - first
    for batch, length in SHAPES:
        shape = (batch, min(length, longest))
        given = {name: value for name, value in inputs(shape, network, generator).items() if name in ports}
        with torch.no_grad():
            expected = network(**{name: torch.from_numpy(value) for name, value in given.items()})
        for output, found in zip(outputs, session.run(outputs, given)):
            wanted = expected[output].numpy()
            assert found.shape == wanted.shape, (found.shape, wanted.shape)
            apart = numpy.abs(found - wanted)
            if output in of_tokens:  # Nobody reads what padding says.
                apart = apart[given["attention_mask"] == 1]
            worst = max(worst, float(apart.max()) / max(1.0, float(numpy.abs(wanted).max())))
    assert worst <= options.tolerance, f"{folder}: ONNX Runtime's logits differ by {worst}"
    print(f"{folder}: ONNX Runtime's logits at {len(SHAPES)} shapes within {worst:.1e}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", type=pathlib.Path, nargs="+", metavar="RUN|NETWORK")
    parser.add_argument("--binary", default="target/release/autodistillation")
    parser.add_argument("--tolerance", type=float, default=1e-4)
    options = parser.parse_args()
    for path in options.paths:
        for arguments, folder in sources(path):
            check(arguments, folder, options)


if __name__ == "__main__":
    main()
