"""The network and quantization snapshots of the build log."""

from __future__ import annotations

from collections import Counter

from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import ReturnOp
from xdsl.ir import SSAValue

from pulsar2.dialects.onnx.types import element_of
from pulsar2.dialects.quant.types import UniformPerAxisType, UniformType
from pulsar2.lowering.quant.constants import is_constant_like
from pulsar2.onnx_export import main_function
from pulsar2.quant_axmodel.configs import STATES, quant_configs


def snapshot_text(module: ModuleOp) -> str:
    """Counts of operators, tensors and configurations of `@main`, as lines of the log."""
    operators, quantized_operators = 0, 0
    tensors: set[SSAValue] = set()
    for op in main_function(module).body.block.ops:
        if is_constant_like(op) or isinstance(op, ReturnOp):
            continue
        operators += 1
        values = (*op.operands, *op.results)
        tensors.update(values)
        quantized_operators += any(_is_quantized(v) for v in values)
    states = Counter(c.state for c in quant_configs(module))
    lines = [
        "--------- Network Snapshot ---------",
        _line("Num of Op", operators),
        _line("Num of Quantized Op", quantized_operators),
        _line("Num of Variable", len(tensors)),
        _line("Num of Quantized Var", sum(_is_quantized(v) for v in tensors)),
        "------- Quantization Snapshot ------",
        _line("Num of Quant Config", sum(states.values())),
        *(_line(state, states[state]) for state in STATES if states[state]),
    ]
    return "\n".join(lines)


def _is_quantized(value: SSAValue) -> bool:
    return isinstance(element_of(value.type), UniformType | UniformPerAxisType)


def _line(what: str, count: int) -> str:
    return f"{what + ':':<30}[{count}]"
