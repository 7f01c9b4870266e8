"""``Trainer``: the Hugging Face trainer with a search for the best students of a teacher."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Mapping, Optional, Union

from transformers import Trainer as HuggingFaceTrainer

from .agent import AutoDistillation, EvalFunc, ModelBuilder, TrainFunc
from .built_in import Listener, Students, Task, fixed_values, search_students
from .configuration import AutoDistillationConfig
from .study import Architecture


class AutoDistillationMixin:
    """Adds :meth:`autodistillation` to a ``transformers.Trainer`` of one's own."""

    autodistillation_config: Optional[Union[Mapping[str, Any], AutoDistillationConfig]] = None
    """The search and its two distillations, in the document's form."""
    listener: Optional[Listener] = None
    """Hears what a run does, one event at a time."""

    def autodistillation(
        self,
        teacher_model: Any,
        model_builder: Optional[ModelBuilder] = None,
        model_cls: Any = None,
        train_func: Optional[TrainFunc] = None,
        eval_func: Optional[EvalFunc] = None,
    ) -> Union[Students, list[Architecture]]:
        """The best architectures; everything is kept in ``args.output_dir/autodistillation``, and the same call
        goes on with it.

        Without functions of one's own the engine builds, trains and evaluates: the students are of the family and
        sizes of this trainer's model, less what is searched; the teacher is a model or a folder; the data sets hold
        tokenised rows; batch size, learning rate and weight decay are the trainer's, and so is ``max_steps`` for stages
        that give no ``train_steps``. A teacher that is a language model needs rows without labels, or masked ones: the
        engine masks them itself. The result then has the students' ``models`` (objects of ``model_cls``) and
        ``folders``.

        With ``eval_func`` it is advanced mode: ``model_builder`` (by default a fresh ``model_cls``, or model of
        this trainer's class, of the searched sizes), ``train_func`` and ``eval_func`` do the work.

        Raises ``ConfigError`` with every problem of the config, ``ValueError`` for a mode that lacks something.
        """
        if self.autodistillation_config is None:
            raise ValueError("there is no search: set trainer.autodistillation_config")
        output = Path(self._trainer.args.output_dir) / "autodistillation"
        if eval_func is not None:
            builder = model_builder if model_builder is not None else self._builder(model_cls)
            agent = AutoDistillation(builder, self.autodistillation_config)
            agent.train_func, agent.eval_func = train_func, eval_func
            return agent.search(output, model_cls)
        if model_builder is not None or train_func is not None:
            raise ValueError("advanced mode needs eval_func: give it, or no function at all")
        self.best_students = search_students(
            self._task(teacher_model, output),
            self.autodistillation_config,
            output,
            model_cls if model_cls is not None else type(self._trainer.model),
            self.listener,
        )
        return self.best_students

    def model_builder_builtin(self, model_arch_paras: Mapping[str, Any], model_cls: Any) -> Any:
        """A fresh model of ``model_cls`` with this trainer's config and the searched sizes."""
        config = type(self._trainer.model.config).from_dict({**self._trainer.model.config.to_dict(), **model_arch_paras})
        maker = getattr(model_cls, "from_config", None) or model_cls
        return maker(config)

    @property
    def _trainer(self) -> Any:
        return self

    def _builder(self, model_cls: Any) -> ModelBuilder:
        chosen = model_cls if model_cls is not None else type(self._trainer.model)
        return lambda architecture: self.model_builder_builtin(architecture, chosen)

    def _task(self, teacher_model: Any, output: Path) -> Task:
        trainer, args = self._trainer, self._trainer.args
        sets = {"train_dataset": trainer.train_dataset, "eval_dataset": trainer.eval_dataset}
        missing = [name for name, rows in sets.items() if rows is None]
        if missing:
            raise ValueError(f"the trainer has no {' and no '.join(missing)}: the engine needs both")
        optimizer = {"learning_rate": args.learning_rate, "weight_decay": args.weight_decay}
        train = {"optimizer": {"AdamW": optimizer}, "batch_size": args.per_device_train_batch_size}
        config = trainer.model.config
        return Task(
            teacher=self._teacher_folder(teacher_model, output),
            family=config.model_type,
            fixed=fixed_values(config, self._searched()),
            settings={"train": train},
            steps=args.max_steps if args.max_steps > 0 else None,
            **sets,
        )

    def _searched(self) -> list[str]:
        config = self.autodistillation_config
        if isinstance(config, AutoDistillationConfig):
            return list(config.search_space)
        return list((config or {}).get("search", {}).get("search_space", {}))

    def _teacher_folder(self, teacher_model: Any, output: Path) -> Path:
        """The teacher's folder, written where it is a model; the trainer's tokenizer goes with it."""
        if isinstance(teacher_model, (str, os.PathLike)):
            return Path(teacher_model).resolve()
        tokenizer = getattr(self._trainer, "processing_class", None) or getattr(self._trainer, "tokenizer", None)
        if tokenizer is None:
            raise ValueError(
                "the students need a tokenizer: give the trainer processing_class=tokenizer, or the teacher as a folder with one"
            )
        folder = (output / "teacher").resolve()
        teacher_model.save_pretrained(str(folder), safe_serialization=True)
        tokenizer.save_pretrained(str(folder))
        return folder


class Trainer(AutoDistillationMixin, HuggingFaceTrainer):  # type: ignore[misc, unused-ignore]
    """``transformers.Trainer`` with :meth:`~AutoDistillationMixin.autodistillation`."""
