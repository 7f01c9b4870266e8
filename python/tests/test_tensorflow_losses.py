"""Losses on a TensorFlow tape, eagerly and within a graph, beside TensorFlow's own formulas."""

from __future__ import annotations

from typing import Any

import pytest

tf = pytest.importorskip("tensorflow")

from autodistillation import (  # noqa: E402
    IntermediateLayersKnowledgeDistillationLoss,
    KnowledgeDistillationLoss,
)


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "graph"])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-6), ("float32", 1e-4)])
def test_distillation_of_logits_agrees_with_tensorflow(dtype: str, tolerance: float, compiled: bool) -> None:
    student, teacher = (3 * tf.random.stateless_normal((16, 5), (side, 1), dtype=dtype) for side in (1, 2))
    targets = [index % 5 for index in range(16)]
    loss = KnowledgeDistillationLoss(2.0, ["CE", "KL"], [0.25, 0.75])

    def ours(logits: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = loss.loss_cal(logits, targets, teacher)
        return value, tape.gradient(value, logits)

    with tf.GradientTape() as tape:
        tape.watch(student)
        own = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(targets, student))
        soft, log = tf.nn.softmax(teacher / 2), tf.nn.log_softmax(student / 2)
        divergence = tf.reduce_mean(tf.reduce_sum(soft * (tf.math.log(soft) - log), -1)) * 4
        expected = 0.25 * own + 0.75 * divergence
    value, slope = (tf.function(ours) if compiled else ours)(student)
    assert abs(float(value - expected)) < tolerance
    assert float(tf.reduce_max(tf.abs(slope - tape.gradient(expected, student)))) < tolerance


def test_a_matcher_is_trained_with_its_layer() -> None:
    loss = IntermediateLayersKnowledgeDistillationLoss([("a", "b")], ["MSE"], [1.0])
    loss.student_features["a"] = tf.random.stateless_normal((2, 3, 4), (1, 1))
    loss.teacher_features["b"] = tf.random.stateless_normal((2, 3, 6), (2, 1))
    loss.loss_cal()
    matcher = loss.feature_matchers["a → b"]
    with tf.GradientTape() as tape:
        value = loss.loss_cal()
    weight, bias = tape.gradient(value, matcher.trainable_variables)
    apart = tf.tensordot(loss.student_features["a"], matcher.weight, 1) + matcher.bias - loss.teacher_features["b"]
    expected = tf.tensordot(loss.student_features["a"], apart, [[0, 1], [0, 1]]) * 2 / 36
    assert float(tf.reduce_max(tf.abs(weight - expected))) < 1e-5 and bias.shape == (6,)
