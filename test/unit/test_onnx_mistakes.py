"""Models with mistakes in them are refused, and break nothing."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, helper
from onnx_mutations import Mutator

from pulsar2.context import make_context
from pulsar2.diagnostics import UserError
from pulsar2.onnx_import import import_onnx
from pulsar2.pipeline import parse_passes, run_passes

_F = TensorProto.FLOAT
_MODELS = 300


def build(model: ModelProto) -> str:
    """The text of a model's module after optimization and placement."""
    context = make_context()
    module = import_onnx(model, context)
    run_passes(context, module, parse_passes("optimize,place{target=AX650}"))
    return str(module)


def model(node: NodeProto, *shapes: tuple[int, ...], elements: int = _F) -> ModelProto:
    """A model of one node, whose inputs are `a`, `b`, .. of these shapes."""
    names = "abcdefg"
    graph = helper.make_graph(
        [node],
        "g",
        [
            helper.make_tensor_value_info(n, elements, s)
            for n, s in zip(names, shapes, strict=False)
        ],
        [helper.make_tensor_value_info(n, elements, None) for n in node.output],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=10)


def constant(data_type: int) -> NodeProto:
    node = helper.make_node("Constant", [], ["y"], "made")
    tensor = TensorProto(dims=[1], data_type=data_type, raw_data=b"\0\0\0\0")
    node.attribute.append(AttributeProto(name="value", type=AttributeProto.TENSOR, t=tensor))
    return node


@pytest.mark.parametrize(
    ("proto", "words"),
    [
        (
            # ONNX's own inference ends the process on it.
            model(helper.make_node("Split", ["a"], ["y", "z"], num_outputs=1), (4,)),
            "num_outputs is 1, but it has 2 outputs",
        ),
        (
            model(helper.make_node("LogSoftmax", ["a"], ["y"], axis=1 << 40), (2, 3)),
            "works along axis 1099511627776 of a tensor of 2 dimensions",
        ),
        (model(constant(0)), "the tensor of 'value' has no element type 0"),
        (model(constant(99)), "the tensor of 'value' has no element type 99"),
        (model(helper.make_node("Loop", ["a", "b"], ["y"]), (), ()), "expects 1 regions (body)"),
        (
            model(helper.make_node("Scan", ["a"], ["y"], num_scan_inputs=1), (3, 2)),
            "expects 1 regions (body)",
        ),
        (
            model(helper.make_node("Sum", ["a", "", "b"], ["y"]), (3,), (3,)),
            "operand 1 (data_0) is not optional",
        ),
        (
            # On it too.
            model(helper.make_node("GatherND", ["a", "b"], ["y"], batch_dims=-5), (2, 2), (2, 1)),
            "batch_dims is -5, and cannot be negative",
        ),
        (
            model(
                helper.make_node("ConvTranspose", ["a", "b"], ["y"], output_shape=[0, 0]),
                (1, 2, 4, 4),
                (2, 2, 3, 3),
            ),
            "has the output_shape [0, 0]",
        ),
        (model(helper.make_node("MeanVarianceNormalization", [], ["y"])), "operands"),
    ],
)
def test_a_mistake_is_told(proto: ModelProto, words: str) -> None:
    with pytest.raises(UserError) as caught:
        build(proto)
    assert words in str(caught.value)


def test_a_body_that_does_not_fit_is_told() -> None:
    body = helper.make_graph(
        [helper.make_node("Add", ["s", "x"], ["t"])],
        "body",
        [helper.make_tensor_value_info(n, _F, []) for n in "sx"],
        [helper.make_tensor_value_info("t", _F, [])],
    )
    for count, axes in ((7, [0]), (1, [3])):
        node = helper.make_node(
            "Scan", ["a", "b"], ["y"], num_scan_inputs=count, body=body, scan_input_axes=axes
        )
        with pytest.raises(UserError) as caught:
            build(model(node, (), (5,)))
        assert "its body, operands and axes do not fit" in str(caught.value)


def test_nodes_of_old_models_are_checked_before_they_are_raised() -> None:
    """ONNX's version converter ends the process on an attribute of another type."""
    node = helper.make_node("Upsample", ["a", "b"], ["y"], "up", mode=0)
    proto = model(node, (1, 1, 2, 2), (4,))
    proto.opset_import[0].version = 9
    with pytest.raises(UserError) as caught:
        build(proto)
    assert "node 'up'" in str(caught.value)
    assert "mode" in str(caught.value)


def test_an_old_node_without_operands_is_told() -> None:
    proto = model(helper.make_node("Softmax", [], ["y"]))
    proto.opset_import[0].version = 12
    with pytest.raises(UserError) as caught:
        build(proto)
    assert "expects at least 1 operands, got 0" in str(caught.value)


def test_a_convolution_without_results_stays() -> None:
    node = helper.make_node("Conv", ["a", "b"], ["y"])
    assert "-> tensor<2x4x0xf32>" in build(model(node, (2, 1, 3), (4, 1, 4)))


def test_changed_dimensions_are_told_beside_what_does_not_fit() -> None:
    node = helper.make_node("Conv", ["a", "b"], ["y"], "conv")
    with pytest.raises(UserError) as caught:
        import_onnx(
            model(node, (1, 3, 8, 8), (4, 3, 3, 3)),
            make_context(),
            input_shapes={"a": (1, 5, 8, 8)},
        )
    assert "input_shapes changes 'a' from 1x3x8x8 to 1x5x8x8" in str(caught.value)
    assert "node 'conv'" in str(caught.value)


def attention(*shapes: tuple[int, ...], **attributes: Any) -> ModelProto:
    return model(
        helper.make_node("Attention", list("abcd")[: len(shapes)], ["y"], **attributes), *shapes
    )


@pytest.mark.parametrize(
    "proto",
    [
        attention((2, 3, 4, 5), (2, 3, 6, 8), (2, 3, 6, 8)),
        attention((2, 3, 4, 8), (2, 3, 6, 8), (2, 3, 5, 8)),
        attention((2, 4, 3, 8), (2, 3, 6, 8), (2, 3, 6, 8)),
        attention((2, 3, 4, 8), (2, 3, 6, 8), (2, 3, 6, 8), (5, 6)),
        attention((2, 4, 0), (2, 6, 24), (2, 6, 24), q_num_heads=3, kv_num_heads=3),
        attention((2, 4, 24), (3, 6, 24), (3, 6, 24), q_num_heads=3, kv_num_heads=3),
    ],
)
def test_attention_that_does_not_fit_stays(proto: ModelProto) -> None:
    """The pass leaves it, and the NPU too: ONNX Runtime has the word."""
    assert "onnx.Attention" in build(proto)


def test_an_unknown_reduction_goes_to_the_cpu() -> None:
    node = helper.make_node("ScatterND", ["a", "b", "a"], ["y"], reduction="xyz")
    proto = model(node, (4, 4), (4, 1))
    proto.graph.input[1].type.tensor_type.elem_type = TensorProto.INT64
    assert "the reduction 'xyz' is not known" in build(proto)


def test_what_a_model_says_of_a_shape_stays_known() -> None:
    proto = model(helper.make_node("Range", ["a", "b", "c"], ["y"]), (), (1,), ())
    proto.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", _F, [2]))
    assert "-> tensor<2xf32>" in build(proto)


def test_what_does_not_fit_in_a_branch_stays() -> None:
    """A branch that cannot run has a product of shapes that do not fit."""
    wrong = helper.make_node("Mul", ["w", "a"], ["p"], "wrong")
    branches = [
        helper.make_graph([wrong], "then", [], [helper.make_tensor_value_info("p", _F, None)]),
        helper.make_graph(
            [helper.make_node("Relu", ["a"], ["r"])],
            "else",
            [],
            [helper.make_tensor_value_info("r", _F, None)],
        ),
    ]
    node = helper.make_node("If", ["b"], ["y"], then_branch=branches[0], else_branch=branches[1])
    proto = model(node, (2, 3), ())
    proto.graph.input[1].type.tensor_type.elem_type = TensorProto.BOOL
    weight = np.ones(4, np.float32)
    proto.graph.initializer.append(onnx.numpy_helper.from_array(weight, "w"))
    assert "onnx.Relu" in build(proto)


def test_mutated_models_break_nothing() -> None:
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases = sorted(
            (c for c in collect_testcases() if c.model is not None), key=lambda c: c.name
        )
    models = [c.model for c in cases]
    operators = sorted({node.op_type for each in models for node in each.graph.node})
    mutator = Mutator(0, operators)
    refused = 0
    for _ in range(_MODELS):
        try:
            build(mutator.mutated(models))
        except UserError:
            refused += 1
    assert _MODELS / 3 < refused < _MODELS
