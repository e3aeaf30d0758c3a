"""Random graphs: the optimize pipeline changes no result, and costs time linear in the graph."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from onnx import ModelProto, NodeProto
from onnx_models import apply, check, model, node, pipeline

from pulsar2.context import make_context
from pulsar2.onnx_import import import_onnx

UNARY = ("Relu", "Sigmoid", "HardSigmoid", "HardSwish", "Identity", "Neg", "Tanh", "Dropout")
BINARY = ("Add", "Sub", "Mul")


class Graph:
    """Grows a graph of four-axis tensors whose shapes it knows."""

    def __init__(self, draw: Any, channels: int, size: int):
        self.draw = draw
        self.rng = np.random.default_rng(draw(st.integers(0, 1 << 16)))
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}
        self.values: list[tuple[str, tuple[int, ...]]] = [("x", (1, channels, size, size))]

    def constant(self, array: np.ndarray) -> str:
        name = f"k{len(self.constants)}"
        self.constants[name] = array
        return name

    def normal(self, *shape: int) -> str:
        return self.constant((self.rng.standard_normal(shape) * 0.5).astype(np.float32))

    def integers(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def add(
        self, op_type: str, inputs: list[str], shape: tuple[int, ...], **attributes: Any
    ) -> None:
        name = f"v{len(self.nodes)}"
        self.nodes.append(node(op_type, inputs, [name], **attributes))
        self.values.append((name, shape))

    def pick(self) -> tuple[str, tuple[int, ...]]:
        recent = self.values[-4:]
        return recent[self.draw(st.integers(0, len(recent) - 1))]

    def step(self) -> None:
        name, shape = self.pick()
        n, c, h, w = shape
        kind = self.draw(st.integers(0, 11))
        match kind:
            case 0:
                out = self.draw(st.integers(1, 6))
                k = self.draw(st.integers(1, 3))
                bias = [self.normal(out)] if self.draw(st.booleans()) else []
                pads = [k // 2] * 4
                extent = tuple(e + 2 * (k // 2) - k + 1 for e in (h, w))
                self.add(
                    "Conv", [name, self.normal(out, c, k, k), *bias], (n, out, *extent), pads=pads
                )
            case 1:
                self.add(
                    "Conv", [name, self.normal(c, 1, 3, 3)], shape, group=c, auto_pad="SAME_UPPER"
                )
            case 2:
                parameters = [self.normal(c) for _ in range(3)]
                variance = self.constant((self.rng.random(c) + 0.5).astype(np.float32))
                self.add("BatchNormalization", [name, *parameters, variance], shape)
            case 3:
                self.add(UNARY[self.draw(st.integers(0, len(UNARY) - 1))], [name], shape)
            case 4:
                op_type = BINARY[self.draw(st.integers(0, len(BINARY) - 1))]
                extents = [(), (c, 1, 1), (1, c, 1, 1), (w,), shape]
                other = self.normal(*extents[self.draw(st.integers(0, len(extents) - 1))])
                inputs = [name, other] if self.draw(st.booleans()) else [other, name]
                self.add(op_type, inputs, shape)
            case 5:
                same = [v for v, s in self.values if s == shape]
                other = same[self.draw(st.integers(0, len(same) - 1))]
                self.add(BINARY[self.draw(st.integers(0, 2))], [name, other], shape)
            case 6:
                low, high = sorted(self.rng.normal(0, 2, 2))
                bounds = [self.constant(np.array(v, np.float32)) for v in (low, high)]
                self.add("Clip", [name, *bounds], shape)
            case 7:
                perm = self.draw(st.permutations(range(4)))
                self.add("Transpose", [name], tuple(shape[p] for p in perm), perm=list(perm))
                if self.draw(st.booleans()):
                    self.add("Relu", [self.values[-1][0]], self.values[-1][1])
                if self.values[-1][1][0] != 1 or self.draw(st.booleans()):
                    back = [int(i) for i in np.argsort(perm)]
                    self.add("Transpose", [self.values[-1][0]], shape, perm=back)
            case 8:
                pads = self.integers(0, 0, 1, 0, 0, 0, 0, 1)
                self.add("Pad", [name, pads], (n, c, h + 1, w + 1))
            case 9:
                extent = (h - 1, w - 1)
                if min(extent) >= 1:
                    pool = ("MaxPool", "AveragePool")[self.draw(st.integers(0, 1))]
                    self.add(pool, [name], (n, c, *extent), kernel_shape=[2, 2])
            case 10:
                same = [v for v, s in self.values if s == shape]
                self.add("Concat", [name, same[-1]], (n, 2 * c, h, w), axis=1)
            case _:
                target = self.integers(0, h, -1, w)
                self.add("Reshape", [name, target], (n, h, c, w))

    def model(self) -> ModelProto:
        name, shape = self.values[-1]
        if self.draw(st.booleans()):
            rows, columns = shape[0], int(np.prod(shape[1:]))
            self.add("Flatten", [name], (rows, columns), axis=1)
            self.add("MatMul", [self.values[-1][0], self.normal(columns, 3)], (rows, 3))
            self.add("Add", [self.values[-1][0], self.normal(3)], (rows, 3))
        first = self.values[0][1]
        outputs = [self.values[-1][0]]
        if self.draw(st.booleans()):
            outputs.append(self.values[len(self.values) // 2][0])
        used = list(dict.fromkeys(outputs))
        return model(self.nodes, {"x": first}, used, self.constants, opset=17)


@st.composite
def graphs(draw: Any) -> ModelProto:
    graph = Graph(draw, draw(st.integers(1, 4)), draw(st.integers(3, 6)))
    for _ in range(draw(st.integers(1, 14))):
        graph.step()
    return graph.model()


QUICK = settings(
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)


@settings(QUICK, max_examples=80)
@given(graphs())
def test_optimization_changes_no_result(proto: ModelProto) -> None:
    check(proto, pipeline(), rtol=2e-5)


@settings(QUICK, max_examples=15)
@given(graphs())
def test_optimization_is_idempotent(proto: ModelProto) -> None:
    once = apply(proto, pipeline())
    assert apply(once.model, pipeline()).operators == once.operators


def chain(count: int) -> ModelProto:
    """About `count` nodes of blocks that every pass finds work in."""
    rng = np.random.default_rng(0)
    nodes: list[NodeProto] = []
    constants: dict[str, np.ndarray] = {
        "three": np.array(3, np.float32),
        "zero": np.array(0, np.float32),
        "six": np.array(6, np.float32),
        "begin": np.array([0], np.int64),
        "end": np.array([2], np.int64),
        "plane": np.array([4, 4], np.int64),
    }
    value = "x"
    for i in range(count // 13):
        constants[f"w{i}"] = (rng.standard_normal((4, 4, 1, 1)) * 0.3).astype(np.float32)
        constants[f"p{i}"] = (rng.random(4) + 0.5).astype(np.float32)
        parameters = [f"p{i}"] * 4
        nodes += [
            node("Conv", [value, f"w{i}"], [f"c{i}"]),
            node("BatchNormalization", [f"c{i}", *parameters], [f"n{i}"]),
            node("Add", [f"n{i}", "three"], [f"a{i}"]),
            node("Clip", [f"a{i}", "zero", "six"], [f"q{i}"]),
            node("Mul", [f"n{i}", f"q{i}"], [f"m{i}"]),
            node("Div", [f"m{i}", "six"], [f"h{i}"]),
            node("Shape", [f"h{i}"], [f"s{i}"]),
            node("Slice", [f"s{i}", "begin", "end"], [f"l{i}"]),
            node("Concat", [f"l{i}", "plane"], [f"t{i}"], axis=0),
            node("Reshape", [f"h{i}", f"t{i}"], [f"r{i}"]),
            node("Transpose", [f"r{i}"], [f"u{i}"], perm=[0, 2, 3, 1]),
            node("Relu", [f"u{i}"], [f"v{i}"]),
            node("Transpose", [f"v{i}"], [f"y{i}"], perm=[0, 3, 1, 2]),
        ]
        value = f"y{i}"
    return model(nodes, {"x": [1, 4, 4, 4]}, [value], constants, opset=17)


def seconds(count: int) -> float:
    """The time of import and optimization of a chain."""
    proto = chain(count)
    started = time.process_time()
    context = make_context()
    module = import_onnx(proto, context)
    for item in pipeline():
        item.apply(context, module)
    elapsed = time.process_time() - started
    operators = {op.name for op in module.walk()} - {"builtin.module", "func.func", "func.return"}
    assert operators == {"onnx.Constant", "onnx.Conv", "onnx.HardSwish", "onnx.Relu"}
    return elapsed


@pytest.mark.filterwarnings("ignore")
def test_five_thousand_nodes_take_less_than_fifteen_seconds_and_grow_linearly() -> None:
    seconds(130)
    small, large = seconds(500), seconds(5000)
    assert large < 15
    assert large < 10 * small * 2
