"""``TFOptimization.autodistill`` from a Keras teacher, with the document's config."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

tf = pytest.importorskip("tensorflow")
transformers = pytest.importorskip("transformers")
if not hasattr(transformers, "TFBertForSequenceClassification"):
    pytest.skip("this version of transformers has no TensorFlow classes", allow_module_level=True)

from autodistillation import AutoDistillationConfig, TFDistillationConfig, TFOptimization, metrics  # noqa: E402

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "the", "film", "was", "very"]


def rows(count: int, seed: int) -> tuple[dict[str, Any], Any]:
    """Sentences with one verdict each, padded; ids, mask and label."""
    draw = tf.random.Generator.from_seed(seed)
    ids, labels = [], []
    for _ in range(count):
        label, filling = int(draw.uniform([], 0, 2, tf.int32)), int(draw.uniform([], 0, 4, tf.int32))
        words = [2, 7, 8, 9, *[10] * filling, 6 - label, 3]
        ids.append(words + [0] * (10 - len(words)))
        labels.append(label)
    ids = tf.constant(ids)
    return {"input_ids": ids, "attention_mask": tf.cast(ids > 0, tf.int32)}, tf.constant(labels)


def network() -> Any:
    config = transformers.BertConfig(
        vocab_size=len(WORDS), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=32, num_labels=2, initializer_range=0.1,
    )
    model = transformers.TFBertForSequenceClassification(config)
    model(model.dummy_inputs)
    return model


def accuracy(model: Any, examples: tuple[dict[str, Any], Any]) -> float:
    answers = tf.argmax(model(examples[0], training=False).logits, -1, output_type=tf.int32)
    return float(tf.reduce_mean(tf.cast(answers == examples[1], tf.float64)))


def config(name: str, up: bool) -> AutoDistillationConfig:
    stage = TFDistillationConfig(train_steps=[30], loss_types=["CE", "CE"], loss_weights=[0.5, 0.5], temperature=1.0)
    return AutoDistillationConfig(
        search_space={"hidden_size": [16, 24], "intermediate_size": [32, 64]},
        search_algorithm="BO",
        max_trials=2,
        metrics=[metrics.Metric(name=name, greater_is_better=up)],
        knowledge_transfer=stage,
        regular_distillation=stage,
    )


@pytest.fixture(scope="module")
def optimizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("tensorflow")
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    words = transformers.BertTokenizerFast(str(folder / "vocab.txt"))
    training, validation = rows(256, 1), rows(100, 2)
    args = SimpleNamespace(output_dir=str(folder / "out"), learning_rate=2e-3, per_device_train_batch_size=16)
    sets = {"train_dataset": tf.data.Dataset.from_tensor_slices(training).batch(32), "tokenizer": words}
    return TFOptimization(network(), args, eval_dataset=tf.data.Dataset.from_tensor_slices(validation), **sets), validation


def test_students_of_a_keras_teacher_are_keras_models_with_the_accuracy_it_measured(optimizer: Any) -> None:
    made, validation = optimizer
    best = made.autodistill(
        config("accuracy", True), network(), model_cls=transformers.TFAutoModelForSequenceClassification
    )
    assert len(best) > 0 and len(best.trials) == 2
    for architecture, found, model in zip(best, best.metrics, best.models):
        assert isinstance(model, transformers.TFBertForSequenceClassification)
        assert {name: getattr(model.config, name) for name in architecture} == architecture
        assert accuracy(model, validation) == pytest.approx(found["accuracy"], abs=1e-9)


def test_the_teacher_that_the_engine_reads_answers_as_the_keras_model(optimizer: Any, tmp_path: Path) -> None:
    from autodistillation.keras_weights import save_as_safetensors

    teacher = network()
    save_as_safetensors(teacher, tmp_path)
    read = transformers.TFBertForSequenceClassification.from_pretrained(str(tmp_path))
    batch = rows(8, 3)[0]
    apart = tf.abs(read(batch).logits - teacher(batch).logits)
    assert float(tf.reduce_max(apart)) < 1e-5


def test_functions_of_ones_own_are_advanced_mode(optimizer: Any, tmp_path: Path) -> None:
    made, validation = optimizer
    made.args = SimpleNamespace(output_dir=str(tmp_path))
    best = made.autodistill(
        config("eval_loss", False),
        network(),
        model_cls=transformers.TFAutoModelForSequenceClassification,
        train_func=None,
        eval_func=lambda model: {"eval_loss": float(model.config.hidden_size)},
    )
    assert {architecture["hidden_size"] for architecture in best} <= {16, 24}
    with pytest.raises(ValueError, match="advanced mode needs eval_func"):
        made.autodistill(config("accuracy", True), network(), train_func=lambda model: model)
