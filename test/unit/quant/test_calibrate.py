"""Calibration: observed ranges against ONNX Runtime's own outputs, and what goes wrong in it."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from loguru import logger
from onnx import TensorProto, helper, numpy_helper
from xdsl.dialects.builtin import ModuleOp

import bench.networks as networks
from pulsar2._kernels import HistogramObserver, ObserverSet
from pulsar2.calibration.blocked_layout import in_blocked_layout
from pulsar2.calibration.calibrate import calibrate
from pulsar2.calibration.dataset import Sample
from pulsar2.calibration.methods import Method
from pulsar2.calibration.observed_model import ObservedModel
from pulsar2.calibration.sessions import export_float
from pulsar2.calibration.tensor_model import TensorModel
from pulsar2.context import AxContext, make_context
from pulsar2.diagnostics import UserError
from pulsar2.dialects.quant.elementwise import UnaryFn
from pulsar2.locations import tensor_name
from pulsar2.lowering.quant.leveling import told_apart
from pulsar2.lowering.quant.placement import cpu_nodes
from pulsar2.lowering.quant.plan import QuantPlan
from pulsar2.lowering.quant.ranges import range_of
from pulsar2.lowering.quant.rules.base import ElementFunction
from pulsar2.onnx_export import main_function
from pulsar2.onnx_import import import_onnx
from pulsar2.pipeline import parse_passes, run_passes
from pulsar2.tables import unary_values


def model_of(nodes: list[onnx.NodeProto], shape: tuple[int, ...], **constants: np.ndarray):
    outputs = {o for n in nodes for o in n.output} - {i for n in nodes for i in n.input}
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in sorted(outputs)],
        [numpy_helper.from_array(v, k) for k, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return onnx.shape_inference.infer_shapes(model)


def imported(model: onnx.ModelProto) -> tuple[ModuleOp, AxContext]:
    ctx = make_context()
    return import_onnx(model, ctx), ctx


@pytest.mark.parametrize("channels", [8, 13])
def test_ranges_are_those_of_plain_runs(channels: int) -> None:
    """Also where ONNX Runtime pads the channels of its blocked layout."""
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "v"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["b", "c"], ["d"]),
        helper.make_node("Cos", ["d"], ["e"]),
        helper.make_node("Conv", ["e", "v"], ["f"]),
        helper.make_node("GlobalAveragePool", ["f"], ["g"]),
    ]
    w = rng.normal(0, 0.3, (channels, 3, 3, 3)).astype(np.float32)
    v = rng.normal(0, 0.3, (channels, channels, 3, 3)).astype(np.float32)
    model = model_of(nodes, (1, 3, 12, 12), w=w, v=v)
    samples = [
        Sample(str(i), {"x": rng.normal(0, 1 + i, (1, 3, 12, 12)).astype(np.float32)})
        for i in range(6)
    ]
    module, ctx = imported(model)
    result = calibrate(module, ctx, samples, threads=2)
    assert result.samples == 6
    plain = onnx.ModelProto()
    plain.CopyFrom(model)
    del plain.graph.output[:]
    plain.graph.output.extend(
        helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in "bcdefg"
    )
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(plain.SerializeToString(), options)
    runs = [dict(zip("bcdefg", session.run(None, s.inputs), strict=True)) for s in samples]
    plan = QuantPlan(main_function(module), ctx.weights)
    names = {tensor_name(value): range_of(value) for value in plan.observed()}
    assert sorted(names) == ["b", "c", "d", "e", "f", "g", "x"]  # a is not: Relu is fused
    for name in "bcdefg":
        low = min(0.0, *(float(r[name].min()) for r in runs))
        high = max(0.0, *(float(r[name].max()) for r in runs))
        np.testing.assert_allclose(names[name], (low, high), rtol=1e-4, atol=1e-5)


def test_swish_between_convolutions_stays_in_their_layout(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Swish", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "v"], ["c"]),
    ]
    w = rng.normal(0, 1, (16, 3, 3, 3)).astype(np.float32)
    v = rng.normal(0, 1, (9, 16, 1, 1)).astype(np.float32)
    model = model_of(nodes, (1, 3, 8, 8), w=w, v=v)
    model.opset_import[0].version = 24
    module, ctx = imported(model)
    func = main_function(module)
    values = [op.results[0] for op in QuantPlan(func, ctx.weights).ops()]
    exported = export_float(func, ctx.weights, tmp_path / "m.onnx")
    names = [exported.names[v] for v in values]
    found = in_blocked_layout(exported.model, names, tmp_path / "m.onnx", tmp_path / "o.onnx")
    assert found is not None
    optimized, places = found
    producers = {name: node for node in optimized.graph.node for name in node.output}
    swish = producers[places["b"]]
    assert swish.op_type == "QuickGelu"
    assert list(swish.input) == [places["a"]]
    assert producers[places["a"]].domain == producers[places["c"]].domain == "com.microsoft.nchwc"


def test_what_is_shown_in_the_blocked_layout_is_what_is_computed() -> None:
    """Also where channels are padded; a run says which tensors are not finite."""
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Exp", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "v"], ["c"]),
    ]
    w = rng.normal(0, 0.3, (16, 3, 3, 3)).astype(np.float32)
    v = rng.normal(0, 1, (9, 16, 1, 1)).astype(np.float32)
    module, ctx = imported(model_of(nodes, (1, 3, 8, 8), w=w, v=v))
    func = main_function(module)
    values = [op.results[0] for op in QuantPlan(func, ctx.weights).ops()]
    x = rng.normal(0, 1, (1, 3, 8, 8)).astype(np.float32)
    tensors = TensorModel(func, ctx.weights, values).runner()
    plain = tensors.run({"x": x})
    sizes = [tensor.size for tensor in plain]
    for ordered in (False, True):
        observers = [HistogramObserver() for _ in sizes]
        model = ObservedModel(func, ctx.weights, values, ordered=ordered)
        runner = model.runner(ObserverSet(observers, sizes))
        assert runner.run({"x": x}) == [0, 0, 0]
        assert (observers[2].count > sizes[2]) == (not ordered)  # channels are padded
        for observer, tensor in zip(observers, plain, strict=True):
            assert observer.counts.sum() == tensor.size
            found, limits = (
                (min(float(low), 0), max(float(high), 0))
                for low, high in ((observer.min, observer.max), (tensor.min(), tensor.max()))
            )
            np.testing.assert_allclose(found, limits, rtol=1e-4)
        assert runner.run({"x": np.where(x == x.max(), np.nan, x)}) == [2, 2, 2]
        assert runner.run({"x": x * 100})[:2] == [0, 1]
        assert [int(o.counts.sum()) for o in observers] == [2 * sizes[0], *sizes[1:]]
        with pytest.raises(Exception, match="no observer of tensor"):
            model.runner(ObserverSet([], [])).run({"x": x})


def test_memory_of_moved_tensors_is_not_observed_twice() -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("Transpose", ["a"], ["b"], perm=[0, 2, 1]),
        helper.make_node("Concat", ["b", "b"], ["c"], axis=1),
    ]
    module, ctx = imported(model_of(nodes, (1, 4, 4)))
    plan = QuantPlan(main_function(module), ctx.weights)
    assert [tensor_name(v) for v in plan.observed()] == ["x", "a"]


def observed_names(*nodes: onnx.NodeProto, **constants: np.ndarray) -> list[str]:
    """The tensors that a plan observes for a model of these nodes, which reads x [1, 3, 4, 4]."""
    module, ctx = imported(model_of(list(nodes), (1, 3, 4, 4), **constants))
    return [tensor_name(v) for v in QuantPlan(main_function(module), ctx.weights).observed()]


def test_only_what_is_selected_is_observed() -> None:
    pool = helper.make_node("MaxPool", ["a"], ["p"], kernel_shape=[2, 2])
    flat = helper.make_node("Flatten", ["p"], ["f"])
    neg = helper.make_node("Neg", ["x"], ["a"])
    assert observed_names(neg, pool, flat) == ["x", "p"]
    another = helper.make_node("Abs", ["a"], ["n"])
    assert observed_names(neg, pool, another) == ["x", "a", "n"]
    joined = helper.make_node("Concat", ["a", "x"], ["c"], axis=1)
    pool = helper.make_node("MaxPool", ["c"], ["p"], kernel_shape=[2, 2])
    assert observed_names(neg, joined, pool) == ["p", "x"]
    first = helper.make_node("Gather", ["a", "zero"], ["g"], axis=2)
    parts = helper.make_node("Split", ["a"], ["s", "t", "u"], axis=1)
    use = helper.make_node("Exp", ["t"], ["e"])
    zero = np.zeros((), np.int64)
    found = observed_names(neg, first, parts, use, zero=zero)
    assert found == ["x", "s", "t", "u", "g", "e"]
    # 1 of 16 numbers, and 1 of 48, whose range tells too little.
    row = helper.make_node("MaxPool", ["a"], ["p"], kernel_shape=[4, 4])
    assert observed_names(neg, row) == ["x", "p"]
    one = helper.make_node("Slice", ["p", "zero", "one", "one"], ["g"])
    ends = {"zero": np.array([0]), "one": np.array([1])}
    assert observed_names(neg, row, one, **ends) == ["x", "a"]
    whole = helper.make_node("Transpose", ["a"], ["t"], perm=[0, 2, 3, 1])
    assert observed_names(neg, whole) == ["x", "a"]


def test_a_pooling_drops_numbers_that_then_saturate() -> None:
    nodes = [
        helper.make_node("Neg", ["x"], ["a"]),
        helper.make_node("MaxPool", ["a"], ["p"], kernel_shape=[1, 2], strides=[1, 2]),
    ]
    module, ctx = imported(model_of(nodes, (1, 1, 1, 4)))
    x = np.asarray([[[[100, -1, 30, -3]]]], np.float32)
    calibrate(module, ctx, [Sample("one", {"x": x})])
    plan = QuantPlan(main_function(module), ctx.weights)
    pooled = next(op for op in plan.ops() if op.op_type == "MaxPool")
    assert plan.limits(plan.group(pooled.results[0])) == (0.0, 3.0)
    run_passes(ctx, module, parse_passes("convert-onnx-to-quant"))
    assert "max_pool" in str(module)


def test_constants_are_held_whole_though_not_selected() -> None:
    nodes = [
        helper.make_node("Less", ["x", "never"], ["below"]),
        helper.make_node("Where", ["below", "lowest", "x"], ["y"]),
    ]
    never, lowest = np.float32(-50), np.full((1, 4), -10, np.float32)
    module, ctx = imported(model_of(nodes, (1, 4), never=np.array(never), lowest=lowest))
    calibrate(module, ctx, [Sample("one", {"x": np.asarray([[1, 2, 3, 4]], np.float32)})])
    plan = QuantPlan(main_function(module), ctx.weights)
    (where,) = (op for op in plan.ops() if op.op_type == "Where")
    assert plan.limits(plan.group(where.results[0])) == (-10.0, 4.0)


def calibrated_limits(nodes: list[onnx.NodeProto], x: np.ndarray) -> tuple[float, float]:
    """The range of a = x - 0, computed by the first of the nodes."""
    module, ctx = imported(model_of(nodes, x.shape))
    calibrate(module, ctx, [Sample("one", {"x": x})])
    plan = QuantPlan(main_function(module), ctx.weights)
    return plan.limits(plan.group(next(iter(plan.ops())).results[0]))


def test_ranges_end_where_all_readers_level_off() -> None:
    x = np.linspace(-20, 40, 64, dtype=np.float32)[None]
    neg = helper.make_node("Neg", ["x"], ["a"])
    sigmoid = helper.make_node("Sigmoid", ["a"], ["s"])
    low, high = calibrated_limits([neg, sigmoid], x)
    assert -10 < low < -9
    assert 9 < high < 10
    tanh = helper.make_node("Tanh", ["a"], ["t"])
    assert calibrated_limits([neg, tanh, sigmoid], x) == (low, high)
    relu = helper.make_node("Relu", ["a"], ["r"])
    assert calibrated_limits([neg, relu, relu_of("r2")], x) == (0.0, 20.0)
    assert calibrated_limits([neg, sigmoid, helper.make_node("Abs", ["a"], ["b"])], x) == (-40, 20)
    assert calibrated_limits([neg, helper.make_node("Abs", ["a"], ["b"])], x) == (-40, 20)


@pytest.mark.parametrize("operator", ["Ceil", "Floor", "Round"])
def test_ranges_do_not_end_at_a_jump(operator: str) -> None:
    x = np.asarray([[-3.3, -0.8, 1.2, 3.7]], np.float32)
    nodes = [helper.make_node("Neg", ["x"], ["a"]), helper.make_node(operator, ["a"], ["y"])]
    assert calibrated_limits(nodes, x) == pytest.approx((-3.7, 3.3))
    # A slope within one interval of what is looked at is no jump.
    steep = [nodes[0], helper.make_node("HardSigmoid", ["a"], ["y"])]
    low, high = calibrated_limits(steep, np.asarray([[-30000, 30000]], np.float32))
    assert -50 < low < 0 < high < 50


def relu_of(name: str) -> onnx.NodeProto:
    return helper.make_node("Relu", ["a"], [name])


@pytest.mark.parametrize(
    "function",
    [
        ElementFunction(UnaryFn.SIGMOID),
        ElementFunction(UnaryFn.HARD_SIGMOID, 0.2, 0.5),
        ElementFunction(UnaryFn.TANH),
        ElementFunction(UnaryFn.CLIP, -0.5, 6.0),
        ElementFunction(UnaryFn.RELU),
        ElementFunction(UnaryFn.GELU),
        ElementFunction(UnaryFn.HARD_SWISH),
        ElementFunction(UnaryFn.ELU, 1.0),
        ElementFunction(UnaryFn.SILU),
        ElementFunction(UnaryFn.SIN),
    ],
    ids=lambda function: function.fn.value,
)
@pytest.mark.parametrize("whole", [(-30.0, 50.0), (-3.0, 2.0), (0.0, 9.0), (-40.0, 0.0)])
def test_a_function_gives_the_same_within_the_part_told_apart(
    function: ElementFunction, whole: tuple[float, float]
) -> None:
    low, high = told_apart(function, whole, 255)
    assert whole[0] <= low <= 0 <= high <= whole[1]

    def of(x: np.ndarray) -> np.ndarray:
        return unary_values(function.fn.value, function.alpha or 0, function.beta or 0, x)

    x = np.linspace(*whole, 10001, dtype=np.float32)
    y = of(x)
    span = max(float(y.max()), 0) - min(float(y.min()), 0)
    assert np.abs(of(np.clip(x, low, high)) - y).max() <= 0.3 * span / 255
    assert told_apart(function, whole, None)[1] >= high


def test_a_function_without_a_result_keeps_its_range() -> None:
    assert told_apart(ElementFunction(UnaryFn.LOG), (-1.0, 8.0), 255) == (-1.0, 8.0)


def test_a_nan_names_tensor_and_sample() -> None:
    nodes = [
        helper.make_node("Sqrt", ["x"], ["root"]),
        helper.make_node("Relu", ["root"], ["y"]),
    ]
    module, ctx = imported(model_of(nodes, (1, 4)))
    good = Sample("good.png", {"x": np.ones((1, 4), np.float32)})
    bad = Sample("bad.png", {"x": np.asarray([[1, 2, -1, 1]], np.float32)})
    with pytest.raises(UserError) as caught:
        calibrate(module, ctx, [good, good, bad, good], threads=2)
    assert "tensor 'root'" in str(caught.value)
    assert "bad.png" in str(caught.value)


def masked(mask: str, **constants: np.ndarray) -> tuple[ModuleOp, AxContext]:
    nodes = [
        helper.make_node("Less", ["x", "zero"], ["below"], "less"),
        helper.make_node("Where", ["below", "lowest", "x"], ["chosen"], "where"),
        helper.make_node("Add", ["x", mask], ["masked"], "mask"),
        helper.make_node("Softmax", ["masked"], ["weights"], "softmax"),
        helper.make_node("Relu", ["weights"], ["y"], "relu"),
    ]
    zero, lowest = np.float32(0), np.full((1, 4), -np.inf, np.float32)
    return imported(model_of(nodes, (1, 4), zero=np.array(zero), lowest=lowest, **constants))


def test_what_computes_with_infinities_goes_to_the_cpu() -> None:
    module, ctx = masked("chosen")
    run_passes(ctx, module, parse_passes("place{target=AX650}"))
    calls: list[int] = []
    samples = [
        Sample("fine", {"x": np.asarray([[1, 2, 3, 4]], np.float32)}),
        Sample("masked", {"x": np.asarray([[1, -2, 3, 4]], np.float32)}),
        Sample("last", {"x": np.asarray([[1, 2, 3, 5]], np.float32)}),
    ]
    calibrate(module, ctx, samples, threads=1, advance=lambda: calls.append(1))
    assert len(calls) == 3
    why = {n.node: n.why for n in cpu_nodes(module)}
    assert set(why) == {"where", "mask", "softmax"}
    assert why["softmax"].kind == "value"
    assert "is infinite in sample 'masked'" in why["softmax"].message
    run_passes(ctx, module, parse_passes("quantize"))


@pytest.mark.parametrize("infinity", [np.inf, 3.4e38, 1e9])
def test_an_infinite_constant_goes_to_the_cpu(infinity: float) -> None:
    mask = np.asarray([[0, -infinity, 0, -infinity]], np.float32)
    module, ctx = masked("m", m=mask)
    run_passes(ctx, module, parse_passes("optimize,place{target=AX650}"))
    calibrate(module, ctx, [Sample("one", {"x": np.ones((1, 4), np.float32)})], threads=1)
    why = {n.node: n.why.message for n in cpu_nodes(module)}
    assert why["mask"] == "the constant 'm' holds 2 number(s) that stand for infinity"
    assert "softmax" in why
    assert "relu" not in why


def test_a_weight_that_is_not_finite_is_refused() -> None:
    w = np.ones((4, 3, 1, 1), np.float32)
    w[1, 2] = np.nan
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], "conv_1")]
    module, ctx = imported(model_of(nodes, (1, 3, 4, 4), w=w))
    with pytest.raises(UserError, match="'w' holds 1 NaN or infinite") as caught:
        calibrate(module, ctx, [])
    assert "conv_1" in str(caught.value)


def test_a_nan_names_the_tensor_the_node_and_the_sample() -> None:
    nodes = [
        helper.make_node("Sqrt", ["x"], ["a"], "root"),
        helper.make_node("Exp", ["a"], ["b"], "exp"),
        helper.make_node("Mul", ["b", "a"], ["y"], "mul"),
    ]
    module, ctx = imported(model_of(nodes, (1, 4)))
    good = Sample("good.npy", {"x": np.ones((1, 4), np.float32)})
    bad = Sample("bad.npy", {"x": np.asarray([[1, 2, -1, 3]], np.float32)})
    with pytest.raises(UserError) as caught:
        calibrate(module, ctx, [good, bad], threads=1)
    (found,) = caught.value.diagnostics
    assert found.message == (
        "tensor 'a', computed by node 'root' (Sqrt), takes the value NaN in "
        "calibration; so do 2 other(s), which come behind it"
    )
    assert found.where == "sample 'bad.npy'"


def test_a_nan_that_the_model_replaces_goes_to_the_cpu() -> None:
    nodes = [
        helper.make_node("Log", ["x"], ["a"], "log"),
        helper.make_node("Exp", ["a"], ["b"], "exp"),
        helper.make_node("IsNaN", ["b"], ["c"], "wrong"),
        helper.make_node("Where", ["c", "zero", "b"], ["y"], "replace"),
        helper.make_node("Relu", ["y"], ["z"], "relu"),
    ]
    zero = np.zeros((), np.float32)
    module, ctx = imported(model_of(nodes, (1, 4), zero=zero))
    run_passes(ctx, module, parse_passes("place{target=AX650}"))
    sample = Sample("s", {"x": np.asarray([[1, 2, -1, 3]], np.float32)})
    calibrate(module, ctx, [sample], threads=1)
    why = {n.node: n.why.message for n in cpu_nodes(module)}
    assert set(why) == {"log", "exp", "wrong", "replace"}
    assert why["log"] == "tensor 'a' is NaN or infinite in sample 's'"


def test_an_infinite_input_goes_to_the_cpu() -> None:
    nodes = [
        helper.make_node("Tanh", ["x"], ["a"], "tanh"),
        helper.make_node("Exp", ["a"], ["y"], "exp"),
    ]
    module, ctx = imported(model_of(nodes, (1, 4)))
    sample = Sample("s", {"x": np.asarray([[1, 2, -np.inf, 3]], np.float32)})
    calibrate(module, ctx, [sample], threads=1)
    assert [n.node for n in cpu_nodes(module)] == ["tanh"]


@pytest.mark.parametrize("method", ["MinMax", "KL"])
def test_tensors_that_never_change_are_told(method: Method) -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["dead"]),
        helper.make_node("Exp", ["dead"], ["ones"]),
        helper.make_node("Add", ["ones", "x"], ["y"]),
    ]
    module, ctx = imported(model_of(nodes, (1, 4)))
    samples = [Sample(str(i), {"x": np.full((1, 4), -1.0 - i, np.float32)}) for i in range(2)]
    told: list[str] = []
    sink = logger.add(told.append, level="WARNING", format="{message}")
    calibrate(module, ctx, samples, method, threads=2)
    logger.remove(sink)
    (line,) = told
    assert "'dead' is 0, 'ones' is 1; they are quantized" in line
    assert "'x'" not in line
    assert "'y'" not in line


def test_every_unsupported_operator_is_named() -> None:
    nodes = [
        helper.make_node("Softsign", ["x"], ["a"], "first"),
        helper.make_node("Det", ["a"], ["b"], "second"),
    ]
    module, ctx = imported(model_of(nodes, (1, 4, 4)))
    with pytest.raises(UserError) as caught:
        calibrate(module, ctx, [])
    text = str(caught.value)
    assert "'first' (Softsign)" in text
    assert "'second' (Det)" in text
    assert "operators supported on the NPU: Abs, Add" in text


def test_an_empty_data_set_is_refused() -> None:
    module, ctx = imported(model_of([helper.make_node("Relu", ["x"], ["y"])], (1, 4)))
    with pytest.raises(UserError, match="no sample"):
        calibrate(module, ctx, [])


def test_progress_is_told_once_per_sample() -> None:
    module, ctx = imported(model_of([helper.make_node("Relu", ["x"], ["y"])], (1, 4)))
    steps: list[int] = []
    samples = [Sample(str(i), {"x": np.ones((1, 4), np.float32)}) for i in range(7)]
    calibrate(module, ctx, samples, advance=lambda: steps.append(1))
    assert len(steps) == 7


def test_batches_and_real_networks() -> None:
    model = networks.mobilenet_v2()
    module, ctx = imported(model)
    rng = np.random.default_rng(0)
    samples = [
        Sample(str(i), {"input": rng.normal(size=(1, 3, 224, 224)).astype(np.float32)})
        for i in range(2)
    ]
    calibrate(module, ctx, samples)
    plan = QuantPlan(main_function(module), ctx.weights)
    ranges = [range_of(v) for v in plan.observed()]
    assert all(r is not None and r[0] <= 0 <= r[1] and r[0] < r[1] for r in ranges)


@pytest.mark.parametrize("method", ["MinMax", "Percentile", "MSE", "KL"])
def test_every_method_is_the_same_for_any_number_of_threads(method: Method) -> None:
    """Channels that the blocked layout pads with zeros must not change a histogram either."""
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"]),
        helper.make_node("Clip", ["a", "half", "two"], ["b"]),
        helper.make_node("Conv", ["b", "v"], ["c"]),
        helper.make_node("Relu", ["c"], ["d"]),
    ]
    model = model_of(
        nodes,
        (1, 3, 10, 10),
        w=rng.normal(0, 0.3, (13, 3, 3, 3)).astype(np.float32),
        v=rng.normal(0, 0.3, (9, 13, 1, 1)).astype(np.float32),
        half=np.float32(0.5),
        two=np.float32(2.0),
    )
    samples = [
        Sample(str(i), {"x": rng.normal(0, 1 + i, (1, 3, 10, 10)).astype(np.float32)})
        for i in range(7)
    ]
    texts: list[str] = []
    for threads in (1, 2, 5):
        module, ctx = imported(model)
        calibrate(module, ctx, samples, method, threads=threads)
        texts.append(str(module))
    assert texts[0] == texts[1] == texts[2]


def test_methods_clip_outliers() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(0, 1, (1, 200000)).astype(np.float32)
    values[0, :2] = 60, -30
    model = model_of([helper.make_node("Neg", ["x"], ["y"])], (1, 200000))
    found: dict[str, tuple[float, float]] = {}
    for method in ("MinMax", "Percentile", "MSE", "KL"):
        module, ctx = imported(model)
        calibrate(module, ctx, [Sample("0", {"x": values})], method)
        pair = range_of(main_function(module).args[0])
        assert pair is not None
        found[method] = pair
    assert found["MinMax"] == (-30, 60)
    for method, most in (("Percentile", 5), ("MSE", 59), ("KL", 20)):
        assert 2.5 < found[method][1] < most, method


@pytest.mark.parametrize("method", get_args(Method))
def test_numbers_that_no_scale_is_small_enough_for_are_told(method: Method) -> None:
    node = helper.make_node("Neg", ["x"], ["y"], "neg")
    module, context = imported(model_of([node], (1, 8)))
    warnings: list[str] = []
    sink = logger.add(lambda m: warnings.append(m.record["message"]), level="WARNING")
    tiny = np.linspace(-1, 1, 8, dtype=np.float32).reshape(1, 8) * np.float32(1e-30)
    calibrate(module, context, [Sample("0", {"x": tiny})], method)
    logger.remove(sink)
    assert any("too small to be quantized" in w and "'x' is at most 1e-30" in w for w in warnings)
