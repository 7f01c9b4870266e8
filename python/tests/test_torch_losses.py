"""Losses as part of torch's graph, beside PyTorch's own formulas and gradients; hooks on torch modules."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from autodistillation import (  # noqa: E402
    IntermediateLayersKnowledgeDistillationLoss,
    KnowledgeDistillationLoss,
)

TYPES = [(torch.float64, 1e-6), (torch.float32, 1e-4)]


def gradient(loss: Any, *leaves: Any) -> Any:
    return torch.autograd.grad(loss, leaves)


@pytest.mark.parametrize(("dtype", "tolerance"), TYPES)
@pytest.mark.parametrize("other", ["CE", "KL", "MSE"])
@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_distillation_of_logits_agrees_with_pytorch(dtype: Any, tolerance: float, other: str, temperature: float) -> None:
    torch.manual_seed(1)
    student = (3 * torch.randn(16, 5, dtype=dtype)).requires_grad_()
    teacher, targets = 3 * torch.randn(16, 5, dtype=dtype), torch.randint(0, 5, (16,))
    soft, log = functional.softmax(teacher / temperature, -1), functional.log_softmax(student / temperature, -1)
    distance = {
        "CE": lambda: -(soft * log).sum(-1).mean() * temperature**2,
        "KL": lambda: functional.kl_div(log, soft, reduction="batchmean") * temperature**2,
        "MSE": lambda: functional.mse_loss(student, teacher),
    }[other]()
    expected = 0.25 * functional.cross_entropy(student, targets) + 0.75 * distance
    found = KnowledgeDistillationLoss(temperature, ["CE", other], [0.25, 0.75]).loss_cal(student, targets, teacher)
    assert found.dtype == dtype and found.ndim == 0
    torch.testing.assert_close(found, expected, atol=tolerance, rtol=tolerance)
    torch.testing.assert_close(gradient(found, student), gradient(expected, student), atol=tolerance, rtol=0)


@pytest.mark.parametrize(("dtype", "tolerance"), TYPES)
def test_layers_with_matchers_agree_with_pytorch(dtype: Any, tolerance: float) -> None:
    torch.manual_seed(2)
    student, teacher = network(4, dtype), network(6, dtype)
    loss = IntermediateLayersKnowledgeDistillationLoss(
        [("0", "0"), ("2", "0", "2", "0")], ["MSE", "KL"], [0.7, 0.3], student_model=student, teacher_model=teacher
    )
    batch = torch.randn(5, 3, 8, dtype=dtype)
    loss.teacher_model_forward([batch])
    student(batch)
    found = loss.loss_cal()
    matcher = loss.feature_matchers["0 → 0"]
    assert tuple(matcher.weight.shape) == (4, 6) and loss.feature_matchers["2 → 2"] is None
    with torch.no_grad():
        wanted = (teacher[0](batch), teacher(batch))
    hidden = student[0](batch)
    expected = 0.7 * functional.mse_loss(hidden @ matcher.weight + matcher.bias, wanted[0])
    log, soft = functional.log_softmax(student(batch), -1), functional.softmax(wanted[1], -1)
    expected = expected + 0.3 * functional.kl_div(log.flatten(0, 1), soft.flatten(0, 1), reduction="batchmean")
    leaves = [*student.parameters(), matcher.weight, matcher.bias]
    torch.testing.assert_close(found, expected, atol=tolerance, rtol=tolerance)
    torch.testing.assert_close(gradient(found, *leaves), gradient(expected, *leaves), atol=tolerance, rtol=0)
    assert all(parameter.grad is None for parameter in teacher.parameters())
    loss.remove_hooks()
    loss.student_features.clear()
    student(batch)
    assert not loss.student_features


def network(width: int, dtype: Any) -> Any:
    return torch.nn.Sequential(torch.nn.Linear(8, width), torch.nn.Tanh(), torch.nn.Linear(width, 3)).to(dtype)


def test_a_student_learns_from_these_losses_in_its_own_loop() -> None:
    torch.manual_seed(3)
    student, teacher = network(4, torch.float32), network(16, torch.float32)
    loss = KnowledgeDistillationLoss(2.0, ["CE", "KL"], [0.0, 1.0], student, teacher)
    batch = torch.randn(64, 8)
    optimizer = torch.optim.Adam(student.parameters(), 0.02)
    values = []
    for _ in range(150):
        loss.teacher_model_forward(batch)
        value = loss(student(batch), None)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < 0.1 * values[0]


def test_the_students_own_loss_is_added_and_a_wrong_layer_is_named() -> None:
    student = network(4, torch.float64)
    loss = IntermediateLayersKnowledgeDistillationLoss([("2", "2")], ["MSE"], [1.0], True, student, network(6, torch.float64))
    batch, targets = torch.randn(5, 8, dtype=torch.float64), torch.tensor([0, 1, 2, 0, 1])
    loss.teacher_model_forward(batch)
    outputs = student(batch)
    expected = functional.mse_loss(outputs, loss.teacher_features["2"]) + functional.cross_entropy(outputs, targets)
    torch.testing.assert_close(loss.loss_cal(outputs, targets), expected)
    with pytest.raises(ValueError, match="give both"):
        loss.loss_cal()
    with pytest.raises(ValueError, match="the model has no layer `layer.9`: it has 0, 1, 2"):
        IntermediateLayersKnowledgeDistillationLoss([("layer.9", "2")], student_model=student)


def test_half_precision_is_computed_in_single() -> None:
    student = torch.randn(4, 3, dtype=torch.bfloat16, requires_grad=True)
    value = KnowledgeDistillationLoss().loss_cal(student, torch.tensor([0, 1, 2, 0]), torch.randn(4, 3).bfloat16())
    value.backward()
    assert value.dtype == student.grad.dtype == torch.bfloat16
