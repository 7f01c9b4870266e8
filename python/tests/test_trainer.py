"""``Trainer.autodistillation`` from a torch teacher: out of the box by the engine, and with functions of one's own."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("accelerate")

from autodistillation import ConfigError, DataError, Trainer  # noqa: E402

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "not", "very", "the", "film", "was", "a", "so"]
LENGTH = 12


def tokenizer(folder: Path) -> Any:
    folder.mkdir(exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    return transformers.BertTokenizerFast(str(folder / "vocab.txt"))


def rows(count: int, seed: int) -> list[dict[str, Any]]:
    """Sentences that are good or bad, turned round by `not`; padded to one length as data collators do."""
    draw = random.Random(seed)
    made = []
    for _ in range(count):
        verdict, is_turned = draw.choice(["good", "bad"]), draw.random() < 0.3
        words = ["the", "film", "was", *(["not"] if is_turned else []), *draw.choices(["very", "so", "a"], k=draw.randint(0, 3)), verdict]
        ids = [2, *(WORDS.index(word) for word in words), 3]
        padding = LENGTH - len(ids)
        row = {"input_ids": ids + [0] * padding, "attention_mask": [1] * len(ids) + [0] * padding}
        made.append({**row, "token_type_ids": [0] * LENGTH, "label": int((verdict == "good") != is_turned)})
    return made


def network(width: int, layers: int) -> Any:
    config = transformers.BertConfig(
        vocab_size=len(WORDS), hidden_size=width, num_hidden_layers=layers, num_attention_heads=4,
        intermediate_size=2 * width, max_position_embeddings=32, num_labels=2,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, initializer_range=0.1,
    )
    return transformers.BertForSequenceClassification(config)


def accuracy(model: Any, examples: list[dict[str, Any]]) -> float:
    model.eval()
    batch = {name: torch.tensor([row[name] for row in examples]) for name in examples[0] if name != "label"}
    with torch.no_grad():
        answers = model(**batch).logits.argmax(-1)
    return float((answers == torch.tensor([row["label"] for row in examples])).double().mean())


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A teacher that knows the task, with the data it learned from."""
    torch.manual_seed(5)
    torch.set_num_threads(1)  # The networks are small.
    training, validation = rows(600, 1), rows(150, 2)
    teacher = network(48, 4)
    optimizer = torch.optim.AdamW(teacher.parameters(), 2e-3)
    draw = random.Random(3)
    teacher.train()
    for _ in range(400):
        chosen = draw.sample(training, 32)
        batch = {name: torch.tensor([row[name] for row in chosen]) for name in chosen[0] if name != "label"}
        loss = teacher(**batch, labels=torch.tensor([row["label"] for row in chosen])).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert accuracy(teacher, validation) > 0.9
    return teacher, training, validation, tokenizer(tmp_path_factory.mktemp("tokenizer"))


def trainer(taught: Any, output: Path, **changes: Any) -> Any:
    _, training, validation, words = taught
    arguments = transformers.TrainingArguments(
        output_dir=str(output), learning_rate=2e-3, per_device_train_batch_size=16, report_to=[], use_cpu=True
    )
    sets = {"train_dataset": training, "eval_dataset": validation, "processing_class": words, **changes}
    made = Trainer(model=network(32, 2), args=arguments, **sets)
    made.autodistillation_config = {
        "search": {
            "search_space": {"hidden_size": [16, 32], "intermediate_size": [32, 64]},
            "metrics": ["accuracy", "parameters"],
            "higher_is_better": [True, False],
            "max_trials": 3,
        },
        "flash_distillation": {
            "knowledge_transfer": {
                "block_names": [f"bert.encoder.layer.{i}" for i in range(2)],
                "layer_mappings_for_knowledge_transfer": [
                    [
                        (f"bert.encoder.layer.{i}.attention.self", "1", f"bert.encoder.layer.{2 * i + 1}.attention.self", "1"),
                        (f"bert.encoder.layer.{i}.output", f"bert.encoder.layer.{2 * i + 1}.output"),
                    ]
                    for i in range(2)
                ],
                "loss_types": [["KL", "MSE"] for _ in range(2)],
                "train_steps": [20, 20],
            },
            "regular_distillation": {
                "layer_mappings_for_knowledge_transfer": [[("classifier", "0", "classifier", "0")]],
                "loss_types": [["KL"]],
                "add_origin_loss": [True],
                "train_steps": [150],
            },
        },
    }
    return made


def test_students_of_the_engine_are_torch_models_with_the_accuracy_it_measured(taught: Any, tmp_path: Path) -> None:
    heard: list[str] = []
    made = trainer(taught, tmp_path)
    made.listener = lambda event: heard.append(event["event"])
    best = made.autodistillation(taught[0], model_cls=transformers.AutoModelForSequenceClassification)
    assert len(best) > 0 and len(best.trials) == 3 and best.report.is_file()
    assert heard.count("trial_finished") == 3
    for architecture, metrics, model in zip(best, best.metrics, best.models):
        assert isinstance(model, transformers.BertForSequenceClassification)
        assert {name: getattr(model.config, name) for name in architecture} == architecture
        assert model.config.num_hidden_layers == 2 and model.num_parameters() == metrics["parameters"]
        assert accuracy(model, taught[2]) == pytest.approx(metrics["accuracy"], abs=1e-9)
    assert max(metrics["accuracy"] for metrics in best.metrics) > 0.8
    again = trainer(taught, tmp_path)
    assert again.autodistillation(taught[0]) == best, "a finished search returns at once"


def test_a_teacher_may_be_a_folder(taught: Any, tmp_path: Path) -> None:
    taught[0].save_pretrained(tmp_path / "teacher")
    taught[3].save_pretrained(tmp_path / "teacher")
    made = trainer(taught, tmp_path, processing_class=None)
    made.autodistillation_config["search"]["max_trials"] = 1
    assert len(made.autodistillation(str(tmp_path / "teacher"))) == 1
    with pytest.raises(ValueError, match="processing_class=tokenizer"):
        made.autodistillation(taught[0])


def test_functions_of_ones_own_are_advanced_mode(taught: Any, tmp_path: Path) -> None:
    made = trainer(taught, tmp_path)
    trained: list[int] = []

    def train(model: Any) -> Any:
        trained.append(model.config.hidden_size)
        return model

    def evaluated(model: Any) -> dict[str, float]:
        return {"accuracy": accuracy(model, taught[2]), "parameters": model.num_parameters()}

    cls = transformers.AutoModelForSequenceClassification
    best = made.autodistillation(taught[0], model_cls=cls, train_func=train, eval_func=evaluated)
    assert best and len(trained) == 3 and set(trained) <= {16, 32}
    with pytest.raises(ValueError, match="advanced mode needs eval_func"):
        made.autodistillation(taught[0], train_func=train)


def test_what_is_wrong_is_said_before_anything_is_trained(taught: Any, tmp_path: Path) -> None:
    made = trainer(taught, tmp_path)
    made.autodistillation_config["search"]["max_trials"] = 0
    with pytest.raises(ConfigError, match="max_trials"):
        made.autodistillation(taught[0])
    made.autodistillation_config = None
    with pytest.raises(ValueError, match="set trainer.autodistillation_config"):
        made.autodistillation(taught[0])
    made = trainer(taught, tmp_path, train_dataset=[{"text": "good", "label": 1}])
    with pytest.raises(DataError, match="row 0: the row has no `input_ids`"):
        made.autodistillation(taught[0])
    made = trainer(taught, tmp_path, train_dataset=[{"input_ids": [2, 500, 3], "label": 1}])
    with pytest.raises(DataError, match="token id 500 is outside the teacher's vocabulary of 14"):
        made.autodistillation(taught[0])
