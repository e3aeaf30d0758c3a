"""`targets.md`: the facts and assumptions of every target file; `operators.md`: what each runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pulsar2.lowering.quant.rules import RULES
from pulsar2.targets import Target, load_target, target_names
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
    """Every ONNX operator that a chip or the quantizer knows."""
    targets = [load_target(name) for name in target_names()]
    known = sorted({*RULES, *(op for t in targets for op in t.operators)})
    rows = [
        (
            op,
            _rule(op),
            *("yes" if op in target.operators else "" for target in targets),
        )
        for op in known
    ]
    parts = [
        "*Quantized* says how the quantizer converts the operator; an operator without a rule is "
        "refused, with the names of its nodes. The other columns are the operator lists of the "
        "target files.",
        table(("operator", "quantized", *(t.name for t in targets)), rows),
    ]
    return page("Operators", parts)


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
        rows += [_row(f"{name}: {kind} units", entry) for kind, entry in mode["units"].items()]
    rows += [_row(key, entry) for key, entry in target.raw["timing"].items()]
    yield table(("number", "value", "basis", "source or reason"), rows)
    yield f"Element types of operands: {', '.join(target.raw['types']['names'])}."


def _row(name: str, entry: dict[str, Any]) -> tuple[str, str, str, str]:
    return name, f"{entry['value']:,}", _BASES[entry["basis"]], str(entry["source"])


def _rule(op: str) -> str:
    if op not in RULES:
        return ""
    text = first_paragraph(type(RULES[op]))
    return text if type(RULES[op]).__doc__ else "yes"
