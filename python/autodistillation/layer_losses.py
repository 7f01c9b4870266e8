"""``IntermediateLayersKnowledgeDistillationLoss``: features of two networks' layers, compared pair by pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Optional, Sequence, Union

import numpy as np

from .arrays import Terms, compared, constant, like, permuted, to_numpy, value_and_gradient
from .feature_matchers import feature_matcher
from .forward import forward_without_gradient, is_torch_module, logits_of

Process = Union[str, Callable[[Any], Any]]
"""What makes a feature of a layer's output: the index of one of several outputs, nothing, or a function."""


@dataclass(frozen=True)
class _Pair:
    """Two features of one shape and how they are read."""

    student: Any
    teacher: Any
    is_map: bool
    """Whether they are attention maps."""
    is_matched: bool
    """Whether the student's went through a feature matcher."""
    mask: Optional[Any]
    """Which rows count; ``None`` = all."""


class IntermediateLayersKnowledgeDistillationLoss:
    """Σ wᵢ · Lᵢ(matcherᵢ(student feature), teacher feature), with the student's own loss on request.

    A feature is (batch, width), (batch, length, width), or attention probabilities (batch, heads, length, length).
    Features whose widths (or numbers of heads) differ are joined by a linear feature matcher, whose weight is
    (student width, teacher width). ``MSE`` and ``L1`` are means over all elements; ``KL`` and ``CE`` compare
    distributions over the last axis, attention maps as they are and anything else after a softmax.

    The features of torch modules are taken down by hooks while the models run; those of anything else are set in
    :attr:`student_features` and :attr:`teacher_features` by layer.
    """

    def __init__(
        self,
        layer_mappings: Sequence[Sequence[Any]],
        loss_types: Optional[Sequence[str]] = None,
        loss_weights: Optional[Sequence[float]] = None,
        add_origin_loss: bool = False,
        student_model: Any = None,
        teacher_model: Any = None,
        temperature: float = 1.0,
    ) -> None:
        """A mapping is ``(student layer, teacher layer)`` or ``(student layer, output, teacher layer, output)``.

        Raises :class:`ValueError` for mappings of another form, and for losses or weights that do not fit them.
        """
        read = [_mapping(mapping) for mapping in layer_mappings]
        self.layer_mappings = [layers for layers, _ in read]
        self.layer_output_process = [processes for _, processes in read]
        self.loss_types = _one_each("loss_types", loss_types, ["MSE"] * len(read))
        self.loss_weights = _one_each("loss_weights", loss_weights, [1.0 / max(len(read), 1)] * len(read))
        self.add_origin_loss = add_origin_loss
        self.temperature = float(temperature)
        self.student_features: dict[str, Any] = {}
        self.teacher_features: dict[str, Any] = {}
        self.feature_matchers: dict[str, Any] = {}
        self.student_model = student_model
        self.teacher_model = teacher_model
        self._hooks: list[Any] = []
        self.init_loss_funcs()
        self.register_hooks()

    def init_loss_funcs(self) -> None:
        """Initialises the loss functions, one for each mapping, from :attr:`loss_types`."""
        for name in self.loss_types:
            Terms(name, self.temperature)
        self.loss_funcs = [self._loss_func(name) for name in self.loss_types]

    def _loss_func(self, name: str) -> Callable[[_Pair], Any]:
        return lambda pair: compared(pair.student, pair.teacher, self._terms(name, pair), pair.mask)

    def _terms(self, name: str, pair: _Pair) -> Terms:
        if not pair.is_map:
            return Terms(name, self.temperature)
        # What a matcher makes of attention maps is scores again, the teacher's maps stay probabilities.
        return Terms(name, student_is_probability=not pair.is_matched, teacher_is_probability=True)

    def register_hooks(self) -> None:
        """Has the layers of torch modules write their outputs into the features. Called again it follows changed
        models; :meth:`remove_hooks` ends it."""
        self.remove_hooks()
        sides = [(self.student_model, self.student_features, 0), (self.teacher_model, self.teacher_features, 1)]
        for model, features, side in sides:
            if is_torch_module(model):
                for path in dict.fromkeys(layers[side] for layers in self.layer_mappings):
                    self._hooks.append(_submodule(model, path).register_forward_hook(_writer(features, path)))

    def remove_hooks(self) -> None:
        """Ends what :meth:`register_hooks` began."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []

    def init_feature_matcher(self, student_feature: Any, teacher_feature: Any) -> Any:
        """A linear map from the student's width (or heads) to the teacher's, of the features' framework, seeded;
        ``None`` where they are equal. Raises :class:`ValueError` for features that no map can join."""
        student, teacher = tuple(student_feature.shape), tuple(teacher_feature.shape)
        axis = 1 if len(student) == 4 else -1
        same = [size for at, size in enumerate(student) if at != axis % len(student)]
        other = [size for at, size in enumerate(teacher) if at != axis % len(teacher)]
        if len(student) != len(teacher) or len(student) not in (2, 3, 4) or same != other:
            raise ValueError(f"features of shapes {student} and {teacher} cannot be compared")
        if student[axis] == teacher[axis]:
            return None
        return feature_matcher(int(student[axis]), int(teacher[axis]), student_feature)

    def teacher_model_forward(self, input: Any, teacher_model: Any = None) -> Any:  # noqa: A002
        """Runs the teacher on a batch without gradients; its features are taken down on the way."""
        model = teacher_model if teacher_model is not None else self.teacher_model
        if model is None:
            raise ValueError("there is no teacher_model: give one here or to the loss")
        if model is not self.teacher_model:
            self.teacher_model = model
            self.register_hooks()
        return forward_without_gradient(model, input)

    def loss_cal(self, student_outputs: Any = None, targets: Any = None, attention_mask: Any = None) -> Any:
        """The weighted sum over all mappings; a scalar. With ``add_origin_loss`` the outputs' own ``loss``, else the
        cross entropy of their logits on ``targets``, is added with weight 1. ``attention_mask`` (batch, length) is 1
        for a real token; padding does not count.

        Raises :class:`ValueError` for a layer whose feature is not there.
        """
        total: Any = 0.0
        for at, weight in enumerate(self.loss_weights):
            if weight > 0:
                total = total + self.loss_funcs[at](self._pair(at, attention_mask)) * weight
        if self.add_origin_loss:
            total = total + self._origin_loss(student_outputs, targets)
        return total

    __call__ = loss_cal

    def loss_cal_and_gradient(self, attention_mask: Any = None) -> tuple[float, dict[str, Any]]:
        """The weighted sum over numpy features, and its gradient by each of the student's features, by layer."""
        total = 0.0
        gradients: dict[str, Any] = {}
        for at, weight in enumerate(self.loss_weights):
            layer, pair = self.layer_mappings[at][0], self._pair(at, attention_mask)
            terms = self._terms(self.loss_types[at], pair)
            value, slope = value_and_gradient(pair.student, pair.teacher, terms, pair.mask)
            total += weight * value
            if pair.is_matched:
                slope = _by_feature(slope, self.feature_matchers[self._key(at)], pair.is_map)
            gradients[layer] = gradients.get(layer, 0.0) + weight * slope
        return total, gradients

    def _pair(self, at: int, attention_mask: Any) -> _Pair:
        """The features of one mapping in one shape."""
        student, teacher = self._feature(0, at), constant(self._feature(1, at))
        key = self._key(at)
        if key not in self.feature_matchers:
            self.feature_matchers[key] = self.init_feature_matcher(student, teacher)
        matcher, is_map = self.feature_matchers[key], len(student.shape) == 4
        mask = None if attention_mask is None else to_numpy(attention_mask)
        if matcher is not None:
            student = _matched(student, matcher)
            if is_map and mask is not None:
                student = student + like((mask[:, None, None, :] - 1.0) * 1e9, student)  # Padding gets no attention.
        rows = None if mask is None else _row_mask(mask, tuple(student.shape))
        return _Pair(student, teacher, is_map, matcher is not None, rows)

    def _key(self, at: int) -> str:
        student, teacher = self.layer_mappings[at]
        return f"{student} → {teacher}"

    def _feature(self, side: int, at: int) -> Any:
        features, role = [(self.student_features, "student"), (self.teacher_features, "teacher")][side]
        path, process = self.layer_mappings[at][side], self.layer_output_process[at][side]
        if path not in features:
            raise ValueError(f"no feature of the {role}'s layer `{path}`: run the {role}, or set {role}_features[{path!r}]")
        output = features[path]
        if callable(process):
            return process(output)
        if isinstance(output, (tuple, list)):
            return output[int(process or 0)]
        return output

    def _origin_loss(self, outputs: Any, targets: Any) -> Any:
        own = getattr(outputs, "loss", None)
        if own is not None:
            return own
        if outputs is None or targets is None:
            raise ValueError("add_origin_loss needs student_outputs and targets: give both")
        from .losses import KnowledgeDistillationLoss

        return KnowledgeDistillationLoss().student_targets_loss_cal(logits_of(outputs), targets)

    def __repr__(self) -> str:
        pairs = ", ".join(
            f"{self._key(at)} ({loss}, {weight:g})"
            for at, (loss, weight) in enumerate(zip(self.loss_types, self.loss_weights))
        )
        return f"IntermediateLayersKnowledgeDistillationLoss({pairs})"


def _mapping(mapping: Sequence[Any]) -> tuple[tuple[str, str], tuple[Process, Process]]:
    if isinstance(mapping, str) or len(mapping) not in (2, 4):
        raise ValueError(f"{mapping!r} is no mapping: give (student layer, teacher layer), or each with its output")
    if len(mapping) == 2:
        return (mapping[0], mapping[1]), ("", "")
    for process in (mapping[1], mapping[3]):
        if not callable(process) and not str(process).isdigit() and process != "":
            raise ValueError(f"{process!r} names no output: give its index, or a function")
    return (mapping[0], mapping[2]), (mapping[1], mapping[3])


def _one_each(name: str, values: Optional[Sequence[Any]], default: list[Any]) -> list[Any]:
    if values is None:
        return default
    if len(values) != len(default):
        raise ValueError(f"{name} has {len(values)} entries for {len(default)} mappings")
    return list(values)


def _submodule(model: Any, path: str) -> Any:
    try:
        return model.get_submodule(path)
    except AttributeError as error:
        known = [name for name, _ in model.named_modules() if name]
        raise ValueError(f"the model has no layer `{path}`: it has {', '.join(known[:20])}, …") from error


def _writer(features: dict[str, Any], path: str) -> Callable[[Any, Any, Any], None]:
    def write(module: Any, inputs: Any, output: Any) -> None:
        features[path] = output

    return write


def _matched(student: Any, matcher: Any) -> Any:
    """(…, student width) → (…, teacher width), or the same over the heads of attention maps."""
    if len(student.shape) != 4:
        return matcher(student)
    by_head = permuted(student, (0, 2, 3, 1))  # (batch, query, key, student heads)
    return permuted(matcher(by_head), (0, 3, 1, 2))  # (batch, teacher heads, query, key)


def _by_feature(slope: Any, matcher: Any, is_map: bool) -> Any:
    """The gradient by a numpy feature from that by what its matcher made of it."""
    weight = np.asarray(matcher.weight)
    if not is_map:
        return slope @ weight.T
    by_head = np.transpose(slope, (0, 2, 3, 1)) @ weight.T
    return np.transpose(by_head, (0, 3, 1, 2))


def _row_mask(mask: Any, shape: tuple[int, ...]) -> Optional[Any]:
    """(batch, length) as one entry for each row of a feature; every row of (batch, width) counts."""
    if len(shape) == 2:
        return None
    if len(shape) == 3:
        return mask.reshape(-1)
    return np.repeat(mask[:, None, :], shape[1], axis=1).reshape(-1)
