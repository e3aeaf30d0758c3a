"""NNCF's quantization of a model, run by OpenVINO: a script for the environment of the peers.

    python nncf_worker.py FOLDER PRESET

FOLDER holds model.onnx and data.npz (`calibration`, `inputs`); outputs.npz comes beside them.
"""

import sys
from pathlib import Path

import nncf  # pyright: ignore[reportMissingImports]
import numpy as np
import openvino  # pyright: ignore[reportMissingImports]


def main(folder: Path, preset: str) -> None:
    data = np.load(folder / "data.npz")
    core = openvino.Core()
    model = core.read_model(str(folder / "model.onnx"))
    model.reshape(list(data["inputs"].shape[1:]))
    options = {"subset_size": len(data["calibration"])}
    if preset == "transformer":
        options["model_type"] = nncf.ModelType.TRANSFORMER
    elif preset == "mixed":
        options["preset"] = nncf.QuantizationPreset.MIXED
    quantized = nncf.quantize(model, nncf.Dataset(list(data["calibration"])), **options)
    # Without these, layers are fused to integer kernels that saturate on some processors.
    properties = {"LP_TRANSFORMS_MODE": "NO", "INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(quantized, "CPU", properties)
    results = [compiled(x) for x in data["inputs"]]
    arrays = {
        f"output_{i}": np.stack([r[i] for r in results]) for i in range(len(compiled.outputs))
    }
    np.savez(folder / "outputs.npz", **arrays)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
