"""The float model and the compiled one, side by side on the labelled photographs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from photographs import Photograph

from pulsar2.runtime import InferenceSession


@dataclass(frozen=True)
class Comparison:
    """One photograph: the classes that both models give it, and how alike their outputs are."""

    photograph: Photograph
    float_class: int
    emulated_class: int
    cosine: float


def compare(
    photographs: list[Photograph], float_model: Path, compiled_model: Path
) -> list[Comparison]:
    """Run each photograph through ONNX Runtime and through the emulator."""
    reference = onnxruntime.InferenceSession(str(float_model), providers=["CPUExecutionProvider"])
    session = InferenceSession(str(compiled_model))
    name = session.get_inputs()[0].name
    comparisons: list[Comparison] = []
    for photograph in photographs:
        expected = np.asarray(reference.run(None, {name: photograph.normalized()})[0]).ravel()
        emulated = np.asarray(session.run(None, {name: photograph.pixels[None]})[0]).ravel()
        norms = float(np.linalg.norm(expected) * np.linalg.norm(emulated))
        cosine = float(expected @ emulated) / norms if norms else 0.0
        classes = int(expected.argmax()), int(emulated.argmax())
        comparisons.append(Comparison(photograph, *classes, cosine))
    return comparisons


@dataclass(frozen=True)
class Summary:
    """Counts over ``photographs`` photographs, and the mean cosine similarity of the outputs."""

    photographs: int
    float_right: int
    emulated_right: int
    agreeing: int
    cosine: float


def summarize(comparisons: list[Comparison]) -> Summary:
    return Summary(
        len(comparisons),
        sum(c.float_class == c.photograph.label for c in comparisons),
        sum(c.emulated_class == c.photograph.label for c in comparisons),
        sum(c.float_class == c.emulated_class for c in comparisons),
        float(np.mean([c.cosine for c in comparisons])),
    )
