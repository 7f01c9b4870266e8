"""The design document's Python, with nothing changed but mended commas and stand-ins for its `...`."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from autodistillation import AutoDistillation

SEARCH_SPACE = {
    'hidden_size': [128, 246, 384, 512],
    'intra_bottleneck_size': [64, 96, 128, 160],
    'num_attention_heads': [1, 2, 4, 8],
    'intermediate_size': [384, 512, 640],
    'num_feedforward_networks': [2, 4, 6]
}

OUT_OF_THE_BOX = {
    'search': {
        'search_space': SEARCH_SPACE
    },
    'flash_distillation': {
        'knowledge_transfer': {
            'block_names':
            ['mobilebert.encoder.layer.{}'.format(i) for i in range(24)],
            'layer_mappings_for_knowledge_transfer':
            [
                [
                    (
                        'mobilebert.encoder.layer.{}.attention.self'.format(i), '1',
                        'bert.encoder.layer.{}.attention.self'.format(i), '1'
                    ),
                    (
                        'mobilebert.encoder.layer.{}.output'.format(i),
                        'bert.encoder.layer.{}.output'.format(i)
                    )
                ] for i in range(24)
            ],
            'loss_types': [['KL', 'MSE'] for i in range(24)],
        },
        'regular_distillation': {
            'layer_mappings_for_knowledge_transfer': [
                [('cls', '0', 'cls', '0')]
            ],
            'loss_types': [['KL']],
            'add_origin_loss': [True],
        },
    }
}

ADVANCED = {
    'search': {
        'search_space': SEARCH_SPACE,
        'search_algorithm': 'BO',
        'metrics': ['accuracy', 'latency'],
        'higher_is_better': [True, False],
        'max_trials': 10,
        'seed': 42
    },
    'flash_distillation': {
        'knowledge_transfer': {
            **OUT_OF_THE_BOX['flash_distillation']['knowledge_transfer'],
            'loss_weights': [[0.5, 0.5] for i in range(24)],
            'train_steps': [500 for i in range(24)]
        },
        'regular_distillation': {
            **OUT_OF_THE_BOX['flash_distillation']['regular_distillation'],
            'train_steps': [25000]
        },
    }
}


def model_builder(model_arch_paras: dict[str, int]) -> Any:
    model = dict(model_arch_paras)
    return model


def train_func(model: Any) -> Any:
    model['trained'] = True
    return model


def eval_func(model: Any) -> dict[str, float]:
    assert model['trained']
    metrics = {'accuracy': 1 - 10 / model['hidden_size'], 'latency': model['intermediate_size'] / 100}
    return metrics


def test_the_frameworks_config_in_advanced_mode() -> None:
    agent = AutoDistillation(model_builder, ADVANCED)
    agent.train_func = train_func
    agent.eval_func = eval_func
    best_model_arch = agent.search_loop()
    assert len(agent.search_result) == 10 and agent.config['search']['seed'] == 42
    assert agent.search_space == SEARCH_SPACE
    assert all(list(architecture) == list(SEARCH_SPACE) for architecture in best_model_arch)


def test_the_config_without_metrics_optimises_loss_and_latency() -> None:
    agent = AutoDistillation(model_builder, OUT_OF_THE_BOX, framework='pytorch')
    assert [(goal.metric, goal.greater_is_better) for goal in agent.study.goals] == [('loss', False), ('latency', False)]


def pretraining_rows(count: int, seed: int) -> list[dict[str, Any]]:
    """Pairs of sentences of token ids, as a collator for pretraining makes them: some tokens masked, some pairs false."""
    draw = random.Random(seed)
    made = []
    for _ in range(count):
        first, second = ([draw.randrange(5, 40) for _ in range(4)] for _ in range(2))
        ids = [2, *first, 3, *second, 3]
        hidden = draw.randrange(1, 5)
        labels = [-100] * len(ids)
        labels[hidden], ids[hidden] = ids[hidden], 4
        segments = [0] * 6 + [1] * 5
        made.append({"input_ids": ids, "token_type_ids": segments, "labels": labels, "next_sentence_label": draw.randrange(2)})
    return made


def test_the_trainers_out_of_the_box_mode(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    from autodistillation import Trainer

    AutoModelForPreTraining = transformers.AutoModelForPreTraining
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"word{i}" for i in range(35))]
    (tmp_path / "vocab.txt").write_text("\n".join(words) + "\n")
    sizes = {"num_hidden_layers": 24, "num_attention_heads": 4, "vocab_size": len(words), "max_position_embeddings": 16}
    teacher = transformers.BertConfig(hidden_size=32, intermediate_size=64, **sizes)
    student = transformers.MobileBertConfig(embedding_size=32, **sizes)
    trainer = Trainer(
        model=transformers.MobileBertForPreTraining(student),
        args=transformers.TrainingArguments(
            output_dir=str(tmp_path), max_steps=1, per_device_train_batch_size=4, report_to=[], use_cpu=True
        ),
        train_dataset=pretraining_rows(16, 1),
        eval_dataset=pretraining_rows(8, 2),
        processing_class=transformers.BertTokenizerFast(str(tmp_path / "vocab.txt")),
    )
    teacher_model = transformers.BertForPreTraining(teacher)
    trainer.autodistillation_config = OUT_OF_THE_BOX
    best_model_arch = trainer.autodistillation(teacher_model, model_cls=AutoModelForPreTraining)
    assert [list(architecture) for architecture in best_model_arch] == [list(SEARCH_SPACE)]
    (found,) = best_model_arch.models
    assert isinstance(found, transformers.MobileBertForPreTraining)
    assert {name: getattr(found.config, name) for name in SEARCH_SPACE} == best_model_arch[0]
    assert found.config.num_hidden_layers == 24 and best_model_arch.metrics[0]["loss"] > 0


def test_the_trainers_advanced_mode(tmp_path: Any) -> None:
    pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    from autodistillation import Trainer

    network = transformers.BertForSequenceClassification(
        transformers.BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
    )
    arguments = transformers.TrainingArguments(output_dir=str(tmp_path), report_to=[], use_cpu=True)
    trainer = Trainer(model=network, args=arguments)
    teacher_model = network
    trainer.autodistillation_config = ADVANCED
    best_model_arch = trainer.autodistillation(teacher_model, model_builder, train_func=train_func, eval_func=eval_func)
    agent = AutoDistillation(model_builder, ADVANCED, train_func=train_func, eval_func=eval_func)
    assert best_model_arch == agent.search_loop()
