"""The quantizers that accuracy is compared of: each gives the outputs of its quantized model.

All of them take the same float model and calibration inputs and quantize to 8 bits, weights per
output channel. ONNX Runtime's and OpenVINO's models are run as fake quantization in float, so that
no saturation of a processor's instructions enters.
"""

from __future__ import annotations

import json
import logging
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import ModelProto
from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from pulsar2.config.load import load_build_config
from pulsar2.driver.build import build
from pulsar2.runtime import InferenceSession

from .builds import ROOT
from .peers import Reader

Array = npt.NDArray[Any]
Outputs = list[list[Array]]

PEERS = ROOT / "build" / "peers"
"""A virtual environment with nncf, openvino, onnx and onnxruntime."""


class AbsentError(Exception):
    """A peer is not installed."""


def float_outputs(model: ModelProto, inputs: Sequence[Array]) -> Outputs:
    """What ONNX Runtime computes in float."""
    return _run_onnx(model.SerializeToString(), inputs, literal=False)


def _run_onnx(model: bytes | str, inputs: Sequence[Array], *, literal: bool) -> Outputs:
    """The outputs for each input; with `literal` nothing is fused, so QDQ is fake quantization."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if literal:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return [[np.asarray(o) for o in session.run(None, {name: x})] for x in inputs]


def pulsar2_outputs(
    model: ModelProto,
    calibration: Sequence[Array],
    inputs: Sequence[Array],
    quant: dict[str, Any] | None = None,
) -> Outputs:
    """What the emulator computes with the compiled program; `quant` are options of `quant`."""
    with tempfile.TemporaryDirectory(prefix="accuracy-") as temporary:
        folder = Path(temporary)
        onnx.save(model, folder / "model.onnx")
        with tarfile.open(folder / "data.tar", "w") as archive:
            for index, array in enumerate(calibration):
                data = BytesIO()
                np.save(data, array)
                member = tarfile.TarInfo(f"{index:03}.npy")
                member.size = len(data.getvalue())
                archive.addfile(member, BytesIO(data.getvalue()))
        config = {
            "input": str(folder / "model.onnx"),
            "output_dir": str(folder / "out"),
            "target_hardware": "AX650",
            "no_cache": True,
            "quant": {
                "input_configs": [
                    {
                        "tensor_name": "DEFAULT",
                        "calibration_dataset": str(folder / "data.tar"),
                        "calibration_format": "Numpy",
                        "calibration_size": -1,
                    }
                ],
                **(quant or {}),
            },
        }
        (folder / "config.json").write_text(json.dumps(config))
        built = build(load_build_config(str(folder / "config.json")))
        session = InferenceSession(str(built.path))
        name = session.get_inputs()[0].name
        return [[np.asarray(o) for o in session.run(None, {name: x})] for x in inputs]


def ort_outputs(
    model: ModelProto,
    calibration: Sequence[Array],
    inputs: Sequence[Array],
    activation: QuantType = QuantType.QUInt8,
    method: CalibrationMethod = CalibrationMethod.MinMax,
) -> Outputs:
    """What the QDQ model of ONNX Runtime's `quantize_static` computes."""
    logging.getLogger().setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="accuracy-") as temporary:
        folder = Path(temporary)
        onnx.save(model, folder / "model.onnx")
        quant_pre_process(
            str(folder / "model.onnx"), str(folder / "ready.onnx"), skip_symbolic_shape=True
        )
        ready = onnx.load(folder / "ready.onnx")
        constants = {t.name for t in ready.graph.initializer}
        name = next(i.name for i in ready.graph.input if i.name not in constants)
        quantize_static(
            str(folder / "ready.onnx"),
            str(folder / "quantized.onnx"),
            Reader(name, list(calibration)),
            quant_format=QuantFormat.QDQ,
            activation_type=activation,
            weight_type=QuantType.QInt8,
            per_channel=True,
            calibrate_method=method,
        )
        return _run_onnx(str(folder / "quantized.onnx"), inputs, literal=True)


def nncf_outputs(
    model: ModelProto, calibration: Sequence[Array], inputs: Sequence[Array], preset: str
) -> Outputs:
    """What OpenVINO computes with NNCF's model; `AbsentError` where they are not installed."""
    python = PEERS / "bin" / "python"
    if not python.is_file():
        raise AbsentError(
            f"NNCF is absent: `python -m venv {PEERS}` and there "
            "`pip install nncf openvino onnx onnxruntime` put it where it is looked for"
        )
    worker = Path(__file__).with_name("nncf_worker.py")
    with tempfile.TemporaryDirectory(prefix="accuracy-") as temporary:
        folder = Path(temporary)
        onnx.save(model, folder / "model.onnx")
        np.savez(folder / "data.npz", calibration=np.stack(calibration), inputs=np.stack(inputs))
        command = [str(python), str(worker), str(folder), preset]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"NNCF failed: {done.stderr.strip().splitlines()[-1]}")
        # Each look-up in the archive reads an array anew.
        with np.load(folder / "outputs.npz") as archive:
            found = [archive[f"output_{i}"] for i in range(len(archive.files))]
        return [[output[sample] for output in found] for sample in range(len(inputs))]
