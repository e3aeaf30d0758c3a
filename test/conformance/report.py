"""Prints what becomes of ONNX's node cases, per operator."""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict

from onnx_cases import Outcome, Result, node_cases, optimize, run_case


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--failures", action="store_true", help="list what did not pass, and why")
    parser.add_argument("--operator", default="", help="only the cases of this operator")
    parser.add_argument("--optimize", action="store_true", help="run the optimize pipeline too")
    arguments = parser.parse_args()
    passes = optimize if arguments.optimize else None
    results: list[Result] = []
    for case in node_cases():
        result = run_case(case, passes)
        if arguments.operator in ("", result.operator):
            results.append(result)
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
