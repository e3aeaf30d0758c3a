"""The benchmark's networks are the real architectures, and its roofline counts them right."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from pathlib import Path

import onnx
import pytest

from bench.networks import (
    detector,
    efficientnet_lite0,
    mobilenet_v1,
    mobilenet_v2,
    pp_ocr_det,
    resnet18,
    resnet50,
    swin_tiny,
    vit_tiny,
    yolov8n,
)
from bench.roofline import bound, count_work
from bench.schedules import FUSED, FUSED_NPU3, Case, schedule_section
from bench.targets import schedule_targets


def test_published_macs() -> None:
    assert count_work(mobilenet_v1()).macs == 568_740_352


@pytest.mark.parametrize(
    ("network", "macs", "parameters"),
    [
        (efficientnet_lite0, 385_187_552, 4_652_008),
        (mobilenet_v2, 300_774_272, 3_504_872),
        (resnet18, 1_814_073_344, 11_689_512),
        (resnet50, 4_089_184_256, 25_557_032),
    ],
)
def test_published_macs_and_parameters(
    network: Callable[..., onnx.ModelProto], macs: int, parameters: int
) -> None:
    model = network(batch_norm=True)
    learned = (".weight", ".bias", ".scale")
    counts = [prod(t.dims) for t in model.graph.initializer if t.name.endswith(learned)]
    assert count_work(model).macs == macs
    assert sum(counts) == parameters


@pytest.mark.parametrize(
    ("network", "giga_macs"), [(swin_tiny, 4.5), (yolov8n, 4.37), (detector, 8.1)]
)
def test_published_giga_macs(network: Callable[..., onnx.ModelProto], giga_macs: float) -> None:
    assert count_work(network()).macs == pytest.approx(giga_macs * 1e9, rel=0.01)


def test_schedules_tell_what_is_not_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = {
        "mobilenet_v2": lambda: mobilenet_v2(size=32, width=0.25),
        "broken": lambda: _unsupported(pp_ocr_det(size=64, width=16)),
    }
    monkeypatch.setattr("bench.schedules.NETWORKS", small)
    case = Case("AX650", "NPU1")
    section, found = schedule_section(list(small), tmp_path, [case])
    figures = found["mobilenet_v2", str(case)]
    assert [row[0] for row in section.rows] == ["mobilenet_v2"]
    assert figures.over_bound >= 1
    assert figures.over_compulsory >= 1
    assert 0 < figures.ocm_share <= 1
    assert 0 < figures.busiest[1] <= 1
    assert any(note.startswith("broken is not built.") for note in section.notes)


def test_aims_of_schedules_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"mobilenet_v2": lambda: mobilenet_v2(size=32, width=0.25)}
    monkeypatch.setattr("bench.schedules.NETWORKS", small)
    _, found = schedule_section(list(small), tmp_path, [FUSED, FUSED_NPU3])
    ratio = found["mobilenet_v2", str(FUSED)].over_bound
    aims = {aim.name: aim for aim in schedule_targets(found)}
    mean = aims["cycles / bound, mean, AX650 NPU1, fused"]
    assert mean.measured == pytest.approx(ratio)
    assert mean.reached == (ratio <= 1.3)
    assert aims["DDR / compulsory, mobilenet_v2, AX650 NPU1, fused"].reached
    assert not any("AX620E" in name for name in aims)


def _unsupported(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with an operator that no chip has."""
    for node in model.graph.node:
        if node.op_type == "Sigmoid":
            node.op_type = "Sinh"
    return model


def test_counts_of_attention() -> None:
    work = count_work(vit_tiny(size=32, width=32, depth=1, heads=2, patch=8, classes=10))
    tokens, width = 17, 32
    projections = 4 * tokens * width * width + 2 * tokens * width * 4 * width
    scores = 2 * tokens * tokens * width
    assert work.macs == 16 * 3 * 64 * width + projections + scores + width * 10


def test_bound_is_the_slowest_resource() -> None:
    work = count_work(detector(size=64, width=8))
    assert bound(work, 1.0, 1e9, 1e9).cycles == work.macs
    assert bound(work, 1e12, 1e9, 0.5).cycles == 2 * work.compulsory_bytes
    assert bound(work, 1e12, 1.0, 1e9).resource == "vector"
