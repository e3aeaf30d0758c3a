"""`targets.md`: the facts and assumptions of every target file; `operators.md`: what each runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from pulsar2.lowering.base import AxPass
from pulsar2.lowering.pipelines import PASSES, load_pass
from pulsar2.lowering.quant.rules import RULES
from pulsar2.targets import Target, listed_operators, load_target, target_names
from pulsar2.targets.operators import Limit, common_facts, operator_aliases
from pulsar2.tools.docs.markdown import first_paragraph, page, table

_MIB = 1 << 20
_BASES = {"F": "fact", "A": "assumption"}


def targets_page() -> str:
    """Every chip: what its modes give, and each number with what it rests on."""
    targets = [load_target(name) for name in target_names()]
    parts = [
        "The numbers of the target files in `python/pulsar2/targets/`. Each is a public fact, with "
        "its source, or an assumption of ours, with its reason; [npu.md](npu.md) describes the "
        "machine that they belong to.",
        table(
            ("chip", "generation", "npu_mode", "units", "OCM (MiB)", "int8 TOPS"),
            [row for target in targets for row in _mode_rows(target)],
        ),
        "TOPS are two operations per multiply-accumulate of all conv units at full use.",
    ]
    for target in targets:
        parts += _target(target)
    return page("Targets", parts)


def operators_page() -> str:
    """Every ONNX operator that a chip or the quantizer knows: who runs it, within which limits."""
    targets = [load_target(name) for name in target_names()]
    aliases = operator_aliases()
    known = sorted({*RULES, *(aliases.get(op, op) for t in targets for op in t.operators)})
    limits = [limit for target in targets for limit in target.limits]
    parts = [
        "What the NPU of each chip runs. Any other operator of ONNX, and one beyond a limit or on "
        "tensors of other types, runs on the CPU, where ONNX Runtime has it; the build says which, "
        "and why.",
        "*yes*: the chip's list has it, and the quantizer a rule for it. *beyond*: the rule is "
        "enough, though the list has not this operator. *by others*: a pass before the quantizer "
        "writes it by other operators. *CPU*: the list has it, and the quantizer has no rule yet. "
        "Empty: the chip has it not.",
        table(
            ("operator", *(t.name for t in targets), "how"),
            [(op, *(_support(op, t) for t in targets), _rule(op)) for op in known],
        ),
        "## Limits",
        "What the lists say of attributes. A limit that stands without what we do beyond it sends "
        "the node to the CPU; the quantizer's rules may refuse more, and say what.",
        table(
            ("operator", "chips", "limit", "ours"),
            [_limit_row(limit, targets) for limit in dict.fromkeys(limits)],
        ),
        "## Types",
        "Tensors of f32 are quantized to the data types of the configuration (U8, S8, U16, S16) or "
        "stay FP32; those of other types (integers, booleans, f64, ..) run where the rule of the "
        "operator takes them, else on the CPU. A tensor whose shape is not fixed is the CPU's.",
        "## Other names",
        table(
            ("name in the lists", "operator", "what it is"),
            [(n, e["operator"], e["text"]) for n, e in common_facts()["aliases"].items()],
        ),
        "## Beyond the lists",
        table(
            ("chip", "operator", "why"),
            [(t.name, op, why) for t in targets for op, why in sorted(t.beyond.items())],
        ),
    ]
    return page("Operators", parts)


@cache
def _replaced() -> dict[str, str]:
    """The pass that writes an operator by others."""
    passes = ((name, load_pass(name)) for name in PASSES)
    return {op: n for n, p in passes if issubclass(p, AxPass) for op in p.replaces}


def _support(op: str, target: Target) -> str:
    if target.lacks(op):
        return ""
    if op not in RULES:
        return "by others" if op in _replaced() else "CPU"
    return "yes" if op in listed_operators() and op not in target.beyond else "beyond"


def _limit_row(limit: Limit, targets: Sequence[Target]) -> tuple[str, str, str, str]:
    chips = [t.name for t in targets if limit in t.limits]
    names = "all" if len(chips) == len(targets) else ", ".join(chips)
    return ", ".join(limit.operators), names, limit.text, limit.ours


def _mode_rows(target: Target) -> Iterator[tuple[str, ...]]:
    for mode in target.modes.values():
        units = ", ".join(f"{count} {kind}" for kind, count in mode.units.items())
        tops = 2e-12 * mode.units["conv"] * target.macs_per_cycle * target.clock_hz
        yield (
            target.name,
            target.generation,
            mode.name,
            units,
            f"{mode.ocm_bytes / _MIB:g}",
            f"{tops:.1f}",
        )


def _target(target: Target) -> Iterator[str]:
    yield f"## {target.name}"
    rows: list[tuple[str, str, str, str]] = []
    for name, mode in target.raw["modes"].items():
        rows.append(_row(f"{name}: OCM bytes", mode["ocm_bytes"]))
        rows.append(_row(f"{name}: invocation_us", mode["invocation_us"]))
        rows += [_row(f"{name}: {kind} units", entry) for kind, entry in mode["units"].items()]
    rows += [_row(key, entry) for key, entry in target.raw["timing"].items()]
    yield table(("number", "value", "basis", "source or reason"), rows)
    yield f"Element types of operands: {', '.join(target.raw['types']['names'])}."


def _row(name: str, entry: dict[str, Any]) -> tuple[str, str, str, str]:
    return name, f"{entry['value']:,}", _BASES[entry["basis"]], str(entry["source"])


def _rule(op: str) -> str:
    if op not in RULES:
        found = _replaced().get(op)
        return "" if found is None else f"See [{found}](passes.md#{found})."
    text = first_paragraph(type(RULES[op]))
    return text if type(RULES[op]).__doc__ else "yes"
