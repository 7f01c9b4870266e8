"""``TFOptimization``: the search for the best students of a Keras teacher."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Callable, Mapping, Optional, Union

from .agent import AutoDistillation, EvalFunc, ModelBuilder, TrainFunc
from .built_in import Listener, Students, Task, fixed_values, search_students
from .configuration import AutoDistillationConfig
from .exceptions import DataError
from .keras_weights import save_as_safetensors
from .study import Architecture
from .token_rows import LABEL_COLUMNS


class TFOptimization:
    """A Keras model with its data sets and arguments, as the document's TensorFlow usage has it."""

    def __init__(
        self,
        model: Any,
        args: Any,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        compute_metrics: Optional[Callable[[Any], Mapping[str, float]]] = None,
        tokenizer: Any = None,
    ) -> None:
        """``args`` has ``output_dir`` and, for the engine, ``learning_rate``, ``weight_decay`` and
        ``per_device_train_batch_size``, as ``TFTrainingArguments`` do. The data sets hold tokenised rows: mappings, or
        batches of ``(features, labels)`` as a ``tf.data.Dataset`` gives them. ``compute_metrics`` is for functions of
        one's own: the engine measures by itself."""
        self.model, self.args = model, args
        self.train_dataset, self.eval_dataset = train_dataset, eval_dataset
        self.compute_metrics, self.tokenizer = compute_metrics, tokenizer
        self.autodistillation_config: Optional[Union[Mapping[str, Any], AutoDistillationConfig]] = None
        self.listener: Optional[Listener] = None

    def autodistill(
        self,
        autodistillation_config: Union[Mapping[str, Any], AutoDistillationConfig],
        teacher_model: Any,
        model_builder: Optional[ModelBuilder] = None,
        model_cls: Any = None,
        eval_func: Optional[EvalFunc] = None,
        train_func: Optional[TrainFunc] = None,
    ) -> Union[Students, list[Architecture]]:
        """The best architectures; everything is kept in ``args.output_dir``, and the same call goes on with it.

        Without functions of one's own the engine builds, trains and evaluates, from the teacher (a Keras model, or a
        folder); the result has the students' ``folders`` and ``models``, objects of ``model_cls``. With ``eval_func``
        it is advanced mode.

        Raises ``ConfigError`` with every problem of the config, ``ValueError`` for a mode that lacks something.
        """
        self.autodistillation_config = autodistillation_config
        os.makedirs(self.args.output_dir, exist_ok=True)
        if eval_func is not None:
            if model_builder is None:
                model_builder = partial(self.model_builder_builtin, model_cls=model_cls or type(self.model))
            agent = AutoDistillation(model_builder, autodistillation_config, framework="tensorflow")
            agent.train_func, agent.eval_func = train_func, eval_func
            return agent.search(self.args.output_dir, model_cls)
        if model_builder is not None or train_func is not None:
            raise ValueError("advanced mode needs eval_func: give it, or no function at all")
        output = Path(self.args.output_dir)
        task = self._task(teacher_model, output)
        chosen = model_cls if model_cls is not None else type(self.model)
        return search_students(task, autodistillation_config, output, chosen, self.listener)

    def model_builder_builtin(self, model_arch_paras: Mapping[str, Any], model_cls: Any) -> Any:
        """A fresh model of ``model_cls`` with the searched sizes."""
        config = type(self.model.config).from_dict({**self.model.config.to_dict(), **model_arch_paras})
        maker = model_cls.from_config if "Auto" in model_cls.__name__ else model_cls
        return maker(config)

    def _task(self, teacher_model: Any, output: Path) -> Task:
        sets = {"train_dataset": self.train_dataset, "eval_dataset": self.eval_dataset}
        missing = [name for name, rows in sets.items() if rows is None]
        if missing:
            raise ValueError(f"there is no {' and no '.join(missing)}: the engine needs both")
        config = self.autodistillation_config
        settings = config.to_config() if isinstance(config, AutoDistillationConfig) else dict(config or {})
        optimizer = {
            "learning_rate": float(getattr(self.args, "learning_rate", 5e-5)),
            "weight_decay": float(getattr(self.args, "weight_decay", 0.0)),
        }
        batch_size = int(getattr(self.args, "per_device_train_batch_size", 32))
        return Task(
            teacher=self._teacher_folder(teacher_model, output),
            family=self.model.config.model_type,
            fixed=fixed_values(self.model.config, list(settings.get("search", {}).get("search_space", {}))),
            train_dataset=Rows(sets["train_dataset"]),
            eval_dataset=Rows(sets["eval_dataset"]),
            settings={"train": {"optimizer": {"AdamW": optimizer}, "batch_size": batch_size}},
            framework="tensorflow",
        )

    def _teacher_folder(self, teacher_model: Any, output: Path) -> Path:
        if isinstance(teacher_model, (str, os.PathLike)):
            return Path(teacher_model).resolve()
        if self.tokenizer is None:
            raise ValueError("the students need a tokenizer: give TFOptimization one, or the teacher as a folder with one")
        folder = (output / "teacher").resolve()
        folder.mkdir(parents=True, exist_ok=True)
        self.tokenizer.save_pretrained(str(folder))
        save_as_safetensors(teacher_model, folder)
        return folder


class Rows:
    """The rows of a data set, batches of ``(features, labels)`` taken apart."""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        for element in self._dataset:
            yield from _rows(element)


def _rows(element: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(element, Mapping):
        label = next((name for name in LABEL_COLUMNS if name in element), None)
        if not hasattr(element.get("input_ids"), "shape") or len(element["input_ids"].shape) < 2:
            yield {name: _plain(value) for name, value in element.items()}
            return
        if label is None:
            raise DataError("a batch has no labels: it needs one of " + ", ".join(LABEL_COLUMNS))
        element = ({name: value for name, value in element.items() if name != label}, element[label])
    features, labels = element
    columns = {name: _plain(values) for name, values in features.items()}
    labels = _plain(labels)
    if not isinstance(labels, list):
        yield {**columns, "label": labels}
        return
    for at, value in enumerate(labels):
        yield {**{name: values[at] for name, values in columns.items()}, "label": value}


def _plain(values: Any) -> Any:
    """Tensors and arrays as lists and numbers."""
    array = values.numpy() if hasattr(values, "numpy") else values
    return array.tolist() if hasattr(array, "tolist") else array
