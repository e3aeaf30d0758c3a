"""Import of ONNX models: names, weights, opsets, shapes, and everything a user can get wrong."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from loguru import logger
from onnx import TensorProto, helper, numpy_helper
from onnx_models import check, model, node, pipeline, random_feeds, run
from onnx_sketch import Sketch

from pulsar2.context import make_context
from pulsar2.diagnostics import UserError
from pulsar2.dialects.onnx.constant import Constant
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.locations import has_location, node_name, output_names, tensor_name
from pulsar2.onnx_export import export_onnx
from pulsar2.onnx_import import import_onnx


def failure(proto: Any, **options: Any) -> str:
    """What the import says of a model that it refuses."""
    with pytest.raises(UserError) as caught:
        import_onnx(proto, make_context(), **options)
    return str(caught.value)


def operations(proto: Any) -> list[OnnxOp]:
    """The operations of a model other than constants."""
    module = import_onnx(proto, make_context())
    return [o for o in module.walk() if isinstance(o, OnnxOp) and not isinstance(o, Constant)]


RELU = model([node("Relu", ["x"], ["y"])], {"x": [2, 3]}, ["y"])


def test_names_are_locations() -> None:
    proto = model(
        [node("Split", ["x"], ["a", "b"], axis=1, num_outputs=2), node("Add", ["a", "b"], ["y"])],
        {"x": [2, 4]},
        ["y"],
    )
    module = import_onnx(proto, make_context())
    split, add = (o for o in module.walk() if isinstance(o, OnnxOp))
    assert node_name(split) == "node_a"
    assert output_names(split) == ("a", "b")
    assert output_names(add) == ("y",)
    assert tensor_name(split.operands[0]) == "x"
    assert all(has_location(o) for o in module.walk() if o is not module)


def test_nameless_nodes_get_distinct_names() -> None:
    nodes = [helper.make_node("Relu", ["x"], ["a"]), helper.make_node("Relu", ["a"], ["y"])]
    assert [node_name(o) for o in operations(model(nodes, {"x": [1]}, ["y"]))] == [
        "Relu_0",
        "Relu_1",
    ]
    twice = [
        helper.make_node("Relu", ["x"], ["a"], "n"),
        helper.make_node("Relu", ["a"], ["y"], "n"),
    ]
    assert [node_name(o) for o in operations(model(twice, {"x": [1]}, ["y"]))] == ["n", "n_1"]


def test_large_constants_are_handles_and_equal_ones_are_held_once() -> None:
    weight = np.arange(400, dtype=np.float32).reshape(20, 20)
    proto = model(
        [node("MatMul", ["x", "v"], ["a"]), node("MatMul", ["a", "w"], ["y"])],
        {"x": [2, 20]},
        ["y"],
        {"v": weight, "w": weight.copy()},
    )
    context = make_context()
    import_onnx(proto, context)
    assert len(context.weights) == 1


def test_nodes_out_of_order_are_sorted() -> None:
    nodes = [node("Exp", ["a"], ["y"]), node("Relu", ["x"], ["a"])]
    module = import_onnx(model(nodes, {"x": [2]}, ["y"]), make_context())
    assert [o.op_type for o in module.walk() if isinstance(o, OnnxOp)] == ["Relu", "Exp"]


def test_initializers_that_are_inputs_are_constants() -> None:
    proto = model(
        [node("Add", ["x", "c"], ["y"])], {"x": [2], "c": [2]}, ["y"], {"c": np.ones(2, np.float32)}
    )
    assert len(list(check(proto).model.graph.input)) == 1


def test_constant_nodes_of_every_kind() -> None:
    values: list[dict[str, Any]] = [
        {"value_float": 2.5},
        {"value_floats": [1.0, 2.0]},
        {"value": numpy_helper.from_array(np.ones(2, np.float32))},
        {
            "sparse_value": helper.make_sparse_tensor(
                helper.make_tensor("v", TensorProto.FLOAT, [1], [3.0]),
                helper.make_tensor("i", TensorProto.INT64, [1], [1]),
                [2],
            )
        },
    ]
    for attributes in values:
        nodes = [node("Constant", [], ["c"], **attributes), node("Add", ["x", "c"], ["y"])]
        check(model(nodes, {"x": [2]}, ["y"]))
    for attributes in ({"value_int": 1}, {"value_ints": [1]}):
        nodes = [node("Constant", [], ["c"], **attributes), node("Gather", ["x", "c"], ["y"])]
        check(model(nodes, {"x": [2, 3]}, ["y"]))


@pytest.mark.parametrize(
    ("nodes", "opset", "constants"),
    [
        ([node("Squeeze", ["x"], ["y"], axes=[0])], 11, {}),
        ([node("Unsqueeze", ["x"], ["y"], axes=[0, 4])], 11, {}),
        ([node("Split", ["x"], ["y", "z"], axis=2)], 11, {}),
        ([node("Split", ["x"], ["y", "z"], axis=2, split=[1, 3])], 11, {}),
        ([node("Split", ["x"], ["y", "z"], axis=2)], 13, {}),
        ([node("ReduceSum", ["x"], ["y"], axes=[1], keepdims=0)], 11, {}),
        ([node("ReduceMean", ["x"], ["y"], axes=[1, 2])], 13, {}),
        ([node("ReduceL2", ["x"], ["y"])], 17, {}),
        ([node("Softmax", ["x"], ["y"])], 11, {}),
        ([node("Softmax", ["x"], ["y"], axis=2)], 12, {}),
        ([node("LogSoftmax", ["x"], ["y"], axis=0)], 11, {}),
        ([node("Dropout", ["x"], ["y"], ratio=0.3)], 11, {}),
        ([node("Resize", ["x", "e", "s"], ["y"])], 11, {"e": [], "s": [1, 1, 2, 2]}),
        ([node("BatchNormalization", ["x", "s", "s", "s", "s"], ["y"])], 11, {"s": [1, 2, 3]}),
        ([node("GridSample", ["x", "g"], ["y"], mode="bilinear")], 16, {"g": None}),
    ],
)
def test_old_opsets_are_raised(nodes: Any, opset: int, constants: dict[str, Any]) -> None:
    outputs = [o for o in nodes[-1].output if o]
    arrays = {n: np.array(v, np.float32) for n, v in constants.items() if v is not None}
    if constants.get("g", ...) is None:
        arrays["g"] = np.linspace(-1, 1, 18, dtype=np.float32).reshape(1, 3, 3, 2)
    check(model(nodes, {"x": [1, 3, 4, 4]}, outputs, arrays, opset=opset))


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("scale", [2, 3, 1.5, 0.5, 0.4])
@pytest.mark.parametrize("opset", [9, 10])
def test_opset_before_11_goes_through_the_converter(mode: str, scale: float, opset: int) -> None:
    """Their Resize takes other places than that of opset 11 does by itself."""
    operator = "Upsample" if opset < 10 else "Resize"
    if opset < 10 and scale < 1:
        return
    nodes = [node(operator, ["x", "s"], ["y"], mode=mode)]
    scales = {"s": np.array([1, 1, scale, scale], np.float32)}
    check(model(nodes, {"x": [1, 1, 6, 7]}, ["y"], scales, opset=opset))


@pytest.mark.parametrize("opset", [7, 8])
def test_initializers_of_old_files_need_not_be_inputs(opset: int) -> None:
    nodes = [node("PRelu", ["x", "s"], ["y"])]
    proto = model(nodes, {"x": [1, 3, 2, 2]}, ["y"], {"s": np.full((3, 1, 1), 0.1, np.float32)})
    proto.ir_version = 3
    proto.opset_import[0].version = opset
    check(proto)


def test_local_functions_are_inlined() -> None:
    function = helper.make_function(
        "local", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])],
        [helper.make_opsetid("", 21)],
    )  # fmt: skip
    proto = model(
        [helper.make_node("Twice", ["x"], ["y"], domain="local")],
        {"x": [3]},
        ["y"],
        domains={"local": 1},
    )
    proto.functions.append(function)
    assert check(proto).operators == {"Add": 1}


def test_operators_of_other_domains_are_custom() -> None:
    nodes = [helper.make_node("Gelu", ["x"], ["y"], "g", domain="com.microsoft")]
    proto = model(nodes, {"x": [3]}, ["y"], domains={"com.microsoft": 1})
    outcome = check(proto)
    assert outcome.node("Gelu").domain == "com.microsoft"


def test_control_flow_becomes_regions() -> None:
    then = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["t"])], "then", [],
        [helper.make_tensor_value_info("t", 1, [2])],
    )  # fmt: skip
    other = helper.make_graph(
        [helper.make_node("Neg", ["x"], ["e"])], "else", [],
        [helper.make_tensor_value_info("e", 1, [2])],
    )  # fmt: skip
    proto = model(
        [node("If", ["c"], ["y"], then_branch=then, else_branch=other)],
        {"x": [2], "c": []},
        ["y"],
        types={"c": TensorProto.BOOL},
    )
    for condition in (True, False):
        check(proto, feeds={"x": np.array([1, -2], np.float32), "c": np.array(condition)})


def test_shapes_that_follow_from_shapes() -> None:
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Gather", ["s", "zero"], ["n"]),
        node("Unsqueeze", ["n", "axis"], ["n1"]),
        node("Concat", ["n1", "minus"], ["target"], axis=0),
        node("Reshape", ["x", "target"], ["y"]),
    ]
    constants = {
        "zero": np.array(0, np.int64),
        "axis": np.array([0], np.int64),
        "minus": np.array([-1], np.int64),
    }
    proto = model(nodes, {"x": ["n", 3, 4]}, ["y"], constants)
    module = import_onnx(proto, make_context(), input_shapes={"x": (2, 3, 4)})
    (result,) = next(o for o in module.walk() if o.name == "func.return").operand_types
    assert str(result) == "tensor<2x12xf32>"


def test_weights_are_mapped_and_not_copied(tmp_path: Path) -> None:
    weight = np.arange(4096, dtype=np.float32).reshape(64, 64)
    proto = model([node("MatMul", ["x", "w"], ["y"])], {"x": [1, 64]}, ["y"], {"w": weight})
    path = tmp_path / "model.onnx"
    onnx.save_model(
        proto, str(path), save_as_external_data=True, size_threshold=0, location="w.bin"
    )
    context = make_context()
    module = import_onnx(path, context)
    (key,) = context.weights
    held = context.weights.get(key)
    base: Any = held
    while base is not None and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)
    np.testing.assert_array_equal(held, weight)
    feeds = random_feeds(proto)
    np.testing.assert_array_equal(
        run(export_onnx(module, context), feeds)[0],
        run(
            model([node("MatMul", ["x", "w"], ["y"])], {"x": [1, 64]}, ["y"], {"w": weight}), feeds
        )[0],
    )


def test_import_is_deterministic() -> None:
    from pulsar2.ir import print_module

    proto = model(
        [node("MatMul", ["x", "w"], ["y"])],
        {"x": [1, 9]},
        ["y"],
        {"w": np.eye(9, dtype=np.float32)},
    )
    texts = {
        hashlib.sha256(print_module(import_onnx(proto, make_context())).encode()).digest()
        for _ in range(2)
    }
    assert len(texts) == 1


class TestRefusals:
    def test_missing_file(self, tmp_path: Path) -> None:
        assert "there is no such model file" in failure(tmp_path / "no.onnx")

    def test_not_onnx(self, tmp_path: Path) -> None:
        for content in (b"", b"\x00\x01 not a model", RELU.SerializeToString()[:-7]):
            path = tmp_path / "bad.onnx"
            path.write_bytes(content)
            assert "not an ONNX model" in failure(path)

    def test_folder(self, tmp_path: Path) -> None:
        assert "cannot read the model" in failure(tmp_path)

    def test_opset_that_is_too_new(self) -> None:
        assert "opset 99" in failure(model([], {"x": [1]}, ["x"], opset=99))

    def test_unknown_operators_all_at_once(self) -> None:
        text = failure(
            model([node("Rulu", ["x"], ["a"]), node("Sgmoid", ["a"], ["y"])], {"x": [1]}, ["y"])
        )
        assert "node 'node_a' (Rulu)" in text
        assert "did you mean 'Relu'" in text
        assert "'Sigmoid'" in text

    def test_unimported_domain(self) -> None:
        nodes = [helper.make_node("Gelu", ["x"], ["y"], domain="com.microsoft")]
        assert "does not import the domain 'com.microsoft'" in failure(
            model(nodes, {"x": [1]}, ["y"])
        )

    def test_unknown_and_mistyped_and_missing_attributes(self) -> None:
        nodes = [
            node("Conv", ["x", "w"], ["a"], stride=[1, 1]),
            node("Concat", ["a", "a"], ["b"]),
            node("Elu", ["b"], ["y"], alpha=[1.0]),
        ]
        text = failure(
            model(nodes, {"x": [1, 1, 4, 4]}, ["y"], {"w": np.ones((1, 1, 1, 1), np.float32)})
        )
        assert "no attribute 'stride' (did you mean 'strides'" in text
        assert "needs the attribute 'axis'" in text
        assert "attribute 'alpha' is of type FLOAT, got FLOATS" in text

    def test_missing_tensor(self) -> None:
        text = failure(model([node("Add", ["x", "bais"], ["y"])], {"x": [1], "bias": [1]}, ["y"]))
        assert "its input 'bais'" in text
        assert "did you mean 'bias'" in text

    def test_undefined_output(self) -> None:
        assert "the output 'z' of the graph" in failure(
            model([node("Relu", ["x"], ["y"])], {"x": [1]}, ["z"])
        )

    def test_tensor_defined_twice(self) -> None:
        nodes = [node("Relu", ["x"], ["y"]), helper.make_node("Neg", ["x"], ["y"], "second")]
        assert "'y' is defined by node 'node_y' already" in failure(model(nodes, {"x": [1]}, ["y"]))

    def test_cycle(self) -> None:
        nodes = [node("Add", ["x", "b"], ["a"]), node("Relu", ["a"], ["b"])]
        assert "the graph has a cycle: 'node_" in failure(model(nodes, {"x": [1]}, ["b"]))

    def test_operands_that_do_not_fit(self) -> None:
        text = failure(
            model([node("MatMul", ["x", "w"], ["y"])], {"x": [2, 3], "w": [4, 5]}, ["y"])
        )
        assert "node 'node_y' (MatMul)" in text

    def test_operands_of_the_wrong_type(self) -> None:
        proto = model([node("Add", ["x", "i"], ["y"])], {"x": [2], "i": [2]}, ["y"], types={"i": 7})
        assert "node 'node_y' (Add)" in failure(proto)

    @pytest.mark.parametrize("location", ["missing.bin", "../outside.bin", "/etc/passwd", ""])
    def test_external_data(self, tmp_path: Path, location: str) -> None:
        proto = model(
            [node("Add", ["x", "w"], ["y"])], {"x": [2]}, ["y"], {"w": np.ones(2, np.float32)}
        )
        tensor = proto.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)
        path = tmp_path / "inner" / "model.onnx"
        path.parent.mkdir()
        path.write_bytes(proto.SerializeToString())
        (tmp_path / "outside.bin").write_bytes(b"\0" * 8)
        text = failure(path)
        assert "initializer 'w'" in text
        assert "missing" in text or "outside" in text

    def test_external_data_that_is_too_short(self, tmp_path: Path) -> None:
        proto = model(
            [node("Add", ["x", "w"], ["y"])], {"x": [2]}, ["y"], {"w": np.ones(2, np.float32)}
        )
        path = tmp_path / "model.onnx"
        onnx.save_model(
            proto, str(path), save_as_external_data=True, size_threshold=0, location="w"
        )
        (tmp_path / "w").write_bytes(b"\0" * 7)
        assert "too short" in failure(path)

    def test_initializer_whose_data_does_not_fit(self) -> None:
        proto = model(
            [node("Add", ["x", "w"], ["y"])], {"x": [2]}, ["y"], {"w": np.ones(2, np.float32)}
        )
        proto.graph.initializer[0].raw_data = b"\0" * 7
        assert "initializer 'w'" in failure(proto)


class TestShapes:
    DYNAMIC = model([node("Add", ["a", "b"], ["y"])], {"a": ["batch", 3], "b": ["batch", 3]}, ["y"])

    def test_dynamic_inputs_are_listed_with_an_example(self) -> None:
        text = failure(self.DYNAMIC)
        assert "input 'a': has the shape [batch, 3]" in text
        assert "input 'b'" in text
        assert '--input_shapes "a:1x3;b:1x3"' in text

    def test_input_of_unknown_rank(self) -> None:
        assert "an unknown shape" in failure(
            model([node("Relu", ["x"], ["y"])], {"x": None}, ["y"])
        )

    def test_shapes_are_taken(self) -> None:
        module = import_onnx(self.DYNAMIC, make_context(), input_shapes={"a": (4, 3), "b": (4, 3)})
        assert "tensor<4x3xf32>" in str(module)

    def test_a_symbol_has_one_size_for_all_inputs(self) -> None:
        module = import_onnx(self.DYNAMIC, make_context(), input_shapes={"b": (4, 3)})
        assert "@main(%a: tensor<4x3xf32>, %b: tensor<4x3xf32>)" in str(module)

    def test_a_symbol_of_two_sizes_is_told(self) -> None:
        messages: list[str] = []
        handler = logger.add(messages.append, level="WARNING", format="{message}")
        try:
            shapes = {"a": (4, 3), "b": (1, 3)}
            assert "tensor<1x3xf32>" in str(
                import_onnx(self.DYNAMIC, make_context(), input_shapes=shapes)
            )
        finally:
            logger.remove(handler)
        assert "the dimension 'batch' is 4 for one input and 1 for 'b'" in "".join(messages)

    @pytest.mark.parametrize("name", ["?", "-1", "unk", "dynamic", None])
    def test_what_stands_for_any_size_is_no_symbol(self, name: str | None) -> None:
        proto = model(
            [node("Relu", ["a"], ["y"]), node("Relu", ["b"], ["z"])],
            {"a": [name, name], "b": [name, 3]},
            ["y", "z"],
        )
        assert "input 'b'" in failure(proto, input_shapes={"a": (4, 4)})
        shapes = {"a": (4, 5), "b": (2, 3)}
        assert "tensor<4x5xf32>" in str(import_onnx(proto, make_context(), input_shapes=shapes))

    def test_shapes_that_follow_from_an_input_shape(self) -> None:
        """Shape arithmetic on two symbolic dimensions is gone after folding."""
        sketch = Sketch()
        shape = sketch("Shape", "x")
        parts = [sketch("Gather", shape, np.array([i], np.int64)) for i in (0, 1)]
        flat = sketch("Mul", *parts)
        target = sketch("Concat", flat, np.array([-1], np.int64), axis=0)
        proto = sketch.model({"x": ["n", "t", 8]}, sketch("Reshape", "x", target))
        context = make_context()
        module = import_onnx(proto, context, input_shapes={"x": (2, 5, 8)})
        for each in pipeline():
            each.apply(context, module)
        kinds = {op.op_type for op in module.walk() if isinstance(op, OnnxOp)}
        assert kinds == {"Constant", "Reshape"}
        assert "tensor<10x8xf32>" in str(module)

    def test_unknown_input(self) -> None:
        text = failure(RELU, input_shapes={"X": (2, 3), "zzz": (1,)})
        assert "names 'X', which is not an input" in text
        assert "its inputs are 'x'" in text

    def test_other_rank(self) -> None:
        assert "has 3 dimensions (1x2x3), but the model has 2" in failure(
            RELU, input_shapes={"x": (1, 2, 3)}
        )

    def test_not_positive(self) -> None:
        assert "each dimension must be 1 or more" in failure(RELU, input_shapes={"x": (0, 3)})

    def test_fixed_dimension_that_the_graph_can_change(self) -> None:
        module = import_onnx(RELU, make_context(), input_shapes={"x": (5, 3)})
        assert "tensor<5x3xf32>" in str(module)

    def test_fixed_dimension_that_the_graph_cannot_change(self) -> None:
        proto = model(
            [node("MatMul", ["x", "w"], ["y"])],
            {"x": [2, 3]},
            ["y"],
            {"w": np.ones((3, 4), np.float32)},
        )
        text = failure(proto, input_shapes={"x": (2, 5)})
        assert "input_shapes changes 'x' from 2x3 to 2x5" in text
        assert "node 'node_y' (MatMul)" in text
