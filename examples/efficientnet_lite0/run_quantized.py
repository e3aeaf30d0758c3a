"""Quantize EfficientNet-Lite0 oneself, as an ONNX model in QDQ form, and compile that.

python examples/efficientnet_lite0/run_quantized.py

The quantizer is ONNX Runtime's; any other one that writes QuantizeLinear and DequantizeLinear will
do. The compiler takes scales and zero points as they are and needs no calibration data.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
from evaluate import compare, summarize
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from photographs import MEAN, STD, read_evaluation_photographs
from PIL import Image
from prepare import HERE, PreparationError, prepare

OUTPUT = HERE / "output_quantized"
LEAST_AGREEING = 17

CONFIG = {
    "model_type": "QuantONNX",
    "input_processors": [
        {
            "tensor_name": "input",
            "tensor_format": "RGB",
            "src_format": "RGB",
            "src_dtype": "U8",
            "src_layout": "NHWC",
            "mean": [MEAN] * 3,
            "std": [STD] * 3,
        }
    ],
}


class Pictures(CalibrationDataReader):
    """The calibration pictures of an archive, normalized as in training."""

    def __init__(self, archive: Path):
        with tarfile.open(archive) as file:
            files = [file.extractfile(member) for member in file if member.isfile()]
            self._pictures = [f.read() for f in files if f is not None]

    def get_next(self) -> dict[str, npt.NDArray[np.float32]] | None:  # pyright: ignore
        if not self._pictures:
            return None
        picture = Image.open(io.BytesIO(self._pictures.pop(0))).convert("RGB")
        pixels = (np.asarray(picture, np.float32) - MEAN) / STD
        return {"input": pixels.transpose(2, 0, 1)[None].astype(np.float32)}


def main() -> int:
    try:
        data = prepare()
    except PreparationError as error:
        print(error, file=sys.stderr)
        return 1
    OUTPUT.mkdir(exist_ok=True)
    model, config = OUTPUT / "quantized.onnx", OUTPUT / "config.json"
    quantize_static(
        data.model,
        model,
        Pictures(data.calibration),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    config.write_text(json.dumps(CONFIG, indent=1) + "\n", encoding="utf-8")
    command = [Path(sys.executable).with_name("pulsar2"), "build", "--input", model]
    command += ["--config", config, "--output_dir", OUTPUT]
    print("$ " + " ".join(["pulsar2", *map(str, command[1:])]), flush=True)
    subprocess.run(command, check=True)
    photographs = read_evaluation_photographs(data.photographs)
    summary = summarize(compare(photographs, data.model, OUTPUT / "compiled.axmodel"))
    print(f"top-1, float: {summary.float_right} of {summary.photographs}")
    print(f"top-1, emulated: {summary.emulated_right} of {summary.photographs}")
    print(f"same class: {summary.agreeing}; cosine of the outputs: {summary.cosine:.4f}")
    return 0 if summary.agreeing >= LEAST_AGREEING else 1


if __name__ == "__main__":
    sys.exit(main())
