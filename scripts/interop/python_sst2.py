"""Do a framework's own models score what the engine measured, on SST-2 with a real teacher?

    python scripts/interop/python_sst2.py torch|tensorflow TEACHER SST2 OUTPUT [--rows 4000]

TEACHER is a Hugging Face folder fine-tuned on SST-2, SST2 a folder with train.tsv and dev.tsv (columns label, sentence).
`Trainer.autodistillation` (torch) or `TFOptimization.autodistill` (TensorFlow) searches two students on the first ROWS
training sentences; each student on the front is then asked about every sentence of dev.tsv by the framework, whose
accuracy has to be the engine's. Needs: the package, and torch with transformers 5 or TensorFlow with transformers 4.46.
"""

import argparse
import csv
import pathlib
import time
from types import SimpleNamespace

SEARCH = {
    "search_space": {"hidden_size": [64, 128], "intermediate_size": [256]},
    "search_algorithm": "Grid",
    "metrics": ["accuracy", "parameters"],
    "higher_is_better": [True, False],
    "max_trials": 2,
    "seed": 1,
}
STEPS = 200


def rows_of(path, tokenizer, count=None):
    with open(path, newline="") as file:
        read = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[:count]
    encoded = tokenizer([row["sentence"] for row in read], truncation=True, max_length=64)
    names = list(encoded)
    return [
        {**{name: encoded[name][place] for name in names}, "label": int(row["label"])} for place, row in enumerate(read)
    ]


def batches(rows, tokenizer, kind):
    for first in range(0, len(rows), 64):
        part = rows[first : first + 64]
        inputs = [{name: value for name, value in row.items() if name != "label"} for row in part]
        yield tokenizer.pad(inputs, return_tensors=kind), [row["label"] for row in part]


def with_torch(options):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertConfig, TrainingArguments

    from autodistillation import Trainer

    tokenizer = AutoTokenizer.from_pretrained(options.teacher)
    teacher = AutoModelForSequenceClassification.from_pretrained(options.teacher)
    student = {**teacher.config.to_dict(), "num_hidden_layers": 3, "num_attention_heads": 4}
    arguments = TrainingArguments(
        output_dir=str(options.output), learning_rate=5e-4, per_device_train_batch_size=32, report_to=[]
    )
    trainer = Trainer(
        model=AutoModelForSequenceClassification.from_config(BertConfig.from_dict(student)),
        args=arguments,
        train_dataset=rows_of(options.data / "train.tsv", tokenizer, options.rows),
        eval_dataset=rows_of(options.data / "dev.tsv", tokenizer),
        processing_class=tokenizer,
    )
    trainer.autodistillation_config = {
        "search": SEARCH,
        "flash_distillation": {
            "knowledge_transfer": {"layer_mappings_for_knowledge_transfer": "auto", "train_steps": 50},
            "regular_distillation": {
                "layer_mappings_for_knowledge_transfer": [[("classifier", "0", "classifier", "0")]],
                "loss_types": [["KL"]],
                "add_origin_loss": [True],
                "train_steps": [STEPS],
            },
        },
    }
    found = trainer.autodistillation(teacher, model_cls=AutoModelForSequenceClassification)

    def accuracy(model):
        model.eval()
        right = 0
        with torch.no_grad():
            for inputs, labels in batches(trainer.eval_dataset, tokenizer, "pt"):
                right += int((model(**inputs).logits.argmax(-1) == torch.tensor(labels)).sum())
        return right / len(trainer.eval_dataset)

    return found, accuracy


def with_tensorflow(options):
    import tensorflow as tf
    from transformers import AutoTokenizer, BertConfig, TFAutoModelForSequenceClassification

    from autodistillation import AutoDistillationConfig, TFDistillationConfig, TFOptimization, metrics

    tokenizer = AutoTokenizer.from_pretrained(options.teacher)
    teacher = TFAutoModelForSequenceClassification.from_pretrained(options.teacher)
    student = {**teacher.config.to_dict(), "num_hidden_layers": 3, "num_attention_heads": 4}
    model = TFAutoModelForSequenceClassification.from_config(BertConfig.from_dict(student))
    model(model.dummy_inputs)
    train, dev = rows_of(options.data / "train.tsv", tokenizer, options.rows), rows_of(options.data / "dev.tsv", tokenizer)

    def dataset(rows):
        def padded(rows):
            for inputs, labels in batches(rows, tokenizer, "np"):
                yield dict(inputs), labels

        shapes = {name: tf.TensorSpec((None, None), tf.int64) for name in tokenizer.model_input_names}
        return tf.data.Dataset.from_generator(
            lambda: padded(rows), output_signature=(shapes, tf.TensorSpec((None,), tf.int32))
        )

    stage = TFDistillationConfig(train_steps=[STEPS], loss_types=["CE", "CE"], loss_weights=[0.5, 0.5], temperature=1.0)
    config = AutoDistillationConfig(
        search_space=SEARCH["search_space"],
        search_algorithm="Grid",
        max_trials=2,
        metrics=[metrics.Metric(name="accuracy", greater_is_better=True)],
        knowledge_transfer=stage,
        regular_distillation=stage,
    )
    args = SimpleNamespace(output_dir=str(options.output), learning_rate=5e-4, per_device_train_batch_size=32)
    optimizer = TFOptimization(model, args, train_dataset=dataset(train), eval_dataset=dataset(dev), tokenizer=tokenizer)
    found = optimizer.autodistill(config, teacher, model_cls=TFAutoModelForSequenceClassification)

    def accuracy(model):
        right = 0
        for inputs, labels in batches(dev, tokenizer, "tf"):
            answers = tf.argmax(model(dict(inputs), training=False).logits, -1, output_type=tf.int32)
            right += int(tf.reduce_sum(tf.cast(answers == tf.constant(labels), tf.int32)))
        return right / len(dev)

    return found, accuracy


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("framework", choices=["torch", "tensorflow"])
    parser.add_argument("teacher")
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--rows", type=int, default=4000)
    options = parser.parse_args()
    begin = time.time()
    found, accuracy = (with_torch if options.framework == "torch" else with_tensorflow)(options)
    assert len(found) > 0
    for architecture, measured, model in zip(found, found.metrics, found.models):
        own = accuracy(model)
        print(f"{architecture}: {type(model).__name__} has {own:.4f}, the engine {measured['accuracy']:.4f}")
        assert abs(own - measured["accuracy"]) < 1e-9
    print(f"{options.framework}: {len(found)} students, {time.time() - begin:.0f} s")


if __name__ == "__main__":
    main()
