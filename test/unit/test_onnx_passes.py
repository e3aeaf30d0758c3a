"""Every rewrite on the `onnx` dialect against ONNX Runtime on random inputs."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
from onnx import NodeProto
from onnx_models import check, model, node, pipeline

from pulsar2.lowering.onnx.canonicalize_elementwise import CanonicalizeElementwisePass
from pulsar2.lowering.onnx.canonicalize_gemm import CanonicalizeGemmPass
from pulsar2.lowering.onnx.canonicalize_reshape import CanonicalizeReshapePass
from pulsar2.lowering.onnx.canonicalize_spatial import CanonicalizeSpatialPass
from pulsar2.lowering.onnx.canonicalize_windows import CanonicalizeWindowsPass
from pulsar2.lowering.onnx.eliminate_common import EliminateCommonPass
from pulsar2.lowering.onnx.eliminate_dead import EliminateDeadPass
from pulsar2.lowering.onnx.eliminate_identity import EliminateIdentityPass
from pulsar2.lowering.onnx.eliminate_transposes import EliminateTransposesPass
from pulsar2.lowering.onnx.fold_batchnorm import FoldBatchnormPass
from pulsar2.lowering.onnx.fold_constants import FoldConstantsPass
from pulsar2.lowering.onnx.fold_conv_scale import FoldConvScalePass
from pulsar2.lowering.onnx.fold_pad import FoldPadPass
from pulsar2.lowering.onnx.fuse_activations import FuseActivationsPass
from pulsar2.lowering.onnx.merge_parts import MergePartsPass

DEAD = EliminateDeadPass()


def normal(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def integers(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def number(value: float) -> np.ndarray:
    return np.array(value, np.float32)


BATCHNORM = {
    "scale": normal(6, seed=2),
    "shift": normal(6, seed=3),
    "mean": normal(6, seed=4),
    "var": np.abs(normal(6, seed=5)) + 0.5,
}
BN_INPUTS = ["scale", "shift", "mean", "var"]


class TestFoldBatchnorm:
    @pytest.mark.parametrize("bias", [[], ["b"]])
    @pytest.mark.parametrize("group", [1, 2])
    def test_conv(self, bias: list[str], group: int) -> None:
        nodes = [
            node("Conv", ["x", "w", *bias], ["c"], group=group),
            node("BatchNormalization", ["c", *BN_INPUTS], ["y"], epsilon=1e-3),
        ]
        constants = {"w": normal(6, 4 // group, 3, 3), "b": normal(6), **BATCHNORM}
        proto = model(nodes, {"x": [2, 4, 5, 5]}, ["y"], constants)
        outcome = check(proto, [FoldBatchnormPass(), DEAD])
        assert outcome.operators == {"Conv": 1}
        assert outcome.node("Conv").name == "node_c"

    @pytest.mark.parametrize("group", [1, 2])
    def test_conv_transpose(self, group: int) -> None:
        nodes = [
            node("ConvTranspose", ["x", "w"], ["c"], group=group, strides=[2, 2]),
            node("BatchNormalization", ["c", *BN_INPUTS], ["y"]),
        ]
        constants = {"w": normal(4, 6 // group, 3, 3), **BATCHNORM}
        proto = model(nodes, {"x": [1, 4, 5, 5]}, ["y"], constants)
        assert check(proto, [FoldBatchnormPass(), DEAD]).operators == {"ConvTranspose": 1}

    @pytest.mark.parametrize("transposed", [0, 1])
    def test_gemm(self, transposed: int) -> None:
        nodes = [
            node("Gemm", ["x", "w", "b"], ["c"], transB=transposed),
            node("BatchNormalization", ["c", *BN_INPUTS], ["y"]),
        ]
        shape = (6, 5) if transposed else (5, 6)
        constants = {"w": normal(*shape), "b": normal(6), **BATCHNORM}
        proto = model(nodes, {"x": [3, 5]}, ["y"], constants)
        assert check(proto, [FoldBatchnormPass(), DEAD]).operators == {"Gemm": 1}

    @pytest.mark.parametrize(
        ("shape", "standalone", "expected"),
        [
            ([1, 6, 4, 4], "conv", {"Conv": 1}),
            ([1, 6, 4], "conv", {"Conv": 1}),
            ([2, 6], "conv", {"Mul": 1, "Add": 1}),
            ([1, 6, 4, 4], "mul-add", {"Mul": 1, "Add": 1}),
            ([1, 6, 4, 4], "keep", {"BatchNormalization": 1}),
        ],
    )
    def test_alone(self, shape: list[int], standalone: Any, expected: dict[str, int]) -> None:
        proto = model(
            [node("BatchNormalization", ["x", *BN_INPUTS], ["y"])], {"x": shape}, ["y"], BATCHNORM
        )
        outcome = check(proto, [FoldBatchnormPass(standalone), DEAD])
        assert outcome.operators == expected

    def test_conv_that_others_use_stays(self) -> None:
        nodes = [
            node("Conv", ["x", "w"], ["c"]),
            node("BatchNormalization", ["c", *BN_INPUTS], ["y"]),
        ]
        proto = model(
            nodes, {"x": [1, 4, 3, 3]}, ["y", "c"], {"w": normal(6, 4, 1, 1), **BATCHNORM}
        )
        assert check(proto, [FoldBatchnormPass(), DEAD]).operators == {"Conv": 2}


class TestFoldConvScale:
    @pytest.mark.parametrize("op_type", ["Add", "Sub", "Mul", "Div"])
    @pytest.mark.parametrize("shape", [(), (1,), (6, 1, 1), (1, 6, 1, 1)])
    @pytest.mark.parametrize("first", [True, False])
    def test_conv(self, op_type: str, shape: tuple[int, ...], first: bool) -> None:
        inputs = ["c", "k"] if first else ["k", "c"]
        nodes = [node("Conv", ["x", "w", "b"], ["c"]), node(op_type, inputs, ["y"])]
        constants = {"w": normal(6, 4, 3, 3), "b": normal(6), "k": normal(*shape, seed=9)}
        proto = model(nodes, {"x": [1, 4, 5, 5]}, ["y"], constants)
        outcome = check(proto, [FoldConvScalePass(), DEAD])
        folds = first or op_type != "Div"
        assert outcome.operators == ({"Conv": 1} if folds else {"Conv": 1, "Div": 1})

    @pytest.mark.parametrize("shape", [(1, 1, 1, 5), (1, 1, 5, 5), (2, 6, 1, 1)])
    def test_other_shapes_stay(self, shape: tuple[int, ...]) -> None:
        nodes = [node("Conv", ["x", "w"], ["c"]), node("Add", ["c", "k"], ["y"])]
        constants = {"w": normal(6, 4, 1, 1), "k": normal(*shape)}
        proto = model(nodes, {"x": [1, 4, 5, 5]}, ["y"], constants)
        assert check(proto, [FoldConvScalePass(), DEAD]).operators == {"Conv": 1, "Add": 1}

    def test_chain_into_gemm(self) -> None:
        nodes = [
            node("Gemm", ["x", "w"], ["c"]),
            node("Mul", ["c", "k"], ["d"]),
            node("Add", ["d", "k"], ["y"]),
        ]
        constants = {"w": normal(5, 6), "k": normal(6)}
        proto = model(nodes, {"x": [3, 5]}, ["y"], constants)
        assert check(proto, [FoldConvScalePass(), DEAD]).operators == {"Gemm": 1}

    def test_weight_that_is_no_constant_stays(self) -> None:
        nodes = [node("Conv", ["x", "w"], ["c"]), node("Mul", ["c", "k"], ["y"])]
        proto = model(nodes, {"x": [1, 4, 5, 5], "w": [6, 4, 1, 1]}, ["y"], {"k": number(3)})
        assert check(proto, [FoldConvScalePass(), DEAD]).operators == {"Conv": 1, "Mul": 1}


class TestFoldPad:
    def padded(self, *after: NodeProto, before: list[NodeProto] | None = None, **pad: Any) -> Any:
        constants: dict[str, np.ndarray] = {
            "p": integers(0, 0, 1, 2, 0, 0, 3, 0),
            "w": normal(3, 2, 3, 3),
            "v": number(pad.pop("value", 0)),
        }
        nodes = [
            *(before or []),
            node("Pad", ["a" if before else "x", "p", "v"], ["q"], **pad),
            *after,
        ]
        return model(nodes, {"x": [1, 2, 6, 6]}, ["y"], constants)

    def test_conv(self) -> None:
        proto = self.padded(node("Conv", ["q", "w"], ["y"], pads=[1, 1, 0, 0]))
        outcome = check(proto, [FoldPadPass(), DEAD])
        assert outcome.operators == {"Conv": 1}

    def test_average_pool(self) -> None:
        proto = self.padded(node("AveragePool", ["q"], ["y"], kernel_shape=[4, 4]))
        assert check(proto, [FoldPadPass(), DEAD]).operators == {"AveragePool": 1}

    def test_max_pool_of_minus_infinity(self) -> None:
        pool = node("MaxPool", ["q"], ["y"], kernel_shape=[4, 4])
        proto = self.padded(pool, value=-np.inf)
        assert check(proto, [FoldPadPass(), DEAD]).operators == {"MaxPool": 1}

    def test_max_pool_of_zero_after_relu(self) -> None:
        pool = node("MaxPool", ["q"], ["y"], kernel_shape=[4, 4])
        proto = self.padded(pool, before=[node("Relu", ["x"], ["a"])])
        assert check(proto, [FoldPadPass(), DEAD]).operators == {"Relu": 1, "MaxPool": 1}

    @pytest.mark.parametrize(
        ("pool", "pad"),
        [
            (node("MaxPool", ["q"], ["y"], kernel_shape=[4, 4]), {}),
            (node("AveragePool", ["q"], ["y"], kernel_shape=[3, 3]), {}),
            (node("Conv", ["q", "w"], ["y"]), {"value": 1}),
            (node("Conv", ["q", "w"], ["y"]), {"mode": "reflect"}),
            (node("AveragePool", ["q"], ["y"], kernel_shape=[4, 4], pads=[1, 1, 1, 1]), {}),
            (node("Conv", ["q", "w"], ["y"], auto_pad="SAME_UPPER"), {}),
        ],
    )
    def test_what_stays(self, pool: NodeProto, pad: dict[str, Any]) -> None:
        outcome = check(self.padded(pool, **pad), [FoldPadPass(), DEAD])
        assert "Pad" in outcome.operators


class TestFuseActivations:
    CONSTANTS: ClassVar = {
        "zero": number(0),
        "three": number(3),
        "six": number(6),
        "sixth": number(1 / 6),
        "half": number(0.5),
    }

    def fused(self, *nodes: NodeProto) -> dict[str, int]:
        proto = model(nodes, {"x": [64]}, ["y"], self.CONSTANTS)
        return check(proto, [FuseActivationsPass(), DEAD]).operators

    @pytest.mark.parametrize(
        "nodes",
        [
            [node("Relu", ["x"], ["a"]), node("Min", ["a", "six"], ["y"])],
            [node("Min", ["six", "x"], ["a"]), node("Max", ["zero", "a"], ["y"])],
            [node("Clip", ["x", "", "six"], ["a"]), node("Relu", ["a"], ["y"])],
            [node("Clip", ["x", "zero", "six"], ["y"])],
        ],
    )
    def test_relu6(self, nodes: list[NodeProto]) -> None:
        assert self.fused(*nodes) == {"Clip": 1}

    @pytest.mark.parametrize(
        "nodes",
        [
            [node("Max", ["x", "zero"], ["y"])],
            [node("Clip", ["x", "zero"], ["y"])],
            [node("Relu", ["x"], ["a"]), node("Relu", ["a"], ["y"])],
        ],
    )
    def test_relu(self, nodes: list[NodeProto]) -> None:
        assert self.fused(*nodes) == {"Relu": 1}

    def test_empty_range(self) -> None:
        nodes = [node("Clip", ["x", "six"], ["a"]), node("Clip", ["a", "", "three"], ["y"])]
        assert self.fused(*nodes) == {"Clip": 1}

    @pytest.mark.parametrize(
        "tail",
        [node("Div", ["b", "six"], ["y"]), node("Mul", ["b", "sixth"], ["y"])],
    )
    def test_hard_sigmoid(self, tail: NodeProto) -> None:
        nodes = [
            node("Add", ["x", "three"], ["a"]),
            node("Clip", ["a", "zero", "six"], ["b"]),
            tail,
        ]
        assert self.fused(*nodes) == {"HardSigmoid": 1}

    @pytest.mark.parametrize(
        "tail",
        [
            [node("Mul", ["x", "b"], ["c"]), node("Div", ["c", "six"], ["y"])],
            [node("Div", ["b", "six"], ["c"]), node("Mul", ["c", "x"], ["y"])],
            [node("Mul", ["x", "sixth"], ["c"]), node("Mul", ["c", "b"], ["y"])],
            [node("Mul", ["b", "x"], ["c"]), node("Mul", ["c", "sixth"], ["y"])],
        ],
    )
    def test_hard_swish(self, tail: list[NodeProto]) -> None:
        nodes = [node("Add", ["x", "three"], ["a"]), node("Clip", ["a", "zero", "six"], ["b"])]
        assert self.fused(*nodes, *tail) == {"HardSwish": 1}

    def test_hard_swish_of_hard_sigmoid(self) -> None:
        gate = node("HardSigmoid", ["x"], ["a"], alpha=1 / 6, beta=0.5)
        assert self.fused(gate, node("Mul", ["a", "x"], ["y"])) == {"HardSwish": 1}

    def test_other_slopes_stay(self) -> None:
        gate = node("HardSigmoid", ["x"], ["a"], alpha=0.2, beta=0.5)
        assert self.fused(gate, node("Mul", ["a", "x"], ["y"])) == {"HardSigmoid": 1, "Mul": 1}

    def test_gate_that_others_use_stays(self) -> None:
        nodes = [
            node("HardSigmoid", ["x"], ["a"], alpha=1 / 6, beta=0.5),
            node("Mul", ["a", "x"], ["b"]),
            node("Add", ["a", "b"], ["y"]),
        ]
        assert self.fused(*nodes) == {"HardSigmoid": 1, "Mul": 1, "Add": 1}


class TestWindows:
    @pytest.mark.parametrize(
        ("auto_pad", "dilation"),
        [("SAME_UPPER", 1), ("SAME_LOWER", 1), ("VALID", 1), ("VALID", 2)],
    )
    @pytest.mark.parametrize("stride", [1, 2, 3])
    def test_conv(self, auto_pad: str, stride: int, dilation: int) -> None:
        conv = node(
            "Conv", ["x", "w"], ["y"],
            auto_pad=auto_pad, strides=[stride] * 2, dilations=[dilation] * 2,
        )  # fmt: skip
        proto = model([conv], {"x": [1, 2, 9, 8]}, ["y"], {"w": normal(3, 2, 3, 2)})
        self.explicit(check(proto, [CanonicalizeWindowsPass()]).node("Conv"))

    @pytest.mark.parametrize("op_type", ["MaxPool", "AveragePool"])
    @pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET"])
    def test_pool(self, op_type: str, auto_pad: str) -> None:
        pool = node(op_type, ["x"], ["y"], auto_pad=auto_pad, kernel_shape=[3, 2], strides=[2, 2])
        proto = model([pool], {"x": [1, 2, 9, 8]}, ["y"])
        self.explicit(check(proto, [CanonicalizeWindowsPass()]).node(op_type))

    @pytest.mark.parametrize(
        "attributes",
        [
            {"output_shape": [17, 15]},
            {"output_shape": [20, 18]},
            {"auto_pad": "SAME_UPPER"},
            {"auto_pad": "SAME_LOWER"},
            {"output_padding": [1, 0]},
        ],
    )
    def test_conv_transpose(self, attributes: dict[str, Any]) -> None:
        conv = node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2], **attributes)
        proto = model([conv], {"x": [1, 2, 9, 8]}, ["y"], {"w": normal(2, 3, 3, 3)})
        self.explicit(check(proto, [CanonicalizeWindowsPass()]).node("ConvTranspose"))

    @staticmethod
    def explicit(found: NodeProto) -> None:
        names = {a.name for a in found.attribute}
        assert names >= {"kernel_shape", "strides", "pads", "dilations"}
        assert not names & {"auto_pad", "output_shape"}


@pytest.mark.parametrize(
    "proto_node",
    [
        node("Conv", ["x", "w", "b"], ["y"], strides=[2], pads=[1, 0], dilations=[2]),
        node("Conv", ["x", "g"], ["y"], group=2, pads=[1, 1]),
        node("ConvTranspose", ["x", "t"], ["y"], strides=[2], output_padding=[1]),
        node("MaxPool", ["x"], ["y"], kernel_shape=[3], strides=[2]),
        node("AveragePool", ["x"], ["y"], kernel_shape=[3], pads=[1, 1]),
        node("GlobalAveragePool", ["x"], ["y"]),
        node("GlobalMaxPool", ["x"], ["y"]),
    ],
)
def test_one_spatial_axis_becomes_two(proto_node: NodeProto) -> None:
    constants = {"w": normal(3, 4, 3), "b": normal(3), "g": normal(6, 2, 3), "t": normal(4, 2, 3)}
    proto = model([proto_node], {"x": [2, 4, 11]}, ["y"], constants)
    outcome = check(proto, [CanonicalizeWindowsPass(), CanonicalizeSpatialPass(), DEAD])
    assert outcome.operators == {"Reshape": 2, proto_node.op_type: 1}


class TestGemm:
    def test_matmul_and_add(self) -> None:
        nodes = [node("MatMul", ["x", "w"], ["a"]), node("Add", ["b", "a"], ["y"])]
        proto = model(nodes, {"x": [3, 5]}, ["y"], {"w": normal(5, 6), "b": normal(1, 6)})
        outcome = check(proto, [CanonicalizeGemmPass(), DEAD])
        assert outcome.operators == {"Gemm": 1}
        assert outcome.node("Gemm").name == "node_a"

    def test_scalar_bias(self) -> None:
        nodes = [node("MatMul", ["x", "w"], ["a"]), node("Add", ["a", "b"], ["y"])]
        proto = model(nodes, {"x": [3, 5]}, ["y"], {"w": normal(5, 6), "b": number(2)})
        assert check(proto, [CanonicalizeGemmPass(), DEAD]).operators == {"Gemm": 1}

    def test_column_bias_stays(self) -> None:
        nodes = [node("MatMul", ["x", "w"], ["a"]), node("Add", ["a", "b"], ["y"])]
        proto = model(nodes, {"x": [6, 5]}, ["y"], {"w": normal(5, 6), "b": normal(6, 1)})
        assert check(proto, [CanonicalizeGemmPass(), DEAD]).operators == {"Gemm": 1, "Add": 1}

    def test_batched_matmul_stays(self) -> None:
        proto = model(
            [node("MatMul", ["x", "w"], ["y"])], {"x": [2, 3, 5]}, ["y"], {"w": normal(5, 6)}
        )
        assert check(proto, [CanonicalizeGemmPass(), DEAD]).operators == {"MatMul": 1}

    @pytest.mark.parametrize("bias", [(6,), (1, 6), (1,), ()])
    def test_factors(self, bias: tuple[int, ...]) -> None:
        gemm = node("Gemm", ["x", "w", "b"], ["y"], alpha=0.5, beta=2.0, transA=1, transB=1)
        proto = model([gemm], {"x": [5, 3]}, ["y"], {"w": normal(6, 5), "b": normal(*bias)})
        outcome = check(proto, [CanonicalizeGemmPass(), DEAD])
        assert outcome.operators == {"Transpose": 1, "Gemm": 1}
        attributes = {a.name: a for a in outcome.node("Gemm").attribute}
        assert set(attributes) == {"transB"}


@pytest.mark.parametrize(
    "nodes",
    [
        [node("Flatten", ["x"], ["y"], axis=2)],
        [node("Squeeze", ["x"], ["y"])],
        [node("Unsqueeze", ["x", "axes"], ["y"])],
        [node("Reshape", ["x", "shape"], ["y"])],
        [node("Flatten", ["x"], ["a"]), node("Reshape", ["a", "shape"], ["y"])],
        [node("Transpose", ["x"], ["y"], perm=[1, 0, 2, 3])],
    ],
)
def test_changes_of_shape_become_one_reshape(nodes: list[NodeProto]) -> None:
    constants = {"axes": integers(0, -1), "shape": integers(0, 2, -1)}
    proto = model(nodes, {"x": [1, 2, 3, 4]}, ["y"], constants)
    outcome = check(proto, [CanonicalizeReshapePass(), DEAD])
    assert outcome.operators == {"Reshape": 1}
    shape = outcome.constant(outcome.node("Reshape").input[1])
    assert np.all(shape > 0)


class TestElementwise:
    def after(self, *nodes: NodeProto) -> dict[str, int]:
        constants = {
            "one": number(1.5),
            "row": normal(4),
            "column": normal(3, 1),
            "zero": number(0),
        }
        proto = model(nodes, {"x": [3, 4], "z": [4]}, ["y"], constants)
        return check(proto, [CanonicalizeElementwisePass(), DEAD]).operators

    def test_constants_are_joined(self) -> None:
        nodes = [node("Sub", ["x", "one"], ["a"]), node("Add", ["row", "a"], ["y"])]
        assert self.after(*nodes) == {"Add": 1}
        nodes = [node("Div", ["x", "one"], ["a"]), node("Mul", ["column", "a"], ["y"])]
        assert self.after(*nodes) == {"Mul": 1}

    @pytest.mark.parametrize("op_type", ["Sum", "Max", "Min"])
    def test_many_operands_become_two_each(self, op_type: str) -> None:
        expected = {"Sum": "Add"}.get(op_type, op_type)
        assert self.after(node(op_type, ["x", "z", "row"], ["y"])) == {expected: 2}

    def test_what_stays(self) -> None:
        nodes = [node("Mul", ["x", "row"], ["a"]), node("Mul", ["a", "column"], ["y"])]
        assert self.after(*nodes) == {"Mul": 2}
        assert self.after(node("Sub", ["one", "x"], ["y"])) == {"Sub": 1}
        assert self.after(node("Div", ["one", "x"], ["y"])) == {"Div": 1}
        nodes = [node("Add", ["z", "row"], ["a"]), node("Add", ["a", "column"], ["y"])]
        assert self.after(*nodes) == {"Add": 2}


class TestEliminateIdentity:
    @pytest.mark.parametrize(
        "proto_node",
        [
            node("Identity", ["a"], ["b"]),
            node("Dropout", ["a"], ["b"]),
            node("Cast", ["a"], ["b"], to=1),
            node("Reshape", ["a", "shape"], ["b"]),
            node("Transpose", ["a"], ["b"], perm=[0, 1, 2]),
            node("Pad", ["a", "none"], ["b"]),
            node("Clip", ["a"], ["b"]),
            node("Concat", ["a"], ["b"], axis=1),
            node("Sum", ["a"], ["b"]),
            node("Add", ["zero", "a"], ["b"]),
            node("Sub", ["a", "zero"], ["b"]),
            node("Mul", ["a", "ones"], ["b"]),
            node("Div", ["a", "one"], ["b"]),
            node("Expand", ["a", "shape"], ["b"]),
            node("Slice", ["a", "start", "end"], ["b"]),
        ],
    )
    def test_goes(self, proto_node: NodeProto) -> None:
        constants = {
            "shape": integers(1, 2, 3),
            "none": integers(0, 0, 0, 0, 0, 0),
            "zero": number(0),
            "one": number(1),
            "ones": np.ones((2, 1), np.float32),
            "start": integers(0),
            "end": integers(9),
        }
        nodes = [node("Relu", ["x"], ["a"]), proto_node, node("Exp", ["b"], ["y"])]
        proto = model(nodes, {"x": [1, 2, 3]}, ["y"], constants)
        outcome = check(proto, [EliminateIdentityPass(), DEAD])
        assert outcome.operators == {"Relu": 1, "Exp": 1}

    @pytest.mark.parametrize(
        "proto_node",
        [
            node("Cast", ["a"], ["b"], to=10),
            node("Transpose", ["a"], ["b"], perm=[0, 2, 1]),
            node("Slice", ["a", "last", "first", "axes", "back"], ["b"]),
            node("Add", ["a", "wide"], ["b"]),
            node("Sub", ["zero", "a"], ["b"]),
            node("Div", ["one", "a"], ["b"]),
        ],
    )
    def test_stays(self, proto_node: NodeProto) -> None:
        constants = {
            "last": integers(-1),
            "first": integers(-9),
            "axes": integers(1),
            "back": integers(-1),
            "wide": np.zeros((4, 3, 3), np.float32),
            "zero": number(0),
            "one": number(1),
        }
        nodes = [node("Sigmoid", ["x"], ["a"]), proto_node, node("Exp", ["b"], ["y"])]
        types = {"y": 10} if proto_node.op_type == "Cast" else {}
        proto = model(nodes, {"x": [1, 3, 3]}, ["y"], constants, types=types)
        outcome = check(proto, [EliminateIdentityPass(), DEAD])
        assert proto_node.op_type in outcome.operators

    def test_mask_of_dropout(self) -> None:
        nodes = [node("Dropout", ["x"], ["y", "mask"])]
        proto = model(nodes, {"x": [2, 3]}, ["y", "mask"], types={"mask": 9})
        assert "Dropout" not in check(proto, [EliminateIdentityPass()]).operators


class TestFoldConstants:
    def test_shapes(self) -> None:
        nodes = [
            node("Shape", ["x"], ["s"], start=1),
            node("Size", ["x"], ["n"]),
            node("ReduceProd", ["s"], ["p"]),
            node("Div", ["n", "p"], ["d"]),
            node("Concat", ["d", "p"], ["t"], axis=0),
            node("Reshape", ["x", "t"], ["y"]),
        ]
        proto = model(nodes, {"x": [2, 3, 4]}, ["y"])
        assert check(proto, [FoldConstantsPass(), DEAD]).operators == {"Reshape": 1}

    def test_weights(self) -> None:
        nodes = [node("Transpose", ["w"], ["t"]), node("MatMul", ["x", "t"], ["y"])]
        proto = model(nodes, {"x": [2, 20]}, ["y"], {"w": normal(30, 20)})
        assert check(proto, [FoldConstantsPass(), DEAD]).operators == {"MatMul": 1}

    def test_growth_is_limited(self) -> None:
        nodes = [node("Expand", ["c", "s"], ["e"]), node("Add", ["x", "e"], ["y"])]
        proto = model(nodes, {"x": [1]}, ["y"], {"c": number(1), "s": integers(100, 100)})
        assert "Expand" in check(proto, [FoldConstantsPass(max_elements=9999)]).operators
        assert "Expand" not in check(proto, [FoldConstantsPass(max_elements=10000)]).operators

    def test_quantization_and_chance_stay(self) -> None:
        nodes = [
            node("DequantizeLinear", ["q", "s"], ["w"]),
            node("RandomNormal", [], ["r"], shape=[2]),
            node("Add", ["w", "r"], ["a"]),
            node("Mul", ["a", "zero"], ["z"]),
            node("Add", ["x", "z"], ["y"]),
        ]
        constants = {"q": np.array([1, 2], np.int8), "s": number(0.5), "zero": number(0)}
        outcome = check(model(nodes, {"x": [2]}, ["y"], constants), [FoldConstantsPass()])
        assert {"DequantizeLinear", "RandomNormal"} <= set(outcome.operators)


class TestEliminateCommon:
    def test_equal_operations_are_joined(self) -> None:
        nodes = [
            node("Relu", ["x"], ["a"]),
            node("Relu", ["x"], ["b"]),
            node("Add", ["a", "b"], ["y"]),
        ]
        proto = model(nodes, {"x": [3]}, ["y"])
        assert check(proto, [EliminateCommonPass()]).operators == {"Relu": 1, "Add": 1}

    def test_other_attributes_and_chance_stay(self) -> None:
        nodes = [
            node("Elu", ["x"], ["a"], alpha=1.0),
            node("Elu", ["x"], ["b"], alpha=0.5),
            node("Add", ["a", "b"], ["y"]),
            node("RandomNormalLike", ["x"], ["r"]),
            node("RandomNormalLike", ["x"], ["s"]),
            node("Sub", ["r", "s"], ["d"]),
            node("Shape", ["d"], ["z"]),
        ]
        proto = model(nodes, {"x": [3]}, ["y", "z"], types={"z": 7})
        outcome = check(proto, [EliminateCommonPass()])
        assert outcome.operators["Elu"] == 2
        assert outcome.operators["RandomNormalLike"] == 2


class TestEliminateTransposes:
    LAST, FIRST = (0, 2, 3, 1), (0, 3, 1, 2)

    def left(self, nodes: list[NodeProto], constants: dict[str, np.ndarray] | None = None) -> int:
        proto = model(nodes, {"x": [1, 2, 3, 4], "z": [1, 2, 3, 4]}, ["y"], constants)
        return check(proto, [EliminateTransposesPass(), DEAD]).operators.get("Transpose", 0)

    def around(self, *inner: NodeProto) -> list[NodeProto]:
        return [
            node("Transpose", ["x"], ["a"], perm=self.LAST),
            *inner,
            node("Transpose", ["b"], ["c"], perm=self.FIRST),
            node("Add", ["c", "z"], ["y"]),
        ]

    def test_pair(self) -> None:
        assert self.left(self.around(node("Relu", ["a"], ["b"]))) == 0

    @pytest.mark.parametrize("shape", [(), (2,), (4, 2), (3, 1, 1), (1, 3, 4, 2)])
    def test_constants_are_transposed(self, shape: tuple[int, ...]) -> None:
        inner = node("Mul", ["k", "a"], ["b"])
        assert self.left(self.around(inner), {"k": normal(*shape)}) == 0

    @pytest.mark.parametrize("axis", [1, 3, -1])
    def test_axes(self, axis: int) -> None:
        assert self.left(self.around(node("Softmax", ["a"], ["b"], axis=axis))) == 0

    AXES: ClassVar[dict[str, np.ndarray]] = {
        "axes": integers(-1, 1),
        "one": integers(1),
        "begin": integers(0, 1),
        "end": integers(2, -1),
        "pads": integers(0, 1, 0, 2, 0, 0, 3, 1),
        "some": integers(1, 2, 0, 1),
    }

    @pytest.mark.parametrize(
        ("inner", "left"),
        [
            (node("ReduceMean", ["a", "one"], ["b"]), 0),
            (node("ReduceMax", ["a", "axes"], ["b"], keepdims=1), 0),
            (node("ReduceSum", ["a"], ["b"], keepdims=1), 0),
            (node("Slice", ["a", "begin", "end", "axes"], ["b"]), 0),
            (node("Slice", ["a", "begin", "end"], ["b"]), 0),
            (node("Pad", ["a", "pads"], ["b"]), 0),
            (node("Pad", ["a", "some", "", "axes"], ["b"], mode="edge"), 0),
        ],
    )
    def test_along_axes(self, inner: NodeProto, left: int) -> None:
        nodes = [
            node("Transpose", ["x"], ["a"], perm=self.LAST),
            inner,
            node("Transpose", ["b"], ["y"], perm=self.FIRST),
        ]
        assert self.left(nodes, self.AXES) == left

    @pytest.mark.parametrize(
        ("inner", "left"),
        [
            (node("ReduceMean", ["a", "one"], ["y"], keepdims=0), 1),
            (node("ReduceMean", ["a", "axes"], ["y"], keepdims=0), 0),
            (node("ArgMax", ["a"], ["y"], axis=3, keepdims=0), 0),
            (node("ArgMin", ["a"], ["y"], axis=1, keepdims=0), 1),
        ],
    )
    def test_axes_that_go(self, inner: NodeProto, left: int) -> None:
        nodes = [node("Transpose", ["x"], ["a"], perm=self.LAST), inner]
        kind = 7 if inner.op_type.startswith("Arg") else 1
        proto = model(nodes, {"x": [1, 2, 3, 4]}, ["y"], self.AXES, types={"y": kind})
        outcome = check(proto, [EliminateTransposesPass(), DEAD])
        assert outcome.operators.get("Transpose", 0) == left

    def test_split(self) -> None:
        nodes = [
            node("Transpose", ["x"], ["a"], perm=self.LAST),
            node("Split", ["a"], ["s0", "s1"], axis=3, num_outputs=2),
            node("Relu", ["s0"], ["b0"]),
            node("Transpose", ["b0"], ["c0"], perm=self.FIRST),
            node("Transpose", ["s1"], ["c1"], perm=self.FIRST),
            node("Add", ["c0", "c1"], ["y"]),
        ]
        assert self.left(nodes) == 0

    def test_concat_of_equally_transposed(self) -> None:
        nodes = [
            node("Transpose", ["x"], ["a"], perm=self.LAST),
            node("Transpose", ["z"], ["b"], perm=self.LAST),
            node("Concat", ["a", "b"], ["c"], axis=3),
            node("Transpose", ["c"], ["y"], perm=self.FIRST),
        ]
        assert self.left(nodes) == 0

    def test_two_different_become_one(self) -> None:
        nodes = [
            node("Transpose", ["x"], ["a"], perm=self.LAST),
            node("Transpose", ["a"], ["b"], perm=[0, 2, 1, 3]),
            node("Relu", ["b"], ["y"]),
        ]
        assert self.left(nodes) == 1

    def test_shared_by_one_that_needs_it(self) -> None:
        nodes = [
            node("Transpose", ["x"], ["a"], perm=self.LAST),
            node("MatMul", ["a", "k"], ["m"]),
            node("Relu", ["a"], ["r"]),
            node("Add", ["m", "r"], ["y"]),
        ]
        assert self.left(nodes, {"k": normal(2, 2)}) == 1

    def test_residual_around(self) -> None:
        inner = [node("Sigmoid", ["a"], ["s"]), node("Mul", ["a", "s"], ["b"])]
        assert self.left(self.around(*inner)) == 0


def test_the_pipeline_leaves_a_classifier_in_its_simplest_form() -> None:
    nodes = [
        node("Pad", ["x", "p"], ["x1"]),
        node("Conv", ["x1", "w1"], ["c1"]),
        node("BatchNormalization", ["c1", *BN_INPUTS], ["n1"]),
        node("Relu", ["n1"], ["r1"]),
        node("Min", ["r1", "six"], ["a1"]),
        node("Conv", ["a1", "w2"], ["c2"], group=6, auto_pad="SAME_UPPER"),
        node("BatchNormalization", ["c2", *BN_INPUTS], ["n2"]),
        node("Clip", ["n2", "zero", "six"], ["a2"]),
        node("Add", ["a1", "a2"], ["s"]),
        node("GlobalAveragePool", ["s"], ["g"]),
        node("Shape", ["g"], ["shape"]),
        node("Gather", ["shape", "index"], ["batch"]),
        node("Concat", ["batch", "rest"], ["flat"], axis=0),
        node("Reshape", ["g", "flat"], ["f"]),
        node("MatMul", ["f", "w3"], ["m"]),
        node("Add", ["m", "b3"], ["y"]),
    ]
    constants = {
        "p": integers(0, 0, 1, 1, 0, 0, 1, 1),
        "w1": normal(6, 3, 3, 3),
        "w2": normal(6, 1, 3, 3),
        "w3": normal(6, 10),
        "b3": normal(10),
        "six": number(6),
        "zero": number(0),
        "index": integers(0),
        "rest": integers(-1),
        **BATCHNORM,
    }
    outcome = check(model(nodes, {"x": [1, 3, 8, 8]}, ["y"], constants), pipeline())
    assert outcome.operators == {
        "Conv": 2,
        "Clip": 2,
        "Add": 1,
        "GlobalAveragePool": 1,
        "Reshape": 1,
        "Gemm": 1,
    }


class TestMergeParts:
    CONSTANTS: ClassVar[dict[str, np.ndarray]] = {
        "a0": integers(1, 2),
        "a1": integers(6, 99),
        "a2": integers(-1, 1),
        "a3": integers(1, 2),
        "b0": integers(1),
        "b1": integers(-1),
        "b2": integers(2),
        "b3": integers(2),
        "sizes": integers(3, 2, 3),
    }

    def merged(self, *nodes: NodeProto) -> dict[str, int]:
        proto = model(nodes, {"x": [2, 9, 8]}, ["y"], self.CONSTANTS)
        return check(proto, [MergePartsPass(), DEAD]).operators

    def test_slice_of_slice(self) -> None:
        first = node("Slice", ["x", "a0", "a1", "a2", "a3"], ["s"])
        second = node("Slice", ["s", "b0", "b1", "b2", "b3"], ["y"])
        assert self.merged(first, second) == {"Slice": 1}

    def test_slice_of_a_part(self) -> None:
        split = node("Split", ["x", "sizes"], ["p", "q", "r"], axis=2)
        second = node("Slice", ["r", "b0", "b1", "b2"], ["y"])
        assert self.merged(split, second) == {"Slice": 1}

    def test_parts_together(self) -> None:
        split = node("Split", ["x", "sizes"], ["p", "q", "r"], axis=2)
        assert self.merged(split, node("Concat", ["p", "q", "r"], ["y"], axis=-1)) == {
            "Identity": 1
        }
        assert self.merged(split, node("Concat", ["q", "r"], ["y"], axis=-1)) == {"Slice": 1}
        assert self.merged(split, node("Concat", ["q", "p"], ["y"], axis=-1)) == {
            "Split": 1,
            "Concat": 1,
        }
        assert self.merged(split, node("Concat", ["p", "r"], ["y"], axis=1)) == {
            "Split": 1,
            "Concat": 1,
        }
