"""What becomes of ONNX's node cases, per operator: printed, or written as docs/conformance.md.

`--docs FILE` runs every case through import, optimization and a build for one chip, and writes the
page.
"""

from __future__ import annotations

import argparse
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cpu_subgraph_cases import COARSE, run_case_compiled
from onnx_cases import Outcome, Result, node_cases, operator_of, optimize, run_case, run_variants

PAGE = Path(__file__).resolve().parents[2] / "docs" / "conformance.md"

REASONS = {
    "compiled for fixed shapes": "an input without a fixed shape",
    "or of a type that is not known": "an input or output that is a map or of unknown type",
    "neither the NPU nor ONNX Runtime runs it": "nothing runs the operator, or not on these types",
    "subgraph_cpu_0: ONNX Runtime": "ONNX Runtime has a kernel, which refuses these numbers",
    "ONNX Runtime cannot": "ONNX Runtime does not run the model, so it cannot be calibrated",
}
"""What a refusal says, and how the page puts it."""


@dataclass(frozen=True)
class Row:
    """A case after import and export, after optimization, and built."""

    exported: Result
    optimized: Result
    built: Result


def run_all(cases: Iterable[Any]) -> list[Row]:
    """Every case on all three ways."""
    rows: list[Row] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for case in cases:
            exported, optimized = run_variants(case, [None, optimize])
            rows.append(Row(exported, optimized, run_case_compiled(case)))
    return rows


def reason_of(result: Result) -> str:
    """Why a case is refused, in the page's words."""
    return next((text for key, text in REASONS.items() if key in result.reason), result.reason)


HEADS = ("operator", "cases", "same export", "same optimized", "built", "on the NPU", "refused")


def page(rows: Sequence[Row]) -> str:
    """The page: one line for each operator, and why cases are refused."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.exported.operator].append(row)
    lines = [
        "# Conformance",
        "",
        "<!-- Written by test/conformance/report.py; a change here is lost. -->",
        "",
        f"ONNX's own {len(rows):,} node cases, by the operator that each is about:",
        "",
        "- *same export*: imported, written as text, parsed, and exported, the model computes what",
        "  the original does, on the same engine and within the case's own tolerance;",
        "- *same optimized*: so it does after the pipeline `optimize`;",
        "- *built*: built for AX650 with its own inputs as calibration data, and run on the",
        "  emulator and ONNX Runtime, it computes what ONNX Runtime does: within the case's",
        "  tolerance where the CPU runs all of it, within a tenth of the greatest number where the",
        "  NPU runs a part;",
        "- *on the NPU*: how many of those have an NPU subgraph (the others run on the CPU);",
        "- *refused*: how many a build refuses, with an error that says why.",
        "",
        "`python test/conformance/report.py --docs docs/conformance.md` writes this page anew. The",
        "tests run all exports, and an eighth of the builds, always the same ones.",
        "",
        f"| {' | '.join(HEADS)} |",
        "| --- " * len(HEADS) + "|",
        _line("**all**", rows),
    ]
    lines += [_line(operator, groups[operator]) for operator in sorted(groups)]
    lines += ["", "## Refused", "", "| cases | why |", "| --- | --- |"]
    refused = Counter(reason_of(r.built) for r in rows if r.built.outcome is Outcome.REFUSED)
    lines += [f"| {count} | {reason} |" for reason, count in refused.most_common()]
    lines += _others(
        "Not within a tenth, and right in 8 bits",
        "These compute what their quantized form (QuantizeLinear and DequantizeLinear around each "
        "operator)\ndoes in ONNX Runtime, to a step of the result; the float form hangs on less.",
        [r.built for r in rows if r.built.outcome is Outcome.COARSE],
    )
    lines += _others(
        "Neither built with that result nor refused",
        "",
        [r.built for r in rows if r.built.outcome is Outcome.FAILED],
    )
    return "\n".join(lines) + "\n"


def _others(title: str, words: str, results: Sequence[Result]) -> list[str]:
    """A section on built cases that did not pass; without any it says so."""
    lines = ["", f"## {title}", ""]
    if not results:
        return [*lines, "None."]
    if words:
        lines += [words, ""]
    lines += ["| case | what | why |", "| --- | --- | --- |"]
    for each in results:
        what = each.reason.splitlines()[0]
        lines.append(f"| {each.case} | {what} | {COARSE.get(each.case, 'not known')} |")
    return lines


def _line(operator: str, rows: Sequence[Row]) -> str:
    passed = [r.built for r in rows if r.built.outcome is Outcome.PASSED]
    cells = (
        len(rows),
        sum(r.exported.outcome is Outcome.PASSED for r in rows),
        sum(r.optimized.outcome is Outcome.PASSED for r in rows),
        len(passed),
        sum("NPU" in r.placement for r in passed),
        sum(r.built.outcome is Outcome.REFUSED for r in rows),
    )
    return f"| {operator} | {' | '.join(str(c) if c else '' for c in cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--failures", action="store_true", help="list what did not pass, and why")
    parser.add_argument("--operator", default="", help="only the cases of this operator")
    parser.add_argument("--optimize", action="store_true", help="run the optimize pipeline too")
    parser.add_argument("--docs", type=Path, metavar="FILE", help="run everything, write the page")
    arguments = parser.parse_args()
    cases = [c for c in node_cases() if arguments.operator in ("", operator_of(c.model))]
    if arguments.docs:
        rows = run_all(cases)
        arguments.docs.write_text(page(rows))
        results = [r for row in rows for r in (row.exported, row.optimized, row.built)]
    else:
        results = [run_case(c, optimize if arguments.optimize else None) for c in cases]
        print(table(results))
    if arguments.failures:
        for result in results:
            if result.outcome is not Outcome.PASSED:
                print(f"{result.outcome.value}: {result.case}: {result.reason}")


def table(results: list[Result]) -> str:
    """Counts of outcomes per operator, as a Markdown table with a total."""
    counts: dict[str, Counter[Outcome]] = defaultdict(Counter)
    for result in results:
        counts[result.operator][result.outcome] += 1
        counts["**all**"][result.outcome] += 1
    heads = ["operator", *(o.value for o in Outcome)]
    lines = [f"| {' | '.join(heads)} |", "|" + " --- |" * len(heads)]
    for operator in sorted(counts):
        cells = [str(counts[operator][o]) for o in Outcome]
        lines.append(f"| {operator} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
