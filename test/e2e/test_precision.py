"""Mixed precision: what layer configurations do to random models, judged by ONNX's evaluator."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from hypothesis import given, settings
from hypothesis import strategies as st
from random_graphs import EXACT, FUNCTIONS, models
from road import Quantized, evaluate_reference, quantize, random_inputs

from pulsar2.dialects.quant import RequantizeOp
from pulsar2.pass_text import quote_word

INTEGERS = ("U8", "S8", "U16", "S16")
TYPES = (*INTEGERS, "FP32")
NO_FLOAT = ("Conv", "Gemm", "BatchNormalization", "MatMul")


def configured(op_types: Sequence[str], chosen: Sequence[str]) -> str:
    """Options of the pipeline `precision`: a data type for each operator type."""
    texts: list[str] = []
    for op_type, data_type in zip(op_types, chosen, strict=True):
        if data_type == "FP32" and op_type in NO_FLOAT:
            texts.append(f"op_type={op_type} data_type=U8 output_data_type=FP32")
        else:
            texts.append(f"op_type={op_type} data_type={data_type}")
    return f"layers={','.join(map(quote_word, texts))}" if texts else ""


def operator_types(model: onnx.ModelProto) -> list[str]:
    return sorted({node.op_type for node in model.graph.node})


@settings(max_examples=60)
@given(models(EXACT, steps=5), st.data())
def test_any_mix_of_integer_types_agrees_with_onnx(
    model: onnx.ModelProto, data: st.DataObject
) -> None:
    op_types = operator_types(model)
    chosen = [data.draw(st.sampled_from(INTEGERS), label=t) for t in op_types]
    inputs = random_inputs(model, 2)
    quantized = quantize(model, inputs[:1], precision=configured(op_types, chosen))
    got = quantized.compile().run(inputs[1])
    for name, values in evaluate_reference(quantized.reference(), inputs[1]).items():
        np.testing.assert_array_equal(got[name], values, err_msg=name)


@settings(max_examples=60)
@given(models((*EXACT, *FUNCTIONS), steps=5), st.data())
def test_float_operators_agree_with_onnx_to_rounding(
    model: onnx.ModelProto, data: st.DataObject
) -> None:
    op_types = operator_types(model)
    chosen = [data.draw(st.sampled_from(TYPES), label=t) for t in op_types]
    inputs = random_inputs(model, 2)
    quantized = quantize(model, inputs[:1], precision=configured(op_types, chosen))
    got = quantized.compile().run(inputs[1])
    for name, values in evaluate_reference(quantized.reference(), inputs[1]).items():
        # A difference in the last bit may turn into a step of a quantized tensor behind it.
        peak = float(np.abs(values).max(initial=0.0))
        noise = float(np.sqrt(np.square((got[name] - values).astype(np.float64)).mean()))
        assert noise <= 0.02 * peak + 1e-6, name


def requantizations(quantized: Quantized) -> int:
    return sum(isinstance(op, RequantizeOp) for op in quantized.module.walk())


def chain(*op_types: str) -> onnx.ModelProto:
    """`x` [1, 4, 8, 8] through operators one after the other; Add adds the tensor before."""
    shape = [1, 4, 8, 8]
    rng = np.random.default_rng(0)
    weights: list[onnx.TensorProto] = []
    nodes: list[onnx.NodeProto] = []
    names = ["x", "x"]
    for index, op_type in enumerate(op_types):
        operands = [names[-1]]
        if op_type == "Conv":
            weight = rng.normal(0, 0.5, (4, 4, 1, 1)).astype(np.float32)
            weights.append(onnx.numpy_helper.from_array(weight, f"w{index}"))
            operands.append(f"w{index}")
        elif op_type == "Add":
            operands.append(names[-2])
        attributes = {"perm": [0, 1, 3, 2]} if op_type == "Transpose" else {}
        nodes.append(
            onnx.helper.make_node(op_type, operands, [f"t{index}"], f"n{index}", **attributes)
        )
        names.append(f"t{index}")
    made = [onnx.helper.make_tensor_value_info(n, 1, shape) for n in ("x", names[-1])]
    graph = onnx.helper.make_graph(nodes, "chain", made[:1], made[1:], weights)
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])


def test_a_change_of_width_costs_nothing_where_the_producer_can_round_to_it() -> None:
    model = chain("Conv", "Conv", "Transpose", "Sigmoid", "Conv")
    precision = configured(["Sigmoid"], ["U16"])
    assert requantizations(quantize(model, random_inputs(model, 1), precision=precision)) == 0


def test_a_tensor_for_readers_of_two_widths_is_requantized_once() -> None:
    # The Add reads what two convolutions read too, in 16 bits.
    model = chain("Conv", "Conv", "Add", "Conv", "Conv", "Add", "Conv")
    precision = configured(["Add"], ["U16"])
    quantized = quantize(model, random_inputs(model, 1), precision=precision)
    # n0 and n3 are read by a convolution and an Add each.
    assert requantizations(quantized) == 2


def signal_to_noise(model: onnx.ModelProto, precision: str, options: str = "") -> float:
    inputs = random_inputs(model, 4)
    expected = evaluate_reference(model, inputs[0])
    got = quantize(model, inputs, options, precision).compile().run(inputs[0])
    (name,) = expected
    noise = np.square(got[name] - expected[name]).mean()
    return float(10 * np.log10(np.square(expected[name]).mean() / noise))


def test_precision_pays() -> None:
    model = chain("Conv", "Conv", "Add", "Conv", "Sigmoid", "Conv")
    plain = signal_to_noise(model, "")
    wide = signal_to_noise(model, "layers=" + quote_word(
        "start_tensor_name=DEFAULT end_tensor_name=DEFAULT data_type=U16"
    ))  # fmt: skip
    highest = signal_to_noise(model, "highest=true")
    narrow = signal_to_noise(model, "layers=" + quote_word(
        "op_type=Conv data_type=U8 weight_data_type=S4"
    ))  # fmt: skip
    assert narrow < plain - 10
    assert wide > plain + 5
    assert highest > plain + 5
