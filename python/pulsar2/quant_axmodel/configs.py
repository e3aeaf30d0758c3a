"""The quantization configuration of every tensor at every operator: `quant_axmodel.json`.

A tensor has one configuration at the operator that makes it and one at each that uses it. That of
a computed tensor is ACTIVATED; one that has its quantization from another tensor or from the
operator before is OVERLAPPED, and names the configuration that it follows as its dominator.
Constant weights are BAKED, a bias, whose scale follows from input and weight, PASSIVE_BAKED;
integers that are shapes or indices SOI, and float tensors FP32.
"""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import dataclass
from typing import Any

from xdsl.dialects.builtin import Float32Type, ModuleOp
from xdsl.dialects.func import ReturnOp
from xdsl.ir import Operation, SSAValue

from pulsar2.dialects.onnx.types import element_of
from pulsar2.dialects.quant import (
    ConcatOp,
    ConstantOp,
    ConvOp,
    ConvTransposeOp,
    MatMulOp,
    MaxPoolOp,
    PadOp,
    ReduceKind,
    ReduceOp,
    ReshapeOp,
    ResizeNearestOp,
    SliceOp,
    TransposeOp,
)
from pulsar2.dialects.quant.types import (
    UniformPerAxisType,
    UniformType,
    storage_range,
)
from pulsar2.files import write_text
from pulsar2.locations import node_name, tensor_name
from pulsar2.lowering.quant.constants import is_constant_like
from pulsar2.onnx_export import main_function

STATES = ("BAKED", "OVERLAPPED", "ACTIVATED", "SOI", "PASSIVE_BAKED", "FP32")
"""The states of a configuration, in the order in which a snapshot counts them."""

_MOVING = (ReshapeOp, TransposeOp, ConcatOp, PadOp, SliceOp, MaxPoolOp, ResizeNearestOp)


@dataclass(frozen=True)
class TensorConfig:
    """How one operator sees one of its tensors; `hash` names it, `dominator` is whom it follows."""

    node: str
    tensor: str
    type: object
    state: str
    hash: int
    dominator: int

    def as_json(self) -> dict[str, Any]:
        """The entry of the file."""
        if not isinstance(self.type, UniformType | UniformPerAxisType):
            width, low, high, per_channel, symmetric = 32, 0, 0, False, False
        else:
            width = self.type.storage.width.data
            low, high = storage_range(self.type.storage)
            per_channel = isinstance(self.type, UniformPerAxisType)
            symmetric = _is_symmetric(self.type)
            if symmetric and low == -128:
                low = -127
        quantized = isinstance(self.type, UniformType | UniformPerAxisType)
        return {
            "bit_width": width,
            "policy": {
                "PER_TENSOR": quantized and not per_channel,
                "PER_CHANNEL": per_channel,
                "LINEAR": quantized,
                "EXPONENTIAL": False,
                "SYMMETRICAL": symmetric,
                "ASYMMETRICAL": quantized and not symmetric,
                "POWER_OF_2": False,
            },
            "state": self.state,
            "quant_min": low,
            "quant_max": high,
            "hash": self.hash,
            "dominator": self.dominator,
        }


def _is_symmetric(type_: UniformType | UniformPerAxisType) -> bool:
    if storage_range(type_.storage)[0] == 0:
        return False
    if isinstance(type_, UniformPerAxisType):
        return not type_.has_zero_points
    return type_.zero_point == 0


def quant_configs(module: ModuleOp) -> list[TensorConfig]:
    """The configurations of all tensors of `@main`, by operator in program order."""
    configs: list[TensorConfig] = []
    made: dict[SSAValue, TensorConfig] = {}
    for op in main_function(module).body.block.ops:
        if is_constant_like(op) or isinstance(op, ReturnOp):
            continue
        node = node_name(op)
        for index, value in enumerate(op.operands):
            if element_of(value.type) is None:
                continue
            configs.append(_operand_config(op, index, value, node, made))
        for value in op.results:
            if element_of(value.type) is None:
                continue
            key = _hash(node, tensor_name(value), "output")
            dominator = key
            state = "ACTIVATED"
            if isinstance(element_of(value.type), Float32Type):
                state = "FP32"
            elif not isinstance(element_of(value.type), UniformType | UniformPerAxisType):
                state = "SOI"
            elif _moves(op) and op.operands[0] in made:
                state, dominator = "OVERLAPPED", made[op.operands[0]].dominator
            config = TensorConfig(
                node, tensor_name(value), element_of(value.type), state, key, dominator
            )
            made[value] = config
            configs.append(config)
    return configs


def _moves(op: Operation) -> bool:
    exact = isinstance(op, ReduceOp) and op.kind in (ReduceKind.MAX, ReduceKind.MIN)
    return exact or isinstance(op, _MOVING)


def _operand_config(
    op: Operation, index: int, value: SSAValue, node: str, made: dict[SSAValue, TensorConfig]
) -> TensorConfig:
    type_ = element_of(value.type)
    name = tensor_name(value)
    key = _hash(node, name, f"input {index}")
    dominator, state = key, "ACTIVATED"
    if isinstance(type_, Float32Type):
        state = "FP32"
    elif not isinstance(type_, UniformType | UniformPerAxisType):
        state = "SOI"
    elif isinstance(value.owner, ConstantOp):
        is_bias = index == 2 and isinstance(op, ConvOp | ConvTransposeOp | MatMulOp)
        state = "PASSIVE_BAKED" if is_bias else "BAKED"
    elif value in made:
        state, dominator = "OVERLAPPED", made[value].dominator
    return TensorConfig(node, name, type_, state, key, dominator)


def _hash(node: str, tensor: str, role: str) -> int:
    return zlib.crc32(f"{node}\0{tensor}\0{role}".encode())


def write_configs(module: ModuleOp, path: str | os.PathLike[str]) -> None:
    """Writes `quant_axmodel.json`: configurations by operator and tensor name."""
    entries: dict[str, dict[str, Any]] = {}
    for config in quant_configs(module):
        entries.setdefault(config.node, {})[config.tensor] = config.as_json()
    write_text(path, json.dumps(entries, indent=2) + "\n")
