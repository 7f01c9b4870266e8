"""Makes folders of small networks with tokenizers, one for each family and head, to be exported and compared.

    python scripts/interop/networks.py FOLDER

They are the networks of crates/models/tests/fixtures with more positions (their rows again) and a vocabulary of words, for
RoBERTa one of letters. Needs: numpy, safetensors.
"""

import json
import pathlib
import sys

import numpy
from safetensors.numpy import load_file, save_file

FIXTURES = pathlib.Path(__file__).resolve().parents[2] / "crates/models/tests/fixtures"
POSITIONS = 48
WORDS = "the plot was hardly dull . although music weak , i do truly enjoy cast a warm film nobody calls script original".split()
LETTERS = list("abcdefghijklmnoprstuvwy.,")


def write_vocabulary(folder, size, family):
    if family == "roberta":
        pieces = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "Ġ", *LETTERS]
        (folder / "merges.txt").write_text("#version: 0.2\n")
        (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "RobertaTokenizer"}))
    else:
        pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    pieces += [f"piece{number}" for number in range(size - len(pieces))]
    assert len(pieces) == size, f"{family}: {size} words are too few"
    if family == "roberta":
        (folder / "vocab.json").write_text(json.dumps({piece: number for number, piece in enumerate(pieces)}))
    else:
        (folder / "vocab.txt").write_text("\n".join(pieces) + "\n")


def make(fixture, folder):
    folder.mkdir(parents=True, exist_ok=True)
    config = json.loads((fixture / "config.json").read_text())
    tensors = load_file(fixture / "model.safetensors")
    for name, tensor in tensors.items():
        if name.endswith("position_embeddings.weight"):
            tensors[name] = numpy.ascontiguousarray(numpy.resize(tensor, (POSITIONS, tensor.shape[1])))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps({**config, "max_position_embeddings": POSITIONS}))
    write_vocabulary(folder, config["vocab_size"], config["model_type"])


if __name__ == "__main__":
    for path in sorted(FIXTURES.glob("*/config.json")):
        make(path.parent, pathlib.Path(sys.argv[1]) / path.parent.name)
