"""``python -m bench.compare_accuracy``: accuracy against other quantizers, in one run.

Trained networks with labelled data, and networks of random weights. SQNR is the power of the float
outputs over that of the error, in dB, the mean over the outputs.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
from loguru import logger
from rich.console import Console

from pulsar2.diagnostics import first_line

from .networks import NETWORKS
from .quantizers import Outputs, float_outputs, nncf_outputs, ort_outputs, pulsar2_outputs
from .report import Section, print_section
from .trained import TRAINED, Case

_RANDOM = ("mobilenet_v2", "resnet18", "resnet50", "vit_tiny")
_TRANSFORMERS = ("fashion_vit", "ppocr_v6_rec", "vit_tiny")
"""Networks on which what quantizers do for transformers is compared too."""
_CALIBRATION, _EVALUATION = 32, 8


def random_case(name: str) -> Case:
    """A network of random weights, on noise; nothing is right or wrong."""
    model = NETWORKS[name]()
    shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    random = np.random.default_rng(0)
    count = _CALIBRATION + _EVALUATION
    inputs = [random.uniform(-1, 1, shape).astype(np.float32) for _ in range(count)]
    return Case(name, model, inputs[:_CALIBRATION], inputs[_CALIBRATION:], lambda _: 0)


def sqnr(expected: Outputs, found: Outputs) -> float:
    """The mean over the outputs of signal / noise over all samples, in dB."""
    ratios: list[float] = []
    for place in range(len(expected[0])):
        signal = noise = 0.0
        for e, f in zip(expected, found, strict=True):
            wide = e[place].astype(np.float64)
            signal += float((wide * wide).sum())
            noise += float(((wide - f[place]) ** 2).sum())
        ratios.append(10 * np.log10(signal / max(noise, 1e-30)))
    return float(np.mean(ratios))


def _quantizers(case: Case) -> Mapping[str, Callable[[], Outputs]]:
    arguments = (case.model, case.calibration, case.evaluation)

    def own(**quant: object) -> Callable[[], Outputs]:
        return partial(pulsar2_outputs, *arguments, quant)

    rows = {
        "ONNX Runtime": partial(ort_outputs, *arguments),
        "NNCF": partial(nncf_outputs, *arguments, "default"),
        "pulsar2": own(),
        "pulsar2, biases as they are": own(disable_bias_correction=True),
        "pulsar2 MSE": own(calibration_method="MSE"),
        "pulsar2 EasyQuant": own(enable_easy_quant=True),
    }
    if case.name in _TRANSFORMERS:
        rows["NNCF, transformer"] = partial(nncf_outputs, *arguments, "transformer")
        rows["pulsar2, level 1"] = own(transformer_opt_level=1)
    return rows


def compare(case: Case, chosen: Sequence[str], section: Section) -> None:
    """Adds a row for each quantizer; what fails is told in a note."""
    expected = float_outputs(case.model, case.evaluation)
    trained = case.name in TRAINED
    count = len(case.evaluation)
    section.add(case.name, "float", None, case.right(expected) if trained else None, count)
    for label, run in _quantizers(case).items():
        if chosen and label not in chosen:
            continue
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                found = run()
        except Exception as error:
            section.notes.append(f"{case.name}, {label}: {first_line(error)}")
            continue
        right = case.right(found) if trained else None
        section.add(case.name, label, round(sqnr(expected, found), 2), right, count)


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.compare_accuracy", description=__doc__)
    every = [*TRAINED, *_RANDOM]
    parser.add_argument("--networks", default=",".join(every), help="by comma; of: %(default)s")
    parser.add_argument("--quantizers", default="", help="labels by comma (default: all)")
    arguments = parser.parse_args(words)
    names = [name for name in arguments.networks.split(",") if name]
    unknown = [name for name in names if name not in every]
    if unknown:
        parser.error(f"unknown networks {', '.join(unknown)}; there are {', '.join(every)}")
    logger.remove()
    console = Console(width=None if sys.stdout.isatty() else 120)
    chosen = [label for label in arguments.quantizers.split(",") if label]
    for name in names:
        columns = ("network", "quantizer", "SQNR, dB", "right", "of")
        section = Section(f"Accuracy of {name}, 8 bits", columns)
        try:
            case = TRAINED[name]() if name in TRAINED else random_case(name)
        except Exception as error:
            section.notes.append(f"{name} is left out: {first_line(error)}")
        else:
            compare(case, chosen, section)
        print_section(section, console)
    return 0


if __name__ == "__main__":
    sys.exit(main())
