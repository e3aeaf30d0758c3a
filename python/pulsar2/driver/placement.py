"""What a user is told of the nodes that run on the CPU: a warning, a table, and a file."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from loguru import logger
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp

from pulsar2.console.tables import print_table
from pulsar2.context import AxContext
from pulsar2.diagnostics import Diagnostics
from pulsar2.dialects.onnx import OnnxOp
from pulsar2.dialects.onnx.custom import Custom
from pulsar2.dialects.onnx.evaluate import runtime_refusal
from pulsar2.dialects.onnx.types import form_of
from pulsar2.files import make_folder, write_text
from pulsar2.locations import node_name, tensor_name
from pulsar2.lowering.quant.constants import is_constant_like
from pulsar2.lowering.quant.partition import CPU, device_of
from pulsar2.lowering.quant.placement import CpuNode, cpu_nodes, is_on_cpu
from pulsar2.lowering.quant.support import limits_passed
from pulsar2.onnx_export import main_function
from pulsar2.targets import load_target

_SHOWN = 10
"""Rows of the table on the console; the log has all of them."""


def tell_placement(module: ModuleOp, target: str) -> None:
    """Says which nodes of `@main` run on the CPU, and why: all of them, at once."""
    nodes = list(cpu_nodes(module))
    if not nodes:
        return
    counts = Counter(n.operator for n in nodes)
    kinds = ", ".join(f"{op} ({n})" if n > 1 else op for op, n in sorted(counts.items()))
    logger.warning("{} node(s) run on the CPU, not on the NPU of {}: {}", len(nodes), target, kinds)
    for node in nodes:
        logger.debug("on the CPU: node '{}' ({}): {}", node.node, node.operator, node.why.message)
    rows = [(n.node, n.operator, n.why.message) for n in nodes[:_SHOWN]]
    if len(nodes) > _SHOWN:
        rows.append((f"and {len(nodes) - _SHOWN} more", "", "see build.log"))
    print_table("Nodes on the CPU", ("Node", "Operator", "Why"), rows)
    if not _runs_on_npu(module):
        logger.warning("no node runs on the NPU of {}: the CPU runs the whole model", target)


def tell_limits(module: ModuleOp, ctx: AxContext, target: str) -> None:
    """Says which nodes run on the NPU beyond the limits of the chip's support list."""
    chip = load_target(target)
    words = [
        f"node '{node_name(op)}' ({op.op_type}): {passed}"
        for op in main_function(module).body.walk()
        if isinstance(op, OnnxOp) and op.op_type and not is_on_cpu(op)
        for passed in limits_passed(op, chip, ctx.weights)
    ]
    if words:
        more = f"; and {len(words) - _SHOWN} more, see build.log" if len(words) > _SHOWN else ""
        logger.info(
            "beyond the support list of {}, and on its NPU all the same: {}{}",
            target,
            "; ".join(words[:_SHOWN]),
            more,
        )
    for each in words[_SHOWN:]:
        logger.debug("beyond the support list of {}: {}", target, each)


def check_runtime(module: ModuleOp, ctx: AxContext) -> None:
    """Raises `UserError` with every node that neither the NPU nor ONNX Runtime runs.

    So it does for inputs and outputs that are not made of tensors, which a compiled model cannot
    describe.
    """
    problems = Diagnostics()
    _check_interface(module, problems)
    known: dict[tuple[object, ...], str] = {}
    for op in main_function(module).body.walk():
        if not isinstance(op, OnnxOp) or not is_on_cpu(op) or op.own or op.regions:
            continue
        kind = (op.domain, op.function) if isinstance(op, Custom) else (op.op_type,)
        key = (*kind, op.operand_types, op.result_types, *sorted(map(str, op.attributes.items())))
        if key not in known:
            known[key] = runtime_refusal(op, ctx.weights)
        if known[key]:
            problems.error(
                f"neither the NPU nor ONNX Runtime runs it: {known[key]}",
                f"node '{node_name(op)}' ({kind[-1]})",
            )
    problems.raise_if_any()


def _check_interface(module: ModuleOp, problems: Diagnostics) -> None:
    block = main_function(module).body.block
    returned = [] if block.last_op is None else list(block.last_op.operands)
    for kind, values in (("input", list(block.args)), ("output", returned)):
        for value in values:
            if form_of(value.type) is None:
                problems.error(
                    "it is a map, a sequence of sequences, or of a type that is not known",
                    f"{kind} '{tensor_name(value)}'",
                    "a tensor, a sequence of tensors, or one of them as an optional value",
                )


def _runs_on_npu(module: ModuleOp) -> bool:
    ops = main_function(module).body.block.ops
    return any(
        not is_on_cpu(op) and not is_constant_like(op) and op.name.startswith(("onnx.", "quant."))
        for op in ops
    )


def write_placement(module: ModuleOp, path: Path) -> None:
    """Writes the nodes of each CPU subgraph of a partitioned module, and why they are there.

    Without any, there is no such file.
    """
    subgraphs = {
        op.sym_name.data: [_entry(n) for n in _nodes_of(op)]
        for op in module.ops
        if isinstance(op, FuncOp) and device_of(op) == CPU
    }
    if not subgraphs:
        path.unlink(missing_ok=True)
        return
    make_folder(path.parent)
    write_text(path, json.dumps(subgraphs, indent=1) + "\n")


def _nodes_of(function: FuncOp) -> list[CpuNode]:
    return list(cpu_nodes(ModuleOp([function.clone()])))


def _entry(node: CpuNode) -> dict[str, Any]:
    why = {k: v for k, v in asdict(node.why).items() if v}
    return {"node": node.node, "operator": node.operator, **why}
