"""The figures to reach, and what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .accuracy import Summary
from .agreement import Agreement
from .builds import Build
from .report import Target

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
            "sanitizer findings: all networks, NPU1 to NPU3, an eighth of the OCM",
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
    ]
