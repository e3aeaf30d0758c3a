"""The trained example network on its labelled photographs, float against emulated."""

from __future__ import annotations

import sys

from .builds import EXAMPLE, Build
from .report import Section

if str(EXAMPLE) not in sys.path:
    sys.path.insert(0, str(EXAMPLE))

from evaluate import Summary, compare, summarize
from photographs import read_evaluation_photographs
from prepare import prepare

__all__ = ["measure_accuracy", "prepare"]


def measure_accuracy(build: Build) -> tuple[Section, Summary]:
    data = prepare()
    photographs = read_evaluation_photographs(data.photographs)
    summary = summarize(compare(photographs, data.model, build.compiled))
    section = Section(
        "Accuracy of the trained network on labelled photographs",
        ("photographs", "top-1 float", "top-1 emulated", "same class", "mean cosine"),
    )
    section.add(
        summary.photographs,
        summary.float_right,
        summary.emulated_right,
        summary.agreeing,
        f"{summary.cosine:.4f}",
    )
    return section, summary
