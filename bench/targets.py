"""The figures to reach, and what was measured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .accuracy import Summary
from .agreement import Agreement
from .builds import Build
from .report import Target
from .schedules import FUSED, FUSED_NPU3, FUSED_SINGLE, FUSED_SMALL, Case, Quality

_MIB = 1 << 20


@dataclass(frozen=True)
class Measured:
    """What the targets are about, of the trained network unless said otherwise."""

    build: Build
    accuracy: Summary
    emulation: dict[str, float]
    findings: int
    oracle: tuple[int, int]
    help_seconds: float
    same_bytes: bool
    same_stages: tuple[int, int]
    agreements: Mapping[str, Agreement]
    schedules: Mapping[tuple[str, str], Quality]
    latency_errors: Sequence[float]


_VELA_MB = {"mobilenet_v2": 10.9, "resnet18": 39.7, "resnet50": 110.0}
"""DDR traffic of Vela's schedules for an NPU with 384 KiB of OCM."""
_SECONDS = {"mobilenet_v2": 2.0, "resnet50": 5.0, "detector": 10.0}
"""What scheduling may take, on one core."""
_CLASSIFIERS = (
    "efficientnet_lite0", "mobilenet_v1", "mobilenet_v2", "resnet18", "resnet50", "squeezenet1_1",
    "swin_tiny", "vit_tiny",
)  # fmt: skip


def schedule_targets(found: Mapping[tuple[str, str], Quality]) -> list[Target]:
    """The aims of schedules, for what was measured: a pair of network and case names each."""
    aims: list[Target] = []
    for case in (FUSED, FUSED_SINGLE):
        ratios = {name: q.over_bound for name, q in _of(found, case).items()}
        if ratios:
            mean = math.exp(sum(map(math.log, ratios.values())) / len(ratios))
            aims.append(Target(f"cycles / bound, mean, {case}", "<= 1.3", mean, mean <= 1.3))
            worst = max(ratios, key=lambda name: ratios[name])
            label = f"cycles / bound, worst ({worst}), {case}"
            aims.append(Target(label, "<= 1.8", ratios[worst], ratios[worst] <= 1.8))
    many = _of(found, FUSED_NPU3)
    for name, one in _of(found, FUSED).items():
        if name in many and many[name].bound.resource != "ddr":
            gain = one.cycles / many[name].cycles
            aims.append(Target(f"NPU3 over NPU1, {name}, fused", ">= 2.3", gain, gain >= 2.3))
    for name, one in _of(found, FUSED).items():
        if name in _CLASSIFIERS:
            share = one.over_compulsory
            label = f"DDR / compulsory, {name}, {FUSED}"
            aims.append(Target(label, "<= 1.15", share, share <= 1.15))
        if name in _SECONDS:
            limit = _SECONDS[name]
            label = f"scheduling, s, {name}, {FUSED}"
            aims.append(Target(label, f"< {limit:g}", one.seconds, one.seconds < limit))
    for name, one in _of(found, FUSED_SMALL).items():
        if name in _VELA_MB:
            moved, limit = one.ddr_bytes / 1e6, _VELA_MB[name]
            label = f"DDR MB, {name}, {FUSED_SMALL}"
            aims.append(Target(label, f"< {limit:g}", moved, moved < limit))
    return aims


def _of(found: Mapping[tuple[str, str], Quality], case: Case) -> dict[str, Quality]:
    return {name: quality for (name, label), quality in found.items() if label == str(case)}


def _latency_targets(errors: Sequence[float]) -> list[Target]:
    sizes = sorted(map(abs, errors))
    median, worst = sizes[len(sizes) // 2], sizes[-1]
    return [
        Target(
            "latency estimates, error in the median", "<= 15 %", f"{median:.1%}", median <= 0.15
        ),
        Target("latency estimates, greatest error", "<= 40 %", f"{worst:.1%}", worst <= 0.4),
    ]


def targets(measured: Measured) -> list[Target]:
    accuracy, build = measured.accuracy, measured.build
    slower = measured.emulation["emulator"] / measured.emulation["u8s8"]
    passed, failed = measured.oracle
    equal, stages = measured.same_stages
    of = f"of {accuracy.photographs}"
    return [
        Target(
            "emulated top-1",
            f">= 17 {of}",
            f"{accuracy.emulated_right} {of}",
            accuracy.emulated_right >= 17,
        ),
        Target(
            "top-1 agreement with float",
            f">= 18 {of}",
            f"{accuracy.agreeing} {of}",
            accuracy.agreeing >= 18,
        ),
        Target(
            "mean cosine similarity to float",
            ">= 0.99",
            f"{accuracy.cosine:.4f}",
            accuracy.cosine >= 0.99,
        ),
        Target(
            "oracle tests without a mismatch",
            "all",
            f"{passed} of {passed + failed}",
            passed > 0 and failed == 0,
        ),
        Target(
            "emulation over ONNX Runtime int8 QDQ (u8s8), 1 thread", "<= 3", slower, slower <= 3
        ),
        Target(
            "build time outside of the stages, s",
            "<= 0.5",
            measured.build.driver,
            0 < measured.build.driver <= 0.5,
        ),
        Target("build with 32 images, s", "< 10", build.seconds, 0 < build.seconds < 10),
        Target("pulsar2 build -h, s", "< 0.5", measured.help_seconds, measured.help_seconds < 0.5),
        Target(
            "peak memory of the build, MiB",
            "< 1536",
            round(build.peak_bytes / _MIB),
            0 < build.peak_bytes < 1536 * _MIB,
        ),
        Target(
            "sanitizer findings and other outputs: all networks, targets and modes",
            "0",
            measured.findings,
            measured.findings == 0,
        ),
        Target(
            "Reference and NPUBackend: largest difference of a layer, steps",
            "<= 1",
            max(a.worst for a in measured.agreements.values()),
            all(a.worst <= 1 for a in measured.agreements.values()),
        ),
        Target(
            "Reference and NPUBackend: largest mean difference of a network, steps",
            "<= 0.001",
            max(abs(a.bias) for a in measured.agreements.values()),
            all(abs(a.bias) <= 0.001 for a in measured.agreements.values()),
        ),
        Target(
            "second build gives the same bytes",
            "yes",
            "yes" if measured.same_bytes else "no",
            measured.same_bytes,
        ),
        Target(
            "dumped stages that continue to the same bytes",
            "all",
            f"{equal} of {stages}",
            stages > 0 and equal == stages,
        ),
        *schedule_targets(measured.schedules),
        *_latency_targets(measured.latency_errors),
    ]
