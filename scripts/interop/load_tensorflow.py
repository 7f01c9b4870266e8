"""Loads student folders with unpatched TensorFlow classes of transformers, and compares what they say.

    TF_USE_LEGACY_KERAS=1 python scripts/interop/load_tensorflow.py FOLDER… [--binary target/release/autodistillation]

For each folder with a tf_model.h5: TFAutoModelForSequenceClassification.from_pretrained takes it without a missing or an
unexpected weight, and its logits agree with `autodistillation predict --json` to the tolerance.
Needs: tensorflow-cpu 2.17, tf-keras 2.17, transformers 4.46 (the last versions with TensorFlow classes).
"""

import argparse
import json
import pathlib
import subprocess

import numpy
from transformers import AutoTokenizer, TFAutoModelForSequenceClassification

LINES = [
    "the plot was hardly dull .",
    "although the music was weak , i do truly enjoy the cast .",
    "a warm film",
    "nobody calls the script original . my sister saw it on a monday .",
]


def check(folder, options):
    network, loading = TFAutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True)
    # Dropout has no weights; transformers lists the layers that it makes outside the network.
    kept = {name: [key for key in keys if not key.startswith("dropout_")] for name, keys in loading.items()}
    differences = {name: sorted(keys) for name, keys in kept.items() if keys}
    assert not differences, f"{folder}: weights differ from the config's: {differences}"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    longest = network.config.max_position_embeddings
    inputs = tokenizer(LINES, truncation=True, max_length=longest, padding=True, return_tensors="np")
    theirs = network(**inputs).logits.numpy()
    command = [options.binary, "predict", str(folder), "--json"]
    lines = "".join(f"{line}\n" for line in LINES)
    answer = subprocess.run(command, input=lines, check=True, stdout=subprocess.PIPE, text=True, encoding="utf8").stdout
    answer = json.loads(answer)
    predictions = answer["predictions"] if isinstance(answer, dict) else answer
    ours = numpy.array([prediction["logits"] for prediction in predictions])
    difference = numpy.abs(ours - theirs).max()
    assert difference <= options.tolerance, f"{folder}: logits differ by {difference}"
    print(f"{folder}: {type(network).__name__}, logits of {len(LINES)} texts within {difference:.1e}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=pathlib.Path, nargs="+")
    parser.add_argument("--binary", default="target/release/autodistillation")
    parser.add_argument("--tolerance", type=float, default=1e-5)
    options = parser.parse_args()
    for folder in options.folders:
        check(folder, options)


if __name__ == "__main__":
    main()
