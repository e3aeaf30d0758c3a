"""Builds of the benchmark's networks: wall time by stage, peak memory, and what later parts use."""

from __future__ import annotations

import io
import json
import sys
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from PIL import Image

from .measure import run_process
from .networks import NETWORKS
from .report import Section

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "efficientnet_lite0"
EXAMPLE_MODEL = EXAMPLE / "data" / "ready" / "efficientnet_lite0.onnx"
TRAINED = "efficientnet_lite0"
_CALIBRATION_IMAGES = 32
_MIB = 1 << 20


@dataclass
class Build:
    """A network and what became of it; ``error`` says why a build did not end."""

    name: str
    model: Path
    config: Path
    output: Path
    seconds: float = 0.0
    peak_bytes: int = 0
    stages: dict[str, float] = field(default_factory=dict[str, float])
    driver: float = 0.0
    """Seconds of the build that no stage has: configuration, folders, tables, the container."""
    error: str = ""

    @property
    def compiled(self) -> Path:
        return self.output / "compiled.axmodel"

    @property
    def quantized(self) -> Path:
        return self.output / "quant" / "quant_axmodel.onnx"


def _write_pictures(path: Path, size: int) -> None:
    """A tar of seeded smooth noise pictures: calibration data for networks that learnt nothing."""
    rng = np.random.default_rng(0)
    with tarfile.open(path, "w") as archive:
        for index in range(_CALIBRATION_IMAGES):
            coarse = rng.integers(0, 256, (size // 8, size // 8, 3), np.uint8)
            picture = Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC)
            png = io.BytesIO()
            picture.save(png, "PNG")
            member = tarfile.TarInfo(f"noise_{index:02}.png")
            member.size = len(png.getvalue())
            archive.addfile(member, io.BytesIO(png.getvalue()))


def _write_config(build: Build, npu_mode: str) -> None:
    """The example's configuration, with this network's paths and input in it."""
    config: dict[str, Any] = json.loads((EXAMPLE / "config.json").read_text())
    model = onnx.load(build.model, load_external_data=False)
    value = model.graph.input[0]
    data = EXAMPLE_MODEL.with_name("calibration.tar")
    if build.name != TRAINED:
        size = value.type.tensor_type.shape.dim[-1].dim_value
        data = build.model.with_name(f"noise_{size}.tar")
        if not data.exists():
            _write_pictures(data, size)
    config |= {
        "input": str(build.model),
        "output_dir": str(build.output),
        "npu_mode": npu_mode,
        "target_hardware": "AX650",
    }
    config["quant"]["input_configs"][0] |= {
        "tensor_name": value.name,
        "calibration_dataset": str(data),
    }
    config["input_processors"][0]["tensor_name"] = value.name
    build.config.write_text(json.dumps(config, indent=2))


def build_network(name: str, folder: Path, npu_mode: str = "NPU1") -> Build:
    """Write the network and build it for the AX650 in a process of its own."""
    model = EXAMPLE_MODEL
    if name != TRAINED:
        model = folder / f"{name}.onnx"
        if not model.exists():
            onnx.save(NETWORKS[name](), model)
    stem = folder / f"{name}_{npu_mode}"
    build = Build(name, model, stem.with_suffix(".json"), stem)
    _write_config(build, npu_mode)
    process = run_process([sys.executable, "-m", "bench.build_worker", build.config], ROOT)
    build.seconds, build.peak_bytes = process.seconds, process.peak_bytes
    last = process.output.strip().splitlines()[-1] if process.output.strip() else ""
    try:
        answer: dict[str, Any] = json.loads(last)
    except ValueError:
        answer = {"error": last or f"exit code {process.code}"}
    build.stages = answer.get("seconds", {})
    build.driver = answer.get("whole", 0.0) - sum(build.stages.values())
    build.error = answer.get("error", "")
    return build


def build_section(builds: Sequence[Build]) -> Section:
    """One column per network that was built, one row per stage."""
    done = [build for build in builds if not build.error]
    columns = ("", *(build.name for build in done))
    section = Section("Builds with 32 calibration images, AX650 NPU1, seconds", columns)
    section.add("whole process", *(build.seconds for build in done))
    for stage in dict.fromkeys(stage for build in done for stage in build.stages):
        section.add(f"- {stage}", *(build.stages.get(stage) for build in done))
    section.add("- outside of the stages", *(build.driver for build in done))
    section.add("peak memory, MiB", *(round(build.peak_bytes / _MIB) for build in done))
    for build in builds:
        if build.error:
            section.notes.append(f"{build.name} is not built. {build.error}")
    return section
