"""Fine-tuning of small models: what is learned, what of it arrives, and what is left alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnxruntime as ort
import pytest

pytest.importorskip("torch", reason="fine-tuning needs torch: pip install 'pulsar2[finetune]'")

import onnx
import torch
from small_models import calibrated, model_of, node, residual_model, samples
from xdsl.dialects.builtin import ModuleOp

from pulsar2.calibration.dataset import Sample
from pulsar2.context import AxContext
from pulsar2.dialects.onnx import OnnxOp
from pulsar2.dialects.quant import ConstantOp, ConvOp, ConvTransposeOp, MatMulOp
from pulsar2.dialects.quant.types import UniformType, quant_parameters, quantized_of, uniform_of
from pulsar2.finetune.blocks import make_blocks
from pulsar2.finetune.network import Network
from pulsar2.finetune.operators import is_known
from pulsar2.finetune.options import FinetuneOptions, Strategy
from pulsar2.finetune.ranges import Ranges
from pulsar2.finetune.sites import Integers, Site, as_operand, channels_first, write_integers
from pulsar2.finetune.tune import finetune
from pulsar2.ir import print_module
from pulsar2.locations import node_name, tensor_name
from pulsar2.lowering.quant.parameters import WeightOptions
from pulsar2.lowering.quant.plan import QuantPlan
from pulsar2.lowering.quant.ranges import range_of
from pulsar2.onnx_export import main_function
from pulsar2.pipeline import parse_passes, run_passes
from pulsar2.quant_export import export_qdq, reference_session

COUNT = 12


def options(strategy: Strategy, **more: int | float) -> FinetuneOptions:
    return FinetuneOptions(strategy, **({"epochs": 10, "learning_rate": 1e-2} | more))  # pyright: ignore


def output_error(
    module: ModuleOp, context: AxContext, model: onnx.ModelProto, data: Sequence[Sample]
) -> float:
    """Power of the error of the integer model's outputs, beside that of the float model's."""
    run_passes(context, module, parse_passes("quantize"))
    got = reference_session(export_qdq(module, context))
    expected = ort.InferenceSession(model.SerializeToString())
    error = signal = 0.0
    for sample in data:
        pairs = zip(
            got.run(None, sample.inputs), expected.run(None, dict(sample.inputs)), strict=True
        )
        for one, other in pairs:
            error += float(np.square(np.asarray(one) - other).sum())
            signal += float(np.square(other).sum())
    return error / signal


def integers_of(module: ModuleOp, context: AxContext) -> dict[str, Integers]:
    """The integers and scales of the weights of a quantized module, by node, channels first."""
    found: dict[str, Integers] = {}
    for op in module.walk():
        if isinstance(op, ConvOp | ConvTransposeOp | MatMulOp):
            constant = op.operands[1].owner
            if isinstance(constant, ConstantOp):
                type_ = quantized_of(constant.result)
                assert type_ is not None
                array = constant.array(context.weights)
                scales, _ = quant_parameters(type_, context.weights)
                values = array.swapaxes(0, -1) if isinstance(op, MatMulOp) else array
                found[node_name(op)] = Integers(values, scales)
    return found


@pytest.mark.parametrize("strategy", list(Strategy))
def test_outputs_get_nearer_to_the_float_model(strategy: Strategy) -> None:
    model = residual_model()
    data, others = samples(model, COUNT), samples(model, 6, seed=2)
    before = output_error(*calibrated(model, data), model, others)
    module, context = calibrated(model, data)
    finetune(module, context, data, options(strategy))
    after = output_error(module, context, model, others)
    # On samples that were not learned from.
    assert after < 0.92 * before


@pytest.mark.parametrize("strategy", list(Strategy))
def test_the_quantized_model_has_the_learned_integers_and_ranges(strategy: Strategy) -> None:
    model = residual_model()
    data = samples(model, COUNT)
    module, context = calibrated(model, data)
    before = {tensor_name(o.results[0]): range_of(o.results[0]) for o in ops_of(module)}
    learned = finetune(module, context, data, options(strategy))
    assert {"conv3", "gemm"} <= set(learned)
    changed = {
        tensor_name(o.results[0])
        for o in ops_of(module)
        if range_of(o.results[0]) != before[tensor_name(o.results[0])]
    }
    # AdaRound leaves activations alone; what only moves has the range of what it moves.
    assert bool(changed) == (strategy is not Strategy.ADAROUND)
    ranges = {tensor_name(o.results[0]): range_of(o.results[0]) for o in ops_of(module)}
    run_passes(context, module, parse_passes("quantize"))
    made = integers_of(module, context)
    for name, integers in learned.items():
        np.testing.assert_array_equal(made[name].values, integers.values)
        np.testing.assert_array_equal(made[name].scales, integers.scales)
        assert np.abs(integers.values.astype(int)).max() <= 7
    for op in module.walk():
        type_ = uniform_of(op.results[0]) if op.results else None
        pair = ranges.get(tensor_name(op.results[0])) if op.results else None
        if type_ is not None and pair is not None:
            span = max(pair[1], 0.0) - min(pair[0], 0.0)
            assert float(type_.scale) == pytest.approx(span / 255, rel=1e-6)


def ops_of(module: ModuleOp) -> list[OnnxOp]:
    return [o for o in main_function(module).body.block.ops if isinstance(o, OnnxOp)]


def test_adaround_only_chooses_between_two_neighbours() -> None:
    model = residual_model()
    data = samples(model, COUNT)
    module, context = calibrated(model, data)
    plan = QuantPlan(main_function(module), context.weights)
    floors = {}
    for op in plan.ops():
        if not plan.is_absorbed(op) and plan.rule(op).has_weights:
            site = Site.of(plan, op, plan.factor_type(op.operands[0], op), WeightOptions())
            assert site is not None
            shape = (-1, *(1,) * (site.weight.ndim - 1))
            floors[node_name(op)] = np.floor(site.weight / site.scales.reshape(shape))
    learned = finetune(module, context, data, options(Strategy.ADAROUND))
    assert learned
    for name, integers in learned.items():
        up = integers.values - floors[name]
        assert set(np.unique(up)) == {0.0, 1.0}


@pytest.mark.parametrize("bits", [4, 8])
def test_the_student_computes_what_the_quantized_model_does(bits: int) -> None:
    """Rounding stands where the plan has it: also in sums with constants, and at shared scales."""
    random = np.random.default_rng(3)
    nodes = [
        node("Conv", ["x", "w1", "b1"], ["a"], "conv1", pads=[1, 1, 1, 1]),
        node("Clip", ["a", "low", "high"], ["b"], "clip"),
        node("Mul", ["b", "s"], ["c"], "scale"),
        node("Div", ["c", "d"], ["e"], "divide"),
        node("Concat", ["b", "e"], ["f"], "join", axis=1),
        node("AveragePool", ["f"], ["g"], "mean", kernel_shape=[3, 3], pads=[1] * 4),
        node("PRelu", ["g", "p"], ["h"], "prelu"),
        node("ConvTranspose", ["h", "w2"], ["i"], "up", strides=[2, 2], group=2),
        node("Transpose", ["i"], ["j"], "turn", perm=[0, 2, 3, 1]),
        node("MatMul", ["j", "w3"], ["k"], "product"),
        node("Add", ["k", "b3"], ["y"], "bias"),
    ]
    shapes = {
        "w1": (4, 3, 3, 3), "b1": (4,), "s": (4, 1, 1), "p": (8, 1, 1), "w2": (8, 3, 2, 2),
        "w3": (6, 5), "b3": (5,),
    }  # fmt: skip
    constants = {k: random.normal(0, 0.4, v).astype(np.float32) for k, v in shapes.items()}
    constants |= {
        "d": random.uniform(0.5, 2, (4, 1, 1)).astype(np.float32),
        "low": np.float32(-0.2), "high": np.float32(1.1),
    }  # fmt: skip
    model = model_of(nodes, {"x": (1, 3, 6, 6)}, {k: np.asarray(v) for k, v in constants.items()})
    data = samples(model, 3)
    module, context = calibrated(model, data, bits=bits, optimized=False)
    plan = QuantPlan(main_function(module), context.weights)
    (block,) = make_blocks(plan, 20, is_known)
    network = Network(plan, Ranges(plan), "cpu")
    weights = {}
    for op in block.ops:
        if plan.rule(op).has_weights:
            site = Site.of(plan, op, plan.factor_type(op.operands[0], op), WeightOptions())
            assert site is not None
            weights[op] = site.nearest()
    used = network.weights(weights)
    (argument,) = plan.func.args
    (output,) = block.outputs
    with torch.no_grad():
        values = [
            network.quantized(block, {argument: torch.from_numpy(s.inputs["x"])}, used)
            for s in data
        ]
    type_ = plan.element_type(output)
    assert isinstance(type_, UniformType)
    run_passes(context, module, parse_passes("quantize"))
    session = reference_session(export_qdq(module, context))
    for sample, got in zip(data, values, strict=True):
        (expected,) = session.run(None, sample.inputs)
        off = np.abs(got[output].numpy() - expected) / type_.scale
        # Sums differ in their last bit, so that one in many is rounded to the other side, and what
        # is computed of it is a step or two off.
        assert off.max() <= 2.01
        assert np.mean(off > 0.01) < 0.05


def test_a_block_whose_loss_does_not_fall_keeps_its_numbers() -> None:
    model = residual_model()
    data = samples(model, 2)
    module, context = calibrated(model, data, bits=8)
    before = print_module(module)
    learned = finetune(module, context, data, options(Strategy.LSQ, epochs=1, learning_rate=1e-30))
    assert learned == {}
    assert print_module(module) == before


@pytest.mark.parametrize("strategy", list(Strategy))
def test_the_result_is_the_same_every_time(strategy: Strategy) -> None:
    model = residual_model()
    data = samples(model, 4)
    texts: set[str] = set()
    for threads in (1, 3):
        torch.set_num_threads(threads)
        torch.manual_seed(threads)
        module, context = calibrated(model, data)
        finetune(module, context, data, options(strategy, epochs=2, batch_size=3))
        assert torch.get_num_threads() == threads
        texts.add(print_module(module))
    assert len(texts) == 1


def test_what_cannot_be_differentiated_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    random = np.random.default_rng(4)
    nodes = [
        node("Conv", ["x", "w1"], ["a"], "first"),
        node("Floor", ["a"], ["b"], "floor"),
        node("Round", ["b"], ["c"], "round"),
        node("Conv", ["c", "w2"], ["y"], "second"),
    ]
    constants = {
        "w1": random.normal(0, 2, (4, 2, 3, 3)).astype(np.float32),
        "w2": random.normal(0, 0.5, (4, 4, 3, 3)).astype(np.float32),
    }
    model = model_of(nodes, {"x": (1, 2, 8, 8)}, constants)
    data = samples(model, COUNT)
    module, context = calibrated(model, data)
    learned = finetune(module, context, data, options(Strategy.BRECQ))
    assert set(learned) <= {"first", "second"}
    assert "second" in learned
    text = capsys.readouterr().out
    assert "# Block [1 / 2]: [['x'] -> ['a']]" in text
    assert "# Block [2 / 2]: [['c'] -> ['y']]" in text


def test_weights_return_as_the_operand_that_they_were() -> None:
    random = np.random.default_rng(5)
    nodes = [
        node("ConvTranspose", ["x", "w1"], ["a"], "up", group=2),
        node("Flatten", ["a"], ["b"], "flatten"),
        node("Gemm", ["b", "w2"], ["c"], "gemm", alpha=0.3),
        node("MatMul", ["c", "w3"], ["y"], "product"),
    ]
    shapes = {"w1": (4, 3, 2, 2), "w2": (150, 7), "w3": (7, 3)}
    constants = {k: random.normal(0, 1, v).astype(np.float32) for k, v in shapes.items()}
    model = model_of(nodes, {"x": (1, 4, 4, 4)}, constants)
    data = samples(model, 1)
    module, context = calibrated(model, data, bits=8, optimized=False)
    plan = QuantPlan(main_function(module), context.weights)
    made: dict[str, Integers] = {}
    for op in plan.ops():
        if plan.rule(op).has_weights:
            site = Site.of(plan, op, plan.factor_type(op.operands[0], op), WeightOptions())
            assert site is not None
            again = channels_first(op, as_operand(op, site.weight))
            np.testing.assert_array_equal(again, site.weight)
            values = random.integers(-127, 128, site.weight.shape).astype(np.int8)
            scales = random.uniform(0.001, 0.1, site.scales.shape).astype(np.float32)
            made[node_name(op)] = Integers(values, scales)
    assert write_integers(plan.func, made | {"gone": made["up"]}, context.weights) == ["gone"]
    run_passes(context, module, parse_passes("quantize"))
    found = integers_of(module, context)
    assert set(found) == set(made)
    for name, integers in made.items():
        np.testing.assert_array_equal(found[name].values, integers.values)
        np.testing.assert_array_equal(found[name].scales, integers.scales)
