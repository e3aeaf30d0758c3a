"""``python -m bench.entropy``: calibration by histograms against ONNX Runtime's entropy calibrator.

Whole calibrations of the same images in one process, sessions included on both sides, taking turns.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import onnx
from loguru import logger
from onnxruntime.quantization import CalibrationMethod, create_calibrator
from onnxruntime.quantization.shape_inference import quant_pre_process
from rich.console import Console

from .builds import ROOT
from .calibration import IMAGES, METHODS, own_sides
from .measure import interleaved
from .networks import NETWORKS
from .peers import Array, Reader, input_of, random_inputs, session
from .report import Section, print_section

_NETWORKS = "mobilenet_v2,resnet18,vit_tiny"


def _by_onnxruntime(model: Path, name: str, inputs: list[Array]) -> None:
    """ONNX Runtime's calibration by entropy, as `quantize_static` does it."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        augmented = str(Path(folder) / "augmented.onnx")
        calibrator = create_calibrator(
            model, None, augmented, calibrate_method=CalibrationMethod.Entropy
        )
        calibrator.collect_data(Reader(name, inputs))
        calibrator.compute_data()


def measure_entropy(networks: Sequence[str], threads: int, repeats: int) -> Section:
    """Seconds of each side, and how many times as fast ours is."""
    section = Section(
        f"Calibration with {IMAGES} images beside ONNX Runtime's entropy calibration, s",
        ("network", "ONNX Runtime", *METHODS, *(f"times as fast: {m}" for m in METHODS)),
        notes=[f"Sessions are created on both sides; ours has {threads} threads, as has theirs."],
    )
    with tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT / "build") as folder:
        for network in networks:
            model = Path(folder) / f"{network}.onnx"
            onnx.save(NETWORKS[network](), model)
            prepared = Path(folder) / f"{network}_prepared.onnx"
            quant_pre_process(str(model), str(prepared), skip_symbolic_shape=True)
            name, shape = input_of(session(prepared, threads))
            inputs = random_inputs(shape, IMAGES)
            sides: dict[str, Callable[[], object]] = {
                "peer": partial(_by_onnxruntime, prepared, name, inputs),
                **own_sides(model, name, inputs, threads),
            }
            seconds = interleaved(sides, repeats)
            gains = (seconds["peer"] / seconds[method] for method in METHODS)
            section.add(network, *(seconds[side] for side in sides), *gains)
    return section


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.entropy", description=__doc__)
    parser.add_argument("--networks", default=_NETWORKS, help="by comma (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=5, help="runs per median (default: 5)")
    arguments = parser.parse_args(words)
    logger.remove()
    names = arguments.networks.split(",")
    print_section(measure_entropy(names, 2, arguments.repeats), Console())
    return 0


if __name__ == "__main__":
    sys.exit(main())
