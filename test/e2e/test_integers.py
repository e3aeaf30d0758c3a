"""Models of integers and truth values through the whole road, bit for bit.

`onnx.reference` on the model itself is the oracle where no number is quantized, and on the exported
integer form in all cases; less OCM and other targets change nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from road import Array, Quantized, Tensors, evaluate_reference, quantize, run

from pulsar2.axmodel import encode_axmodel
from pulsar2.context import make_context
from pulsar2.driver.container import compile_container
from pulsar2.quant_axmodel import read_quant_axmodel
from pulsar2.quant_axmodel.writer import make_quant_axmodel
from pulsar2.runtime import InferenceSession

TARGETS = ("AX650", "M76H", "AX620E", "AX615", "M57")


def single(
    op: str,
    inputs: Tensors,
    result: Any,
    constants: dict[str, Array] | None = None,
    **attributes: Any,
) -> onnx.ModelProto:
    """A model of one operator `op` of `inputs` and then `constants`, with types as in numpy."""
    constants = constants or {}
    kinds = {n: helper.np_dtype_to_tensor_dtype(a.dtype) for n, a in inputs.items()}
    result_type = helper.np_dtype_to_tensor_dtype(np.dtype(result))
    graph = helper.make_graph(
        [helper.make_node(op, [*inputs, *constants], ["y"], op, **attributes)],
        "single",
        [helper.make_tensor_value_info(n, kinds[n], a.shape) for n, a in inputs.items()],
        [helper.make_tensor_value_info("y", result_type, None)],
        [numpy_helper.from_array(a, n) for n, a in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)


def run_on(quantized: Quantized, target: str, inputs: Tensors) -> Array:
    module = quantized.module.clone()
    run(f"partition,schedule{{target={target}}},emit", module, quantized.context)
    compiled = compile_container(module, quantized.context, macs=0)
    session = InferenceSession(encode_axmodel(compiled.model))
    return session.run(None, inputs)[0]


def agree(model: onnx.ModelProto, inputs: Tensors, exact: bool = True) -> None:
    """The emulated result is that of the integer form, and of the model where that is `exact`."""
    quantized = quantize(model, [inputs])
    with np.errstate(all="ignore"):
        expected = evaluate_reference(quantized.reference(), inputs)["y"]
        plain = evaluate_reference(model, inputs)["y"]
    assert expected.dtype == plain.dtype
    if exact:
        np.testing.assert_array_equal(expected, plain, strict=True)
    for program in (
        quantized.compile(),
        quantized.compile("NPU3"),
        quantized.compile("NPU1", 4096),
    ):
        assert program.findings() == []
        np.testing.assert_array_equal(program.run(inputs)["y"], expected, strict=True)
    for target in TARGETS:
        np.testing.assert_array_equal(run_on(quantized, target, inputs), expected, strict=True)
    saved = make_quant_axmodel(quantized.module, quantized.context)
    context = make_context()
    again = Quantized(read_quant_axmodel(saved, context), context)
    np.testing.assert_array_equal(again.compile().run(inputs)["y"], expected, strict=True)


def draw(dtype: Any, *shape: int, seed: int = 0) -> Array:
    rng = np.random.default_rng((seed, *shape))
    if np.dtype(dtype).kind == "f":
        return (3 * rng.normal(size=shape)).astype(dtype)
    low = 0 if np.dtype(dtype).kind in "bu" else -6
    return rng.integers(low, 2 if dtype is np.bool_ else 7, shape).astype(dtype)


INTS = (np.int32, np.int64, np.int16, np.int8, np.uint8, np.uint16, np.uint32)


@pytest.mark.parametrize("op", ["Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"])
@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.float32])
def test_comparisons(op: str, dtype: Any) -> None:
    inputs = {"a": draw(dtype, 2, 5, 7, 9), "b": draw(dtype, 5, 1, 9)}
    agree(single(op, inputs, np.bool_), inputs, exact=dtype is not np.float32)


@pytest.mark.parametrize("op", ["And", "Or", "Xor"])
def test_logic(op: str) -> None:
    inputs = {"a": draw(np.bool_, 2, 5, 7), "b": draw(np.bool_, 5, 1)}
    agree(single(op, inputs, np.bool_), inputs)


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div", "Mod", "Min", "Max"])
@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.uint8])
def test_arithmetic(op: str, dtype: Any) -> None:
    inputs = {"a": draw(dtype, 2, 5, 7), "b": draw(dtype, 5, 1)}
    agree(single(op, inputs, dtype), inputs)


@pytest.mark.parametrize("op", ["Not", "Neg", "Abs", "Identity", "Relu"])
def test_functions(op: str) -> None:
    dtype = np.bool_ if op == "Not" else np.int32
    inputs = {"a": draw(dtype, 3, 70)}
    agree(single(op, inputs, dtype), inputs)


@pytest.mark.parametrize("dtype", [np.bool_, np.int64, np.float32])
def test_selection(dtype: Any) -> None:
    branches = {"a": draw(dtype, 7, 9), "b": draw(dtype, 5, 1, 1, seed=1)}
    inputs = {"c": draw(np.bool_, 2, 5, 7, 9), **branches}
    agree(single("Where", inputs, dtype), inputs, exact=dtype is not np.float32)


@pytest.mark.parametrize("dtype", [*INTS, np.bool_])
def test_casts(dtype: Any) -> None:
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    numbers = {"a": np.abs(draw(np.float32, 4, 33))}
    agree(single("Cast", numbers, dtype, to=kind), numbers, exact=False)
    whole = {"a": draw(dtype, 4, 33)}
    agree(single("Cast", whole, np.float32, to=TensorProto.FLOAT), whole, exact=False)
    if dtype is not np.int32:
        agree(single("Cast", whole, np.int32, to=TensorProto.INT32), whole)
        wide = {"a": np.array([-1, 0, 1, 255, 256, 70000, -(2**31)], np.int32)}
        agree(single("Cast", wide, dtype, to=kind), wide)


@pytest.mark.parametrize(
    ("op", "constants", "attributes"),
    [
        ("Expand", {"s": np.array([2, 5, 7, 9])}, {}),
        ("Tile", {"s": np.array([2, 1, 3])}, {}),
        ("Transpose", {}, {"perm": [2, 0, 1]}),
        ("Pad", {"p": np.array([0, 1, 2, 1, 0, 1]), "v": np.array(-9)}, {}),
        ("Slice", {"b": np.array([3, 8]), "e": np.array([0, -99]), "a": np.array([0, 2]),
                   "s": np.array([-1, -2])}, {}),
        ("Reshape", {"s": np.array([9, 5])}, {}),
    ],
)  # fmt: skip
def test_movement(op: str, constants: dict[str, Array], attributes: dict[str, Any]) -> None:
    inputs = {"x": draw(np.int64, 5, 1, 9)}
    agree(single(op, inputs, np.int64, constants, **attributes), inputs)


def test_wide_integers_saturate_at_the_input() -> None:
    inputs = {"a": np.array([2**40, -(2**40), 2**31 - 1, -7])}
    quantized = quantize(single("Relu", inputs, np.int64), [inputs])
    got = quantized.compile().run(inputs)["y"]
    assert got.tolist() == [2**31 - 1, 0, 2**31 - 1, 0]


@pytest.mark.parametrize(
    ("op", "a", "b"), [("Equal", np.float64, np.float64), ("Add", np.float16, np.float16)]
)
def test_other_types_are_refused_with_a_reason(op: str, a: Any, b: Any) -> None:
    from pulsar2.diagnostics import UserError

    inputs = {"a": draw(a, 4), "b": draw(b, 4)}
    result = np.bool_ if op == "Equal" else a
    with pytest.raises(UserError, match="only f32, booleans, and integers"):
        quantize(single(op, inputs, result), [inputs])
