"""Losses and gradients beside PyTorch's own formulas where torch is installed, and beside their definitions anywhere."""

from __future__ import annotations

from typing import Any

import pytest

np = pytest.importorskip("numpy")

from autodistillation import (  # noqa: E402
    IntermediateLayersKnowledgeDistillationLoss,
    KnowledgeDistillationLoss,
)

RANDOM = np.random.default_rng(7)
TYPES = [("float64", 1e-6), ("float32", 1e-4)]


def softmax(values: Any) -> Any:
    shifted = np.exp(values - values.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)


def slope(function: Any, values: Any) -> Any:
    """The gradient by central differences, in f64."""
    found = np.zeros_like(values)
    for at in np.ndindex(values.shape):
        step = np.zeros_like(values)
        step[at] = 1e-5
        found[at] = (function(values + step) - function(values - step)) / 2e-5
    return found


def expected_distillation(student: Any, teacher: Any, targets: Any, case: tuple[str, str, float]) -> float:
    own, other, temperature = case
    one_hot = np.eye(student.shape[1])[targets]
    first = ((student - one_hot) ** 2).mean() if own == "MSE" else -(one_hot * np.log(softmax(student))).sum(-1).mean()
    soft_teacher, log_student = softmax(teacher / temperature), np.log(softmax(student / temperature))
    if other == "MSE":
        second = ((student - teacher) ** 2).mean()
    else:
        entropy = np.log(soft_teacher) if other == "KL" else 0.0
        second = temperature**2 * (soft_teacher * (entropy - log_student)).sum(-1).mean()
    return float(0.3 * first + 0.7 * second)


@pytest.mark.parametrize(("dtype", "tolerance"), TYPES)
@pytest.mark.parametrize("own", ["CE", "MSE"])
@pytest.mark.parametrize("other", ["CE", "KL", "MSE"])
@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_distillation_of_logits_is_its_formula(own: str, other: str, temperature: float, dtype: str, tolerance: float) -> None:
    student, teacher = RANDOM.normal(0, 2, (2, 5, 4)).astype(dtype)
    targets = RANDOM.integers(0, 4, 5)
    loss = KnowledgeDistillationLoss(temperature, [own, other], [0.3, 0.7])
    value, gradient = loss.loss_cal_and_gradient(student, targets, teacher)
    formula = lambda values: expected_distillation(values, teacher.astype(float), targets, (own, other, temperature))  # noqa: E731
    assert value == pytest.approx(formula(student.astype(float)), abs=tolerance)
    assert loss.loss_cal(student, targets, teacher) == pytest.approx(value, abs=1e-12)
    assert gradient.dtype == dtype
    assert np.abs(gradient - slope(formula, student.astype(float))).max() < tolerance


def test_real_targets_are_learned_by_squared_errors() -> None:
    student, targets = np.array([[0.5], [2.0]]), np.array([[1.0], [1.0]])
    loss = KnowledgeDistillationLoss(loss_types=["CE", "MSE"], loss_weights=[1.0, 0.0])
    assert loss.loss_cal(student, targets) == pytest.approx((0.25 + 1.0) / 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"temperature": 0.0}, "temperature is 0.0"),
        ({"loss_types": ["CE", "KLL"]}, "`KLL` is not a loss"),
        ({"loss_types": "CE"}, "loss_types is 'CE'"),
        ({"loss_weights": [0.5, 0.6]}, "sum to 1"),
    ],
)
def test_a_loss_that_makes_no_sense_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        KnowledgeDistillationLoss(**arguments)


def test_logits_that_do_not_fit_are_refused() -> None:
    loss = KnowledgeDistillationLoss()
    with pytest.raises(ValueError, match="outside the 2 classes"):
        loss.loss_cal(np.zeros((1, 2)), np.array([2]), np.zeros((1, 2)))
    with pytest.raises(ValueError, match="give both one shape"):
        loss.teacher_student_loss_cal(np.zeros((1, 2)), np.zeros((1, 3)))
    with pytest.raises(ValueError, match="call teacher_model_forward first"):
        loss.loss_cal(np.zeros((1, 2)), np.array([0]))
    with pytest.raises(ValueError, match="there is no teacher_model"):
        loss.teacher_model_forward([1])


def test_any_callable_is_a_teacher() -> None:
    loss = KnowledgeDistillationLoss(teacher_model=lambda ids: {"logits": ids * 2.0})
    logits = np.array([[1.0, -1.0]])
    assert (loss.teacher_model_forward([logits])["logits"] == logits * 2).all()
    assert loss.loss_cal(logits, np.array([0])) == loss.loss_cal(logits, np.array([0]), logits * 2)


def layers(dtype: str, heads: tuple[int, int] = (2, 2), widths: tuple[int, int] = (4, 4)) -> Any:
    """Student and teacher features: vectors, sequences and attention maps."""
    sides = []
    for heads_of, width in zip(heads, widths):
        maps = softmax(RANDOM.normal(size=(2, heads_of, 3, 3)))
        side = {"vectors": RANDOM.normal(size=(2, width)), "states": RANDOM.normal(size=(2, 3, width)), "maps": maps}
        sides.append({name: values.astype(dtype) for name, values in side.items()})
    return sides


def expected_layer(loss: str, student: Any, teacher: Any, is_map: bool) -> Any:
    if loss == "MSE":
        return ((student - teacher) ** 2).mean()
    if loss == "L1":
        return np.abs(student - teacher).mean()
    floor = 1e-9
    probabilities = teacher if is_map else softmax(teacher)
    log_student = np.log(student + floor) if is_map else np.log(softmax(student))
    log_teacher = np.log(teacher + floor) if is_map else np.log(softmax(teacher))
    return (probabilities * ((log_teacher if loss == "KL" else 0.0) - log_student)).sum(-1).mean()


@pytest.mark.parametrize(("dtype", "tolerance"), TYPES)
@pytest.mark.parametrize("kind", ["vectors", "states", "maps"])
@pytest.mark.parametrize("loss_type", ["MSE", "L1", "KL", "CE"])
def test_layer_losses_are_their_formulas(kind: str, loss_type: str, dtype: str, tolerance: float) -> None:
    loss = IntermediateLayersKnowledgeDistillationLoss([(kind, kind)], [loss_type], [0.5])
    loss.student_features, loss.teacher_features = layers(dtype)
    value, gradients = loss.loss_cal_and_gradient()
    student, teacher = loss.student_features[kind].astype(float), loss.teacher_features[kind].astype(float)
    formula = lambda values: 0.5 * expected_layer(loss_type, values, teacher, kind == "maps")  # noqa: E731
    assert value == pytest.approx(formula(student), abs=tolerance)
    assert loss.loss_cal() == pytest.approx(value, abs=1e-12)
    apart = np.abs(gradients[kind] - slope(formula, student))
    assert (apart / np.maximum(1.0, np.abs(gradients[kind]))).max() < max(tolerance, 1e-5 if kind == "maps" else 0)


def test_feature_matchers_join_unequal_widths_and_heads() -> None:
    loss = IntermediateLayersKnowledgeDistillationLoss([("states", "states"), ("maps", "maps")], ["MSE", "KL"])
    loss.student_features, loss.teacher_features = layers("float64", heads=(2, 3), widths=(4, 6))
    _, gradients = loss.loss_cal_and_gradient()
    matchers = list(loss.feature_matchers.values())
    assert [matcher.weight.shape for matcher in matchers] == [(4, 6), (2, 3)]

    def total(name: str, values: Any) -> Any:
        loss.student_features[name] = values
        return loss.loss_cal()

    for name in ("states", "maps"):
        values = loss.student_features[name].copy()
        expected = slope(lambda moved, name=name: total(name, moved), values)
        loss.student_features[name] = values
        assert np.abs(gradients[name] - expected).max() < 1e-6


def test_padding_does_not_count() -> None:
    mask = np.array([[1, 1, 0], [1, 0, 0]])
    loss = IntermediateLayersKnowledgeDistillationLoss([("states", "states")], ["MSE"])
    loss.student_features, loss.teacher_features = layers("float64")
    masked = loss.loss_cal(attention_mask=mask)
    loss.student_features["states"][0, 2] += 100.0
    assert loss.loss_cal(attention_mask=mask) == masked
    loss.student_features["states"][0, 1] += 100.0
    assert loss.loss_cal(attention_mask=mask) > masked
    with pytest.raises(Exception, match="at least one row"):
        loss.loss_cal(attention_mask=np.zeros((2, 3)))


def test_mappings_are_read_as_in_the_document() -> None:
    mappings = [("student.layer.0.attention.self", "1", "teacher.layer.1.attention.self", "1"), ["a.output", "b.output"]]
    loss = IntermediateLayersKnowledgeDistillationLoss(mappings, ["KL", "MSE"], [0.5, 0.5])
    assert loss.layer_mappings[0] == ("student.layer.0.attention.self", "teacher.layer.1.attention.self")
    assert loss.layer_output_process == [("1", "1"), ("", "")]
    with pytest.raises(ValueError, match="no feature of the student's layer `student.layer.0"):
        loss.loss_cal()
    for mappings, message in [([("a",)], "is no mapping"), ([("a", "x", "b", "0")], "names no output")]:
        with pytest.raises(ValueError, match=message):
            IntermediateLayersKnowledgeDistillationLoss(mappings)
    with pytest.raises(ValueError, match="2 entries for 1 mappings"):
        IntermediateLayersKnowledgeDistillationLoss([("a", "b")], ["MSE", "KL"])


def test_shapes_that_no_matcher_joins_are_refused() -> None:
    loss = IntermediateLayersKnowledgeDistillationLoss([("a", "a")])
    loss.student_features, loss.teacher_features = {"a": np.zeros((2, 3, 4))}, {"a": np.zeros((2, 5, 4))}
    with pytest.raises(ValueError, match="cannot be compared"):
        loss.loss_cal()
