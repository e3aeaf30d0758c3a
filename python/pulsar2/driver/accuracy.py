"""How far the outputs of a compiled model are from those of the float model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from pulsar2.calibration.dataset import Sample
from pulsar2.config.build import BuildConfig
from pulsar2.driver.float_check import FloatModel
from pulsar2.driver.inputs import InputPlan, output_perms, stored_outputs
from pulsar2.precision.samples import Spread
from pulsar2.precision.statistics import TensorStatistics
from pulsar2.runtime import InferenceSession
from pulsar2.weights import AnyArray

_SAMPLES = 4
_SHOWN = 8
"""Outputs that are told of, at most."""

_POOR = 0.99
"""Cosine similarity below which a user is told what to do next."""


def output_accuracy(
    compiled: Path,
    float_model: Path,
    config: BuildConfig,
    plans: Sequence[InputPlan],
    samples: Sequence[Sample],
) -> list[str]:
    """Cosine similarity and SQNR of each float output of a compiled model, a line each.

    The emulator runs `compiled` and ONNX Runtime `float_model`, on a few calibration samples. Empty
    where samples do not tell what comes in at run time (YUV), or there are none. An output that
    leaves as integers is left out: what these stand for is not in the file.
    """
    if not len(samples) or not all(p.invertible for p in plans):
        return []
    session, expected = InferenceSession(compiled), FloatModel(float_model)
    types = {t.name: t.dtype for t in session.model.inputs}
    left_out = stored_outputs(config, expected.names)
    perms = output_perms(config, expected.names)
    chosen = Spread(samples, _SAMPLES)
    found: dict[str, TensorStatistics] = {}
    for sample in chosen:
        feeds = {
            p.model.name: p.runtime_value(sample.inputs[p.model.name], types[p.model.name])
            for p in plans
        }
        names = [o.name for o in session.get_outputs()]
        got = dict(zip(names, session.run(None, feeds), strict=True))
        for name, value in expected.run(sample.inputs).items():
            if not isinstance(value, np.ndarray):
                continue
            if name in left_out or value.dtype.kind != "f" or name not in got:
                continue
            value = _transposed(value, perms.get(name, ()))
            if value.shape == got[name].shape and value.size:
                found.setdefault(name, TensorStatistics(None)).add(value, got[name])
    return _lines(found, len(chosen))


def _lines(found: Mapping[str, TensorStatistics], count: int) -> list[str]:
    lines = [
        f"{name}: cosine {figures.cosine:.5f}, SQNR {figures.sqnr:.1f} dB against the float model "
        f"on {count} calibration sample(s)"
        + (", which --quant.precision_analysis looks into" if figures.cosine < _POOR else "")
        for name, figures in list(found.items())[:_SHOWN]
    ]
    if len(found) > _SHOWN:
        lines.append(f"and {len(found) - _SHOWN} more output(s)")
    return lines


def _transposed(array: AnyArray, perm: Sequence[int]) -> AnyArray:
    return np.transpose(array, perm) if perm else array
