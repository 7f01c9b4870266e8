"""Loads student folders with unpatched TensorFlow classes of transformers, and compares what they say.

    TF_USE_LEGACY_KERAS=1 python scripts/interop/load_tensorflow.py FOLDER… [--binary target/release/autodistillation]

For each folder with a tf_model.h5: the TFAutoModel of its head takes it without a missing or an unexpected weight, and its
logits (of texts or of tokens), or the probabilities of its answers or of its words for masks, agree with `autodistillation
predict --json` to the tolerance.
Needs: tensorflow-cpu 2.17, tf-keras 2.17, transformers 4.46 (the last versions with TensorFlow classes).
"""

import argparse
import json
import pathlib
import subprocess

import numpy
from transformers import (
    AutoTokenizer, TFAutoModelForMaskedLM, TFAutoModelForPreTraining, TFAutoModelForQuestionAnswering,
    TFAutoModelForSequenceClassification, TFAutoModelForTokenClassification,
)

AUTO_CLASSES = {
    "ForPreTraining": TFAutoModelForPreTraining,
    "ForMaskedLM": TFAutoModelForMaskedLM,
    "ForSequenceClassification": TFAutoModelForSequenceClassification,
    "ForTokenClassification": TFAutoModelForTokenClassification,
    "ForQuestionAnswering": TFAutoModelForQuestionAnswering,
}

LINES = [
    "the plot was hardly dull .",
    "although the music was weak , i do truly enjoy the cast .",
    "a warm film",
    "warm cast",
    "nobody calls the script original . my sister saw it on a monday .",
]


def predictions(folder, lines, options):
    command = [options.binary, "predict", str(folder), "--json"]
    text = "".join(f"{line}\n" for line in lines)
    answer = subprocess.run(command, input=text, check=True, stdout=subprocess.PIPE, text=True, encoding="utf8").stdout
    answer = json.loads(answer)
    return answer["predictions"] if isinstance(answer, dict) else answer


def of_texts(network, tokenizer, lines, said):
    inputs = tokenizer(lines, padding=True, return_tensors="np")
    return numpy.abs(numpy.array([answer["logits"] for answer in said]) - network(**inputs).logits.numpy()).max()


def of_tokens(network, tokenizer, lines, said):
    apart = 0.0
    for line, answer in zip(lines, said):
        inputs = tokenizer(line.split(), is_split_into_words=True, return_tensors="np")
        apart = max(apart, numpy.abs(network(**inputs).logits.numpy().flatten() - numpy.array(answer["logits"])).max())
    return apart


def of_answers(network, tokenizer, lines, said):
    """The probability of the likeliest span of each text, or of there being no answer."""
    apart = 0.0
    for line, answer in zip(lines, said):
        pair = line.split("\t")
        inside = [segment == 1 for segment in tokenizer(*pair).sequence_ids()]
        outputs = network(**tokenizer(*pair, return_tensors="np"))
        shares = [numpy.exp(scores.numpy()[0].astype(float)) for scores in (outputs.start_logits, outputs.end_logits)]
        starts, ends = (share / share.sum() for share in shares)
        spans = [(first, last) for first in range(len(inside)) for last in range(first, len(inside)) if all(inside[first : last + 1])]
        best = max(starts[first] * ends[last] for first, last in spans) if answer["label"] else starts[0] * ends[0]
        apart = max(apart, abs(best - answer["probabilities"][answer["label"]]))
    return apart


def of_words(network, tokenizer, lines, said):
    """The probabilities of words for the mask of each line."""
    words, apart = tokenizer.convert_ids_to_tokens(range(network.config.vocab_size)), 0.0
    for line, answer in zip(lines, said):
        inputs = tokenizer(line, return_tensors="np")
        outputs = network(**inputs)
        scores = outputs.logits if hasattr(outputs, "logits") else outputs.prediction_logits
        place = inputs["input_ids"][0].tolist().index(tokenizer.mask_token_id)
        shares = numpy.exp(scores.numpy()[0, place].astype(float))
        theirs = dict(zip(words, shares / shares.sum()))
        assert answer["probabilities"], f"no words for {line}"
        apart = max([apart, *(abs(theirs[word] - share) for word, share in answer["probabilities"].items())])
    return apart


def asked(head, tokenizer, longest):
    """What is asked about each line, as far as it is no longer than the network reads."""
    if head == "ForQuestionAnswering":
        lines = [f"{line}\t{line}" for line in LINES]  # The question is the text itself.
    elif head in ("ForPreTraining", "ForMaskedLM"):
        lines = [f"{tokenizer.mask_token} {line.split(' ', 1)[1]}" for line in LINES]
    else:
        lines = LINES
    return [line for line in lines if len(tokenizer(*line.split("\t"))["input_ids"]) <= longest]


COMPARED = {
    "ForPreTraining": of_words, "ForMaskedLM": of_words, "ForQuestionAnswering": of_answers,
    "ForSequenceClassification": of_texts, "ForTokenClassification": of_tokens,
}


def check(folder, options):
    [name] = json.loads((folder / "config.json").read_text())["architectures"]
    head = next(head for head in AUTO_CLASSES if name.endswith(head))
    network, loading = AUTO_CLASSES[head].from_pretrained(folder, output_loading_info=True)
    # Dropout has no weights; transformers lists the layers that it makes outside the network.
    kept = {name: [key for key in keys if not key.startswith("dropout_")] for name, keys in loading.items()}
    differences = {name: sorted(keys) for name, keys in kept.items() if keys}
    assert not differences, f"{folder}: weights differ from the config's: {differences}"
    # Byte-level tokenizers take words one by one only so.
    tokenizer = AutoTokenizer.from_pretrained(folder, **({"add_prefix_space": True} if head == "ForTokenClassification" else {}))
    longest = tokenizer.model_max_length if tokenizer.model_max_length < 1e6 else network.config.max_position_embeddings
    lines = asked(head, tokenizer, longest)
    assert lines, f"{folder}: every line is too long"
    difference = COMPARED[head](network, tokenizer, lines, predictions(folder, lines, options))
    assert difference <= options.tolerance, f"{folder}: answers differ by {difference}"
    print(f"{folder}: {type(network).__name__}, {len(lines)} texts within {difference:.1e}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=pathlib.Path, nargs="+")
    parser.add_argument("--binary", default="target/release/autodistillation")
    parser.add_argument("--tolerance", type=float, default=1e-4)
    options = parser.parse_args()
    for folder in options.folders:
        check(folder, options)


if __name__ == "__main__":
    main()
