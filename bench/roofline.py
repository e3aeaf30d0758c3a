"""The least time that a network can take on a target, from its float graph alone.

Nothing here knows the scheduler: the work is counted on ONNX shapes. Three resources, each at its
best rate: multiply-accumulates of Conv, Gemm and MatMul on the conv units; elements of the vector
operators that cannot ride along in a contraction on the teng units; and the bytes that have to
cross DDR once (weights, biases, inputs, outputs). The bound is the greatest of the three.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import onnx

_CONTRACTIONS = {"Conv", "Gemm", "MatMul", "ConvTranspose"}
_FUSED_OR_FREE = {
    "BatchNormalization", "Clip", "Relu", "Flatten", "Reshape", "Identity", "Dropout", "Squeeze",
    "Unsqueeze", "Concat", "Constant", "Transpose", "Pad", "Slice", "Split", "Shape", "Gather",
}  # fmt: skip


@dataclass(frozen=True)
class Work:
    """Operations of one inference."""

    macs: int
    vector_elements: int
    weight_bytes: int
    io_bytes: int

    @property
    def compulsory_bytes(self) -> int:
        """Bytes that must cross DDR whatever the schedule."""
        return self.weight_bytes + self.io_bytes


@dataclass(frozen=True)
class Bound:
    """Cycles of each resource; ``cycles`` is the greatest."""

    conv: float
    vector: float
    ddr: float

    @property
    def cycles(self) -> float:
        return max(self.conv, self.vector, self.ddr)

    @property
    def resource(self) -> str:
        return max(("conv", "vector", "ddr"), key=lambda name: getattr(self, name))


def _shapes(graph: onnx.GraphProto) -> dict[str, tuple[int, ...]]:
    shapes = {
        value.name: tuple(d.dim_value for d in value.type.tensor_type.shape.dim)
        for value in (*graph.input, *graph.output, *graph.value_info)
    }
    shapes.update({constant.name: tuple(constant.dims) for constant in graph.initializer})
    return shapes


def count_work(model: onnx.ModelProto, input_bytes: int = 1, output_bytes: int = 4) -> Work:
    """The work of ``model``, U8 activations and S8 weights; element sizes of what crosses DDR."""
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
    shapes = _shapes(graph)
    constants = {constant.name for constant in graph.initializer}
    live = shapes.keys() - constants
    macs = vector = weight_bytes = 0
    for node in graph.node:
        output = shapes[node.output[0]]
        elements = math.prod(output)
        if node.op_type in _CONTRACTIONS:
            weight = shapes[node.input[1]]
            if node.op_type == "Conv":
                macs += elements * math.prod(weight[1:])
            elif node.op_type == "ConvTranspose":
                macs += math.prod(shapes[node.input[0]]) * math.prod(weight[1:])
            else:
                macs += elements * shapes[node.input[0]][-1]
            if node.input[1] in constants:
                weight_bytes += math.prod(weight)
            if len(node.input) > 2:
                weight_bytes += 4 * math.prod(shapes[node.input[2]])
        elif node.op_type not in _FUSED_OR_FREE:
            reads = [math.prod(shapes[name]) for name in node.input if name in live]
            vector += max([elements, *reads])
    io_bytes = sum(input_bytes * math.prod(shapes[value.name]) for value in graph.input)
    io_bytes += sum(output_bytes * math.prod(shapes[value.name]) for value in graph.output)
    return Work(macs, vector, weight_bytes, io_bytes)


def bound(
    work: Work,
    macs_per_cycle: float,
    vector_elements_per_cycle: float,
    ddr_bytes_per_cycle: float,
) -> Bound:
    """Cycles of ``work`` at these best rates of the whole set of units."""
    return Bound(
        work.macs / macs_per_cycle,
        work.vector_elements / vector_elements_per_cycle,
        work.compulsory_bytes / ddr_bytes_per_cycle,
    )
