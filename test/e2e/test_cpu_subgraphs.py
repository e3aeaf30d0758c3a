"""Models with parts that the CPU runs, against ``onnx.reference`` on their exported form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from road import Quantized, Tensors, evaluate_reference, random_inputs, run

from pulsar2.axmodel import CpuSubgraph, decode_axmodel, encode_axmodel
from pulsar2.calibration.calibrate import calibrate
from pulsar2.calibration.dataset import Sample
from pulsar2.context import make_context
from pulsar2.driver.container import compile_container
from pulsar2.driver.placement import check_runtime
from pulsar2.onnx_import import import_onnx
from pulsar2.quant_axmodel import read_quant_axmodel, save_quant_axmodel
from pulsar2.runtime import InferenceSession

_F, _I, _B = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64, onnx.TensorProto.BOOL
_RNG = np.random.default_rng(0)
_WEIGHTS = {
    "w": _RNG.normal(0, 0.3, (4, 3, 3, 3)).astype(np.float32),
    "v": _RNG.normal(0, 0.3, (4, 4, 3, 3)).astype(np.float32),
    "large": _RNG.normal(0, 1, (1, 4, 8, 8)).astype(np.float32),
    "zero": np.zeros((), np.float32),
    "one": np.ones((), np.int64),
    "three": np.asarray([3], np.int64),
    "columns": np.asarray([1, -1], np.int64),
}


def node(op_type: str, inputs: str, outputs: str, **attributes: Any) -> onnx.NodeProto:
    """A node; its tensors are separated by spaces, and its name is that of its first output."""
    ins, outs = inputs.split(" "), outputs.split(" ")
    return helper.make_node(op_type, ins, outs, outs[0], **attributes)


def conv(x: str, y: str, weight: str) -> onnx.NodeProto:
    return node("Conv", f"{x} {weight}", y, pads=[1, 1, 1, 1])


def graph(op_type: str, inputs: str, output: str) -> onnx.GraphProto:
    """The branch of an If: one node."""
    made = node(op_type, inputs, output)
    return helper.make_graph([made], output, [], [helper.make_tensor_value_info(output, _F, None)])


@dataclass(frozen=True)
class Case:
    """A network on `x` [1, 3, 8, 8], its outputs, and the subgraphs that it must become."""

    nodes: Sequence[onnx.NodeProto]
    outputs: dict[str, int]
    subgraphs: str
    inputs: Sequence[onnx.ValueInfoProto] = ()


_BODY = helper.make_graph(
    [
        node("Add", "carried large", "next"),
        node("ReduceSum", "next", "sum", keepdims=0),
        node("Less", "sum limit", "go"),
    ],
    "body",
    [
        helper.make_tensor_value_info("i", _I, []),
        helper.make_tensor_value_info("going", _B, []),
        helper.make_tensor_value_info("carried", _F, [1, 4, 8, 8]),
    ],
    [
        helper.make_tensor_value_info("go", _B, []),
        helper.make_tensor_value_info("next", _F, [1, 4, 8, 8]),
    ],
    [numpy_helper.from_array(np.asarray(5, np.float32), "limit")],
)

CASES = {
    "middle": Case(
        [conv("x", "a", "w"), node("ThresholdedRelu", "a", "b"), conv("b", "y", "v")],
        {"y": _F},
        "npu cpu npu",
    ),
    "start": Case([node("Sign", "x", "a"), conv("a", "y", "w")], {"y": _F}, "cpu npu"),
    "end": Case(
        [conv("x", "a", "w"), node("Relu", "a", "b"), node("ThresholdedRelu", "b", "y")],
        {"y": _F},
        "npu cpu",
    ),
    "all": Case([node("ThresholdedRelu", "x", "a"), node("Sign", "a", "y")], {"y": _F}, "cpu"),
    "integers and booleans": Case(
        [
            conv("x", "a", "w"),
            node("Cast", "a", "i", to=onnx.TensorProto.INT32),
            node("Sign", "i", "n"),
            node("Cast", "n", "f", to=_F),
            conv("f", "c", "v"),
            node("IsNaN", "c", "nan"),
            node("Size", "c", "size"),
        ],
        {"n": onnx.TensorProto.INT32, "nan": _B, "c": _F},
        "npu cpu npu cpu",
    ),
    "several outputs": Case(
        [
            conv("x", "a", "w"),
            node("Reshape", "a columns", "flat"),
            node("Unique", "flat", "u index", sorted=1),
            node("NonZero", "flat", "where"),
            node("Relu", "a", "r"),
        ],
        {"u": _F, "index": _I, "where": _I, "r": _F, "a": _F},
        "npu cpu",
    ),
    "branches share a subgraph": Case(
        [
            conv("x", "a", "w"),
            node("ThresholdedRelu", "a", "b"),
            node("Sign", "x", "s"),
            conv("s", "t", "w"),
            node("Add", "b t", "y"),
        ],
        {"y": _F},
        "npu cpu npu",
    ),
    "if": Case(
        [
            conv("x", "a", "w"),
            node("ReduceMax", "a", "m", keepdims=0),
            node("Sign", "m", "s"),
            node("Cast", "s", "yes", to=_B),
            node(
                "If",
                "yes",
                "c",
                then_branch=graph("ThresholdedRelu", "a", "then"),
                else_branch=graph("Sub", "a large", "else"),
            ),
            conv("c", "y", "v"),
        ],
        {"y": _F},
        "npu cpu npu",
    ),
    "loop": Case(
        [
            conv("x", "a", "w"),
            node("IsInf", "zero", "never"),
            node("Not", "never", "always"),
            node("Loop", "trips always a", "c", body=_BODY),
            conv("c", "y", "v"),
        ],
        {"y": _F},
        "npu cpu npu",
        [helper.make_tensor_value_info("trips", _I, [])],
    ),
    "movement goes along": Case(
        [
            node("Transpose", "x", "t", perm=[0, 2, 3, 1]),
            node("NonZero", "t", "n"),
            conv("x", "y", "w"),
        ],
        {"n": _I, "y": _F},
        "npu cpu",
    ),
    "input given out": Case(
        [conv("x", "a", "w"), node("ThresholdedRelu", "a", "y")], {"x": _F, "y": _F}, "npu cpu"
    ),
}


def model_of(case: Case) -> onnx.ModelProto:
    made = helper.make_graph(
        case.nodes,
        "case",
        [helper.make_tensor_value_info("x", _F, [1, 3, 8, 8]), *case.inputs],
        [helper.make_tensor_value_info(n, t, None) for n, t in case.outputs.items()],
        [numpy_helper.from_array(a, n) for n, a in _WEIGHTS.items()],
    )
    opsets = [helper.make_opsetid("", 20)]
    return onnx.shape_inference.infer_shapes(
        helper.make_model(made, opset_imports=opsets, ir_version=9)
    )


def samples(case: Case, count: int) -> list[Tensors]:
    """Random inputs, the trip count of a loop not below 1."""
    found = random_inputs(model_of(Case(case.nodes, case.outputs, "")), count)
    extra = {v.name: np.asarray(2, np.int64) for v in case.inputs}
    return [{**f, **extra} for f in found]


def quantize(case: Case, inputs: Sequence[Tensors], target: str = "AX650") -> Quantized:
    context = make_context()
    module = import_onnx(model_of(case), context)
    run(f"optimize,place{{target={target}}}", module, context)
    calibrate(module, context, [Sample(str(i), s) for i, s in enumerate(inputs)], threads=1)
    run("quantize", module, context)
    return Quantized(module, context)


def assert_same(got: Tensors, expected: Tensors) -> None:
    assert got.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(got[name], values, strict=True, err_msg=name)


@pytest.mark.parametrize("name", CASES)
def test_it_computes_what_its_exported_form_does(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    inputs = samples(case, 3)
    quantized = quantize(case, inputs[:2])
    expected = evaluate_reference(quantized.reference(), inputs[2])
    program = quantized.compile()
    assert program.findings() == []
    assert_same(program.run(inputs[2]), expected)
    if program.compiled.programs:
        assert_same(quantized.compile(ocm_bytes=1 << 13).run(inputs[2]), expected)
    kinds = [s.name.split("_")[1] for s in program.compiled.model.subgraphs]
    assert " ".join(kinds) == case.subgraphs

    path = tmp_path / "quant_axmodel.onnx"
    save_quant_axmodel(quantized.module, quantized.context, path)
    context = make_context()
    again = Quantized(read_quant_axmodel(path, context), context)
    assert again.compile().bytes() == program.bytes()


def test_runs_of_one_session_share_what_is_loaded() -> None:
    case = CASES["middle"]
    inputs = samples(case, 3)
    session = InferenceSession(quantize(case, inputs).compile().bytes())
    first = session.run(None, inputs[0])
    loaded = dict(session._loaded)  # pyright: ignore[reportPrivateUsage]
    both = {"x": np.concatenate([inputs[0]["x"], inputs[1]["x"]])}
    (together,) = session.run(None, both)
    np.testing.assert_array_equal(together[:1], first[0])
    np.testing.assert_array_equal(together[1:], session.run(None, inputs[1])[0])
    assert dict(session._loaded) == loaded  # pyright: ignore[reportPrivateUsage]


def test_weights_of_the_cpu_are_stored_once() -> None:
    """Two subgraphs that use one constant share its bytes."""
    nodes = [
        node("Mod", "x huge", "a", fmod=1),
        conv("a", "b", "w"),
        node("ReduceMean", "b", "c"),
        node("Mod", "c huge", "y", fmod=1),
    ]
    case = Case(nodes, {"y": _F}, "cpu npu cpu")
    model = model_of(case)
    huge = np.random.default_rng(1).uniform(1, 2, (1, 3, 8, 8)).astype(np.float32)
    model.graph.initializer.append(numpy_helper.from_array(huge, "huge"))
    context = make_context()
    module = import_onnx(model, context)
    run("optimize,place{target=AX650}", module, context)
    inputs = random_inputs(model, 1)
    calibrate(module, context, [Sample("0", inputs[0])], threads=1)
    run("quantize,partition,schedule,emit", module, context)
    compiled = compile_container(module, context, macs=0).model
    data = encode_axmodel(compiled)
    read = decode_axmodel(data)
    assert [s.name for s in read.subgraphs] == [
        "subgraph_cpu_0",
        "subgraph_npu_0",
        "subgraph_cpu_1",
    ]
    assert len(read.cpu_params) == huge.nbytes
    assert data.count(huge.tobytes()) == 1
    for subgraph in read.subgraphs:
        if isinstance(subgraph, CpuSubgraph):
            assert len(subgraph.models[0].onnx) < 1000


def test_what_a_chip_lacks_goes_to_the_cpu() -> None:
    case = Case([conv("x", "a", "w"), node("ReduceMin", "a", "y")], {"y": _F}, "")
    inputs = samples(case, 2)
    for target, subgraphs in (("AX650", 1), ("AX620E", 2)):
        quantized = quantize(case, inputs[:1], target)
        expected = evaluate_reference(quantized.reference(), inputs[1])
        program = quantized.compile()
        assert len(program.compiled.model.subgraphs) == subgraphs
        assert_same(program.run(inputs[1]), expected)


@pytest.mark.parametrize("element", ["double", "bfloat16", "float8e4m3fn", "int4", "uint2"])
def test_inputs_and_outputs_of_every_type(element: str) -> None:
    """Those that numpy has not are arrays of ml_dtypes."""
    kind = onnx.TensorProto.DataType.Value(element.upper())
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["x"], ["f"], to=1),
            helper.make_node("Cast", ["f"], ["y"], to=kind),
        ],
        "casts",
        [helper.make_tensor_value_info("x", kind, [2, 3])],
        [helper.make_tensor_value_info("y", kind, [2, 3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 25)], ir_version=11)
    context = make_context()
    module = import_onnx(model, context)
    run("optimize,place{target=AX650}", module, context)
    check_runtime(module, context)
    x = (np.arange(6) % 4).reshape(2, 3).astype(dtype)
    calibrate(module, context, [Sample("one", {"x": x})], threads=1)
    run("quantize", module, context)
    (y,) = Quantized(module, context).compile().run({"x": x}).values()
    assert y.dtype == dtype
    np.testing.assert_allclose(y.astype(np.float64), x.astype(np.float64), atol=0.05)
