"""Gathering, scattering and the places of the greatest elements, bit for bit.

As in test_integers: `onnx.reference` on the model itself where no number is quantized, and on the
exported integer form in all cases.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from road import Array, Tensors, evaluate_reference, quantize
from test_integers import agree, draw, single

TYPES = [np.float32, np.int64, np.uint8]


def check(
    op: str, inputs: Tensors, result: Any, constants: dict[str, Array], **attributes: Any
) -> None:
    model = single(op, inputs, result, constants, **attributes)
    agree(model, inputs, exact=np.dtype(result).kind != "f" and inputs["x"].dtype.kind != "f")


def places(size: int, *shape: int) -> Array:
    return np.random.default_rng(shape).integers(-size, size, shape)


@pytest.mark.parametrize(("dtype", "axis", "shape"), [
    *((np.float32, axis, shape) for axis in (0, 1, -1) for shape in ((), (1,), (4,), (2, 3))),
    (np.int64, 0, ()), (np.int64, -1, (2, 3)), (np.uint8, 1, (4,)), (np.uint8, 0, (1,)),
])  # fmt: skip
def test_gather(dtype: Any, axis: int, shape: tuple[int, ...]) -> None:
    x = draw(dtype, 5, 6, 7)
    indices = places(x.shape[axis], *shape)
    check("Gather", {"x": x}, dtype, {"i": indices}, axis=axis)
    check("Gather", {"x": x, "i": indices}, dtype, {}, axis=axis)


def test_gather_from_a_constant_table() -> None:
    table, tokens = draw(np.float32, 50, 8), places(50, 2, 9) % 50
    nodes = [helper.make_node("Gather", ["table", "tokens"], ["y"], "embed")]
    graph = helper.make_graph(
        nodes,
        "embedding",
        [helper.make_tensor_value_info("tokens", TensorProto.INT64, tokens.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 9, 8])],
        [numpy_helper.from_array(table, "table")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    agree(model, {"tokens": tokens}, exact=False)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("axis", [0, 2])
def test_gather_elements(dtype: Any, axis: int) -> None:
    x = draw(dtype, 5, 6, 7)
    # ONNX's reference wants as many indices as elements, but along the axis.
    indices = places(x.shape[axis], *(4 if d == axis else n for d, n in enumerate(x.shape)))
    check("GatherElements", {"x": x}, dtype, {"i": indices}, axis=axis)
    check("GatherElements", {"x": x, "i": indices}, dtype, {}, axis=axis)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_gather_nd(dtype: Any, count: int) -> None:
    x = draw(dtype, 5, 5, 5)
    indices = places(5, 2, 3, count)
    check("GatherND", {"x": x}, dtype, {"i": indices})
    check("GatherND", {"x": x, "i": indices}, dtype, {})


@pytest.mark.parametrize(("dtype", "reduction"), [
    *((t, "none") for t in TYPES), (np.int64, "add"), (np.int64, "mul"), (np.float32, "max"),
])  # fmt: skip
@pytest.mark.parametrize("axis", [0, 2])
def test_scatter_elements(dtype: Any, reduction: str, axis: int) -> None:
    x = draw(dtype, 5, 6, 7)
    order = np.argsort(np.random.default_rng(1).random(x.shape), axis)
    indices = order[:3, :6, :7] - (reduction != "none") * 2
    operands = {"x": x, "i": indices, "u": draw(dtype, *indices.shape, seed=3)}
    check("ScatterElements", operands, dtype, {}, axis=axis, reduction=reduction)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_scatter_nd(dtype: Any, count: int) -> None:
    x = draw(dtype, 5, 6, 7)
    chosen = np.random.default_rng(count).permutation(int(np.prod(x.shape[:count])))[:4]
    indices = np.stack(np.unravel_index(chosen, x.shape[:count]), -1).reshape(2, 2, count)
    updates = draw(dtype, 2, 2, *x.shape[count:], seed=3)
    check("ScatterND", {"x": x, "i": indices, "u": updates}, dtype, {})


@pytest.mark.parametrize("op", ["ArgMax", "ArgMin"])
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(("axis", "keepdims"), [(0, 1), (1, 0), (-1, 1)])
def test_arg(op: str, dtype: Any, axis: int, keepdims: int) -> None:
    inputs = {"x": draw(dtype, 5, 6, 7)}
    check(op, inputs, np.int64, {}, axis=axis, keepdims=keepdims)


@pytest.mark.parametrize("largest", [0, 1])
@pytest.mark.parametrize("axis", [0, -1])
def test_top_k(largest: int, axis: int) -> None:
    x = draw(np.float32, 5, 6, 7)
    shape = [3 if d == axis % 3 else n for d, n in enumerate(x.shape)]
    graph = helper.make_graph(
        [helper.make_node("TopK", ["x", "k"], ["v", "i"], "top", axis=axis, largest=largest)],
        "top",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [
            helper.make_tensor_value_info("v", TensorProto.FLOAT, shape),
            helper.make_tensor_value_info("i", TensorProto.INT64, shape),
        ],
        [numpy_helper.from_array(np.array([3]), "k")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    quantized = quantize(model, [{"x": x}])
    expected = evaluate_reference(quantized.reference(), {"x": x})
    for program in (quantized.compile(), quantized.compile("NPU1", 4096)):
        assert program.findings() == []
        got = program.run({"x": x})
        for name in ("v", "i"):
            np.testing.assert_array_equal(got[name], expected[name], strict=True)
    ordered = np.sort(x, axis)
    best = np.flip(ordered, axis) if largest else ordered
    step = float(np.ptp(x)) / 255
    np.testing.assert_allclose(got["v"], np.take(best, range(3), axis), atol=step)
