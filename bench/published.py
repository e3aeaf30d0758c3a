"""Latency estimates against the published figures that the target's assumptions are fitted to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pulsar2.axmodel import read_axmodel

from .builds import Build
from .report import Section


@dataclass(frozen=True)
class Point:
    """A published latency of one inference at batch 1, in milliseconds."""

    network: str
    npu_mode: str
    milliseconds: float
    source: str


POINTS = (
    Point("mobilenet_v2", "NPU1", 0.7225, "AX650 board, quick start of the toolchain"),
    Point("mobilenet_v1", "NPU3", 1e3 / 1508, "AX8850, 1508 images/s"),
    Point("mobilenet_v2", "NPU3", 1e3 / 1366, "AX8850, 1366 images/s"),
    Point("resnet50", "NPU3", 1e3 / 576, "AX8850, 576 images/s"),
    Point("squeezenet1_1", "NPU3", 1e3 / 1560, "AX8850, 1560 images/s"),
    Point("detector", "NPU1", 7.66, "AX650 board, YOLOv5s at 640"),
)


def published_section(builds: Sequence[tuple[str, Build]]) -> Section:
    """``builds`` are the finished builds with their npu_mode."""
    section = Section(
        "Latency estimates against published figures, ms at batch 1",
        ("network", "mode", "estimate", "published", "ratio", "source"),
        notes=["AX8850 is of the AX650's family, and sold with a third more int8 throughput."],
    )
    for point in POINTS:
        for npu_mode, build in builds:
            if (build.name, npu_mode) == (point.network, point.npu_mode):
                estimate = read_axmodel(build.compiled).figures["latency_us"] / 1e3
                ratio = estimate / point.milliseconds
                cells = (estimate, point.milliseconds, ratio, point.source)
                section.add(build.name, npu_mode, *cells)
    return section
