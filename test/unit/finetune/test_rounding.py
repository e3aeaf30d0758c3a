"""Gradients of what rounds, and how much outputs depend on what is inside."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="fine-tuning needs torch: pip install 'pulsar2[finetune]'")

import torch
from small_models import calibrated, model_of, node, samples

from pulsar2.finetune.adam import Adam
from pulsar2.finetune.blocks import make_blocks
from pulsar2.finetune.network import Network
from pulsar2.finetune.operators import is_known
from pulsar2.finetune.ranges import Ranges
from pulsar2.finetune.rounding import LearnedRounding, LearnedStep, rounded
from pulsar2.finetune.sensitivity import sensitivities
from pulsar2.finetune.sites import Site
from pulsar2.lowering.quant.parameters import WeightOptions, quantize_weight
from pulsar2.lowering.quant.plan import QuantPlan
from pulsar2.onnx_export import main_function


def test_the_gradients_of_rounding_are_those_of_lsq() -> None:
    x = torch.tensor([-3.0, -0.6, 0.2, 0.74, 5.0], requires_grad=True)
    scale = torch.tensor(0.5, requires_grad=True)
    y = rounded(x, scale, -2, 3)
    np.testing.assert_allclose(y.detach(), [-1.0, -0.5, 0.0, 0.5, 1.5])
    weights = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
    (y * weights).sum().backward()
    np.testing.assert_allclose(x.grad, [0.0, 2.0, 3.0, 4.0, 0.0])
    # Outside: the bound itself; inside: what rounding added, in steps.
    parts = [-2.0, -1 + 1.2, 0 - 0.4, 1 - 1.48, 3.0]
    assert float(scale.grad) == pytest.approx(float(np.dot(parts, weights.numpy())), rel=1e-5)  # pyright: ignore


def test_adam_takes_steps_of_the_learning_rate() -> None:
    x = torch.tensor([1.0, -1000.0], requires_grad=True)
    adam = Adam([x])
    for _ in range(10):
        (x * torch.tensor([1e-3, -50.0])).sum().backward()
        adam.step(0.1)
    np.testing.assert_allclose(x.detach(), [0.0, -999.0], atol=1e-3)


def a_site() -> Site:
    weight = np.random.default_rng(0).normal(0, 1, (3, 2, 3, 3)).astype(np.float32)
    scales = np.asarray([0.3, 0.2, 0.4], np.float32)
    return Site(object(), 4, weight, scales, np.asarray([0, 0.35, 0], np.float32))  # pyright: ignore


def test_rounding_is_decided_when_it_has_cooled() -> None:
    site = a_site()
    learner = LearnedRounding(site, "cpu")
    soft = learner.value().detach().numpy()
    limit = 7 * site.scales.reshape(-1, 1, 1, 1)
    np.testing.assert_allclose(soft, np.clip(site.weight, -limit, limit), atol=1e-5)
    learner.anneal(1.0)
    decided = np.mean(np.isin(learner.up().detach().numpy(), (0.0, 1.0)))
    assert decided > 0.95
    integers = learner.integers()
    np.testing.assert_array_equal(integers.values, quantize_weight(site.weight, site.scales, 0, 4))
    # An S32 bias must not overflow.
    np.testing.assert_array_equal(integers.scales, np.float32([0.3, 0.35, 0.4]))


def test_steps_begin_at_the_nearest_integers() -> None:
    site = a_site()
    np.testing.assert_allclose(
        LearnedStep(site, "cpu").value().detach(), site.nearest().numbers, rtol=1e-6
    )


def test_sensitivity_is_the_mean_square_of_the_gradient() -> None:
    random = np.random.default_rng(1)
    w = random.normal(0, 1, (6, 4)).astype(np.float32)
    nodes = [node("Neg", ["x"], ["z"], "first"), node("MatMul", ["z", "w"], ["y"], "second")]
    model = model_of(nodes, {"x": (1, 6)}, {"w": w})
    data = samples(model, 400)
    module, context = calibrated(model, data[:2])
    plan = QuantPlan(main_function(module), context.weights)
    blocks = make_blocks(plan, 1, is_known)
    network = Network(plan, Ranges(plan), "cpu")
    (argument,) = plan.func.args
    given = [{argument: s.inputs["x"]} for s in data]
    found = sensitivities(network, blocks, {}, given, seed=0)
    (inner,) = (v for v in found if v is blocks[0].outputs[0])
    # Each output counts in units of its size, which is one number here, so that it cancels.
    expected = np.square(w).sum(1)
    got = found[inner].numpy().reshape(-1)
    np.testing.assert_allclose(got, expected / expected.mean(), rtol=0.35)
    assert abs(float(got.mean()) - 1) < 1e-5


def test_weights_of_a_site_are_those_of_conversion() -> None:
    model = model_of(
        [node("Gemm", ["x", "w"], ["y"], "gemm", transB=1)],
        {"x": (1, 6)},
        {"w": np.random.default_rng(2).normal(0, 1, (4, 6)).astype(np.float32)},
    )
    module, context = calibrated(model, samples(model, 2), bits=8)
    plan = QuantPlan(main_function(module), context.weights)
    (op,) = (o for o in plan.ops() if plan.rule(o).has_weights)
    site = Site.of(plan, op, plan.factor_type(op.operands[0], op), WeightOptions(threshold=5.0))
    assert site is not None
    np.testing.assert_allclose(site.scales, np.full(4, 5 / 127), rtol=1e-6)
