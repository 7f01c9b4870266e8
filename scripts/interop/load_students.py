"""Loads every Pareto student of a finished run with unpatched transformers, and compares what it says.

    python scripts/interop/load_students.py RUN [--binary target/release/autodistillation] [--tolerance 1e-4]

For each folder of RUN/students: the AutoModel of its head takes it without a missing or an unexpected weight. A classifier's
accuracy on the run's validation (and test) file equals metrics.json, and its logits agree with `autodistillation predict
--json` to the tolerance; a language model gives masked words the same probabilities, and a student that answers questions
gives the same answers with the same probabilities. A run on generated data has no file, so that only the logits are
compared. Run it from the folder that the run was started in, since the run's paths are kept as they were.
Needs: torch, transformers.
"""

import argparse
import csv
import json
import pathlib
import subprocess
import sys

import torch
from transformers import (
    AutoModelForMaskedLM, AutoModelForPreTraining, AutoModelForQuestionAnswering, AutoModelForSequenceClassification,
    AutoModelForTokenClassification, AutoTokenizer,
)

COMPARED_LINES = 200
GENERATED_LINES = [
    "the plot was hardly dull .",
    "although the music was weak , i do truly enjoy the cast .",
    "it has such clumsy dialogue , but everybody calls the ending superb .",
    "nobody calls the script original . my sister saw it on a monday .",
]


def read_rows(path):
    """Rows of a data file by column name; tab-separated files have no quotes."""
    path = pathlib.Path(path)
    if path.suffix in (".jsonl", ".json"):
        return [json.loads(line) for line in path.read_text(encoding="utf8").splitlines() if line.strip()]
    if path.suffix == ".csv":
        with open(path, encoding="utf8", newline="") as file:
            return list(csv.DictReader(file))
    if path.suffix == ".tsv":
        header, *lines = path.read_text(encoding="utf8").rstrip("\n").split("\n")
        return [dict(zip(header.split("\t"), line.rstrip("\r").split("\t"))) for line in lines]
    sys.exit(f"{path}: this check reads tsv, csv and jsonl, not `{path.suffix}`")


def read_examples(files, part):
    """Texts (or pairs) and labels of one part of the run's data."""
    columns = [column for column in (files["text"], files["text_pair"]) if column]
    rows = read_rows(files[part])
    return [tuple(row[column] for column in columns) for row in rows], [row[files["label"]] for row in rows]


AUTO_CLASSES = {
    "ForPreTraining": AutoModelForPreTraining,
    "ForMaskedLM": AutoModelForMaskedLM,
    "ForTokenClassification": AutoModelForTokenClassification,
    "ForQuestionAnswering": AutoModelForQuestionAnswering,
    "ForSequenceClassification": AutoModelForSequenceClassification,
}


class Student:
    def __init__(self, folder):
        self.folder = folder
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        name = json.loads((folder / "config.json").read_text())["architectures"][0]
        self.head = next(head for head in AUTO_CLASSES if name.endswith(head))
        self.network, loading = AUTO_CLASSES[self.head].from_pretrained(folder, output_loading_info=True)
        self.network.float().eval()
        differences = {name: sorted(keys) for name, keys in loading.items() if keys}
        assert not differences, f"{folder}: weights differ from the config's: {differences}"
        self.metrics = json.loads((folder / "metrics.json").read_text())

    @torch.no_grad()
    def logits(self, texts, max_length):
        """(examples, classes), in batches of texts of like length."""
        order = sorted(range(len(texts)), key=lambda index: len(" ".join(texts[index])))
        found = [None] * len(texts)
        for begin in range(0, len(order), 64):
            chosen = order[begin : begin + 64]
            columns = [list(column) for column in zip(*(texts[index] for index in chosen))]
            inputs = self.tokenizer(*columns, truncation=True, max_length=max_length, padding=True, return_tensors="pt")
            for index, row in zip(chosen, self.network(**inputs).logits.float()):
                found[index] = row
        return torch.stack(found)

    def accuracy(self, texts, labels, max_length):
        names = {name: number for number, name in self.network.config.id2label.items()}
        targets = [names[label] if label in names else int(label) for label in labels]
        return (self.logits(texts, max_length).argmax(-1) == torch.tensor(targets)).double().mean().item()

    @torch.no_grad()
    def fillings(self, text):
        """The probabilities of all words for the first mask of a text, by word."""
        inputs = self.tokenizer(text, return_tensors="pt")
        outputs = self.network(**inputs)
        scores = outputs.prediction_logits if self.head == "ForPreTraining" else outputs.logits
        place = (inputs.input_ids[0] == self.tokenizer.mask_token_id).nonzero()[0, 0]
        shares = scores[0, place].double().softmax(-1).tolist()
        return dict(zip(self.tokenizer.convert_ids_to_tokens(range(len(shares))), shares))

    @torch.no_grad()
    def answer(self, question, context):
        """The likeliest span of at most 30 tokens of the context, with its probability, and what else is within 1e-6 of it."""
        inputs = self.tokenizer(question, context, return_tensors="pt", return_offsets_mapping=True)
        offsets = inputs.pop("offset_mapping")[0].tolist()
        inside = [segment == 1 for segment in inputs.sequence_ids(0)]
        outputs = self.network(**inputs)
        starts, ends = (scores[0].double().softmax(-1).tolist() for scores in (outputs.start_logits, outputs.end_logits))
        spans = [
            (starts[first] * ends[last], context[offsets[first][0] : offsets[last][1]])
            for first in range(len(inside)) for last in range(first, min(first + 30, len(inside)))
            if all(inside[first : last + 1])
        ]
        best = max(spans)
        return best[0], {text for share, text in spans if best[0] - share < 1e-6}

    def longest(self):
        return min(512, self.network.config.max_position_embeddings)


def predictions(binary, folder, texts):
    """What the command says to the same lines."""
    lines = "".join("\t".join(text) + "\n" for text in texts)
    command = [binary, "predict", str(folder), "--json"]
    answer = subprocess.run(command, input=lines, check=True, stdout=subprocess.PIPE, text=True, encoding="utf8").stdout
    answer = json.loads(answer)
    return answer["predictions"] if isinstance(answer, dict) else answer


def check_language_model(student, options):
    """Words for a mask, whatever the text was: the first of each generated line is hidden."""
    mask = student.tokenizer.mask_token
    lines = [f"{mask} {line.split(' ', 1)[1]}" for line in GENERATED_LINES]
    difference = 0.0
    for line, said in zip(lines, predictions(options.binary, student.folder, [(line,) for line in lines])):
        theirs = student.fillings(line)
        assert said["probabilities"], f"{student.folder}: no words for {line}"
        difference = max([difference, *(abs(theirs[word] - share) for word, share in said["probabilities"].items())])
        best = max(theirs.values()) - theirs[said["label"]]
        assert best <= options.tolerance, f"{student.folder}: {said['label']!r} is not the likeliest word for {line}"
    assert difference <= options.tolerance, f"{student.folder}: probabilities differ by {difference}"
    print(f"{student.folder}, words for {len(lines)} masks within {difference:.1e}")


def check_token_classifier(student, options):
    """Logits of every token, line by line: MobileBERT takes padding for the last token's neighbour."""
    difference = 0.0
    for line in GENERATED_LINES:
        (said,) = predictions(options.binary, student.folder, [(line,)])
        inputs = student.tokenizer(line.split(), is_split_into_words=True, return_tensors="pt")
        with torch.no_grad():
            theirs = student.network(**inputs).logits.flatten()
        difference = max(difference, (torch.tensor(said["logits"]) - theirs).abs().max().item())
    assert difference <= options.tolerance, f"{student.folder}: logits differ by {difference}"
    print(f"{student.folder}, logits of the tokens of {len(GENERATED_LINES)} texts within {difference:.1e}")


def check_answers(student, options):
    """Answers to two questions about each generated line; none is longer than a window."""
    lines = [(question, line) for line in GENERATED_LINES for question in ("who was it ?", "what was hardly dull ?")]
    difference = 0.0
    for (question, context), said in zip(lines, predictions(options.binary, student.folder, lines)):
        share, texts = student.answer(question, context)
        if said["label"] == "":
            continue  # The command also knows that there is no answer.
        assert said["label"] in texts, f"{student.folder}: {said['label']!r} is not in {texts} for {question}"
        difference = max(difference, abs(said["probabilities"][said["label"]] - share))
    assert difference <= options.tolerance, f"{student.folder}: probabilities differ by {difference}"
    print(f"{student.folder}, answers to {len(lines)} questions within {difference:.1e}")


def check(folder, plan, options):
    student, files = Student(folder), plan["data"]["source"].get("Files")
    if student.head in ("ForPreTraining", "ForMaskedLM"):
        return check_language_model(student, options)
    if student.head == "ForTokenClassification":
        return check_token_classifier(student, options)
    if student.head == "ForQuestionAnswering":
        return check_answers(student, options)
    said = [f"{folder}"]
    texts = [(line,) for line in GENERATED_LINES]
    for part, prefix in (("validation", ""), ("test", "test_")) if files else ():
        expected = student.metrics.get(f"{prefix}accuracy")
        if not files[part] or expected is None:
            continue
        examples, labels = read_examples(files, part)
        found = student.accuracy(examples, labels, plan["data"]["max_length"])
        assert abs(found - expected) < 1e-9, f"{folder}: {part} accuracy {found}, metrics.json says {expected}"
        said.append(f"{part} accuracy {found:.6f}")
        texts = examples[:COMPARED_LINES] if part == "validation" else texts
    ours = torch.tensor([said["logits"] for said in predictions(options.binary, folder, texts)])
    difference = (ours - student.logits(texts, student.longest())).abs().max().item()
    assert difference <= options.tolerance, f"{folder}: logits differ by {difference}"
    said.append(f"logits of {len(texts)} texts within {difference:.1e}")
    print(", ".join(said))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=pathlib.Path)
    parser.add_argument("--binary", default="target/release/autodistillation")
    parser.add_argument("--tolerance", type=float, default=1e-4)
    options = parser.parse_args()
    plan = json.loads((options.run / "plan.json").read_text())
    front = json.loads((options.run / "pareto.json").read_text())
    folders = [options.run / trial["student"] for trial in front["trials"]]
    assert folders, f"{options.run}: the front is empty"
    assert sorted(folders) == sorted((options.run / "students").iterdir()), "students/ holds the front, nothing else"
    for folder in folders:
        check(folder, plan, options)


if __name__ == "__main__":
    main()
