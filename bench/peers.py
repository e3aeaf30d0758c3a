"""ONNX Runtime as the peer: float sessions, and int8 QDQ models of the same network.

``u8s8`` has S8 weights, one scale per output channel: on x86-64 processors without VNNI its sums of
two products saturate at 16 bits, so it is fast and not exact there. ``u8u8`` has U8 weights and is
exact everywhere.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

Array = npt.NDArray[Any]
INT8_KINDS = {"u8s8": QuantType.QInt8, "u8u8": QuantType.QUInt8}


class Reader(CalibrationDataReader):
    def __init__(self, name: str, inputs: list[Array]) -> None:
        self._feeds: Iterator[dict[str, Array]] = iter([{name: value} for value in inputs])

    def get_next(self) -> dict[str, Array] | None:  # type: ignore[override]
        return next(self._feeds, None)


def session(model: Path, threads: int) -> onnxruntime.InferenceSession:
    """A CPU session with ``threads`` threads inside an operator, as fast as it goes."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def input_of(model: onnxruntime.InferenceSession) -> tuple[str, list[int]]:
    """Name and shape of the first input."""
    first = model.get_inputs()[0]
    return first.name, list(first.shape)


def random_inputs(shape: list[int], count: int, seed: int = 0) -> list[Array]:
    """Normalized pictures of noise, f32."""
    rng = np.random.default_rng(seed)
    return [rng.uniform(-1.0, 1.0, shape).astype(np.float32) for _ in range(count)]


def quantize(model: Path, kind: str, inputs: list[Array], folder: Path) -> Path:
    """Write the int8 QDQ model of ``kind`` into ``folder`` unless it is there; its path."""
    quantized = folder / f"{model.stem}_{kind}.onnx"
    if quantized.exists():
        return quantized
    logging.getLogger().setLevel(logging.ERROR)
    prepared = folder / f"{model.stem}_prepared.onnx"
    if not prepared.exists():
        quant_pre_process(str(model), str(prepared), skip_symbolic_shape=True)
    name, _ = input_of(session(prepared, 1))
    quantize_static(
        str(prepared),
        str(quantized),
        Reader(name, inputs),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QUInt8,
        weight_type=INT8_KINDS[kind],
        per_channel=True,
    )
    return quantized
