"""Latency estimates against the published figures that the target's assumptions are fitted to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import onnx

from pulsar2.diagnostics import UserError

from .networks import NETWORKS, yolov8n
from .report import Section
from .schedule_only import Scheduled, quantize_by_shape, schedule


@dataclass(frozen=True)
class Point:
    """A published latency of one inference at batch 1, in milliseconds.

    `aside` points have no part in the fit: they check it.
    """

    network: str
    npu_mode: str
    milliseconds: float
    source: str
    aside: bool = False


_BOARD, _CARD = "AX650 board", "AX8850, images/s"
POINTS = (
    Point("mobilenet_v2", "NPU1", 0.7225, f"{_BOARD}, quick start of the toolchain"),
    Point("detector", "NPU1", 7.66, f"{_BOARD}, YOLOv5s at 640"),
    Point("mobilenet_v2", "NPU3", 1e3 / 1366, _CARD),
    Point("resnet50", "NPU3", 1e3 / 576, _CARD),
    Point("squeezenet1_1", "NPU3", 1e3 / 1560, _CARD),
    Point("detector", "NPU3", 1e3 / 326, f"{_CARD}, YOLOv5s at 640"),
    Point("mobilenet_v1", "NPU3", 1e3 / 1508, _CARD, aside=True),
    Point("yolov8s", "NPU3", 1e3 / 248, f"{_CARD}, at 640", aside=True),
    Point("swin_tiny", "NPU1", 7.266, f"{_BOARD}, optimization level 1", aside=True),
    Point("swin_tiny", "NPU3", 1e3 / 342, _CARD, aside=True),
)

_NETWORKS: dict[str, Callable[[], onnx.ModelProto]] = {
    **NETWORKS,
    "yolov8s": lambda: yolov8n(width=32),
}


def schedule_points(
    folder: Path, points: Sequence[Point] = POINTS
) -> tuple[list[tuple[Point, Scheduled]], list[str]]:
    """The schedules of all points for the AX650, and why there is none of the others."""
    scheduled: list[tuple[Point, Scheduled]] = []
    reasons: list[str] = []
    for network in dict.fromkeys(point.network for point in points):
        model = _NETWORKS[network]()
        model.graph.name = network
        try:
            module, context = quantize_by_shape(model, folder)
        except UserError as error:
            reason = str(error).partition("\n")[0]
            reasons.append(f"{network} is not built. {reason}")
            continue
        for point in points:
            if point.network == network:
                options = f"target=AX650 npu-mode={point.npu_mode}"
                scheduled.append((point, schedule(module, context, options)))
    return scheduled, reasons


def published_section(
    folder: Path, points: Sequence[Point] = POINTS
) -> tuple[Section, list[float]]:
    """The section, and the relative error of each point that could be estimated."""
    section = Section(
        "Latency estimates against published figures, AX650, ms at batch 1",
        ("network", "mode", "estimate", "published", "error", "in the fit", "source"),
        notes=["AX8850 is of the AX650's family, and sold with a third more int8 throughput."],
    )
    scheduled, reasons = schedule_points(folder, points)
    errors: list[float] = []
    for point, each in scheduled:
        estimate = each.compiled.estimate.latency_us / 1e3
        error = estimate / point.milliseconds - 1
        errors.append(error)
        cells = (estimate, point.milliseconds, f"{error:+.1%}")
        part = "kept aside" if point.aside else "yes"
        section.add(point.network, point.npu_mode, *cells, part, point.source)
    if errors:
        sizes = [abs(error) for error in errors]
        section.notes.append(f"error: {median(sizes):.1%} in the median, {max(sizes):.1%} at worst")
    section.notes += reasons
    return section, errors
