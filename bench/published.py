"""Latency estimates against the published figures that the targets' assumptions are fitted to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import onnx

from pulsar2.diagnostics import UserError, first_line

from .networks import NETWORKS, squeezenet1_1, vgg16, vit_tiny, yolov8n
from .report import Section
from .schedule_only import Scheduled, quantize_by_shape, schedule


@dataclass(frozen=True)
class Point:
    """A published latency of one inference at batch 1, in milliseconds.

    `aside` points have no part in the fit: they check it.
    """

    target: str
    npu_mode: str
    network: str
    milliseconds: float
    source: str
    aside: bool = False


_BOARD, _CARD = "AX650 board", "AX8850, images/s"
_VENDOR = "AX630C at 3.2 TOPS, the vendor's ax-samples, compiler 2.5"
POINTS = (
    Point("AX650", "NPU1", "mobilenet_v2", 0.7225, f"{_BOARD}, quick start of the toolchain"),
    Point("AX650", "NPU1", "detector", 7.66, f"{_BOARD}, YOLOv5s at 640"),
    Point("AX650", "NPU3", "mobilenet_v2", 1e3 / 1366, _CARD),
    Point("AX650", "NPU3", "resnet50", 1e3 / 576, _CARD),
    Point("AX650", "NPU3", "squeezenet1_1", 1e3 / 1560, _CARD),
    Point("AX650", "NPU3", "detector", 1e3 / 326, f"{_CARD}, YOLOv5s at 640"),
    Point("AX650", "NPU3", "mobilenet_v1", 1e3 / 1508, _CARD, aside=True),
    Point("AX650", "NPU3", "yolov8s", 1e3 / 248, f"{_CARD}, at 640", aside=True),
    Point("AX650", "NPU1", "swin_tiny", 7.266, f"{_BOARD}, optimization level 1", aside=True),
    Point("AX650", "NPU3", "swin_tiny", 1e3 / 342, _CARD, aside=True),
    Point("AX650", "NPU3", "resnet18", 1e3 / 1066, _CARD, aside=True),
    Point("AX650", "NPU3", "vit_base", 1e3 / 162, _CARD, aside=True),
    Point("AX620E", "NPU2", "mobilenet_v2", 0.923, _VENDOR),
    Point("AX620E", "NPU2", "squeezenet1_1 at 227", 0.824, _VENDOR),
    Point("AX620E", "NPU2", "resnet18", 2.540, _VENDOR),
    Point("AX620E", "NPU2", "vgg16", 32.404, _VENDOR),
    Point("AX620E", "NPU2", "detector", 12.707, f"{_VENDOR}, YOLOv5s at 640"),
    Point("AX620E", "NPU2", "yolov8s", 16.912, f"{_VENDOR}, at 640"),
    Point("AX620E", "NPU2", "vit_tiny", 3.350, f"{_VENDOR}, DeiT-tiny"),
    Point("AX620E", "NPU2", "swin_tiny", 14.459, _VENDOR),
    Point("AX620E", "NPU2", "mobilenet_v1", 0.901, _VENDOR, aside=True),
    Point("AX620E", "NPU2", "resnet50", 5.616, _VENDOR),
    Point("AX620E", "NPU2", "vit_base", 26.711, _VENDOR, aside=True),
)

_NETWORKS: dict[str, Callable[[], onnx.ModelProto]] = {
    **NETWORKS,
    "squeezenet1_1 at 227": lambda: squeezenet1_1(227),
    "vgg16": vgg16,
    "vit_base": lambda: vit_tiny(width=768, heads=12),
    "yolov8s": lambda: yolov8n(width=32),
}


def schedule_points(
    folder: Path, points: Sequence[Point] = POINTS
) -> tuple[list[tuple[Point, Scheduled]], list[str]]:
    """The schedules of all points with default options, and why there is none of the others."""
    scheduled: list[tuple[Point, Scheduled]] = []
    reasons: list[str] = []
    for network in dict.fromkeys(point.network for point in points):
        model = _NETWORKS[network]()
        model.graph.name = network
        try:
            module, context = quantize_by_shape(model, folder)
        except UserError as error:
            reasons.append(f"{network} is not built. {first_line(error)}")
            continue
        for point in points:
            if point.network == network:
                options = f"target={point.target} npu-mode={point.npu_mode}"
                scheduled.append((point, schedule(module, context, options)))
    return scheduled, reasons


def published_section(
    folder: Path, points: Sequence[Point] = POINTS
) -> tuple[Section, list[float]]:
    """The section, and the relative error of each point that could be estimated."""
    section = Section(
        "Latency estimates against published figures, ms at batch 1",
        ("target", "mode", "network", "estimate", "published", "error", "in the fit", "source"),
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
        section.add(point.target, point.npu_mode, point.network, *cells, part, point.source)
    if errors:
        sizes = [abs(error) for error in errors]
        section.notes.append(f"error: {median(sizes):.1%} in the median, {max(sizes):.1%} at worst")
    section.notes += reasons
    return section, errors
