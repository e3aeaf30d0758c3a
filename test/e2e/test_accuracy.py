"""What the summary of a build says of the outputs' accuracy."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from cases import Outcome, run

from pulsar2.calibration.images import Preprocessing
from pulsar2.runtime import InferenceSession


def build(built: Path, folder: Path, **changes: Any) -> Outcome:
    value = json.loads((built / "out" / "build_context.json").read_text())
    (folder / "c.json").write_text(json.dumps(value | changes))
    outcome = run("build", "--config", folder / "c.json", "--output_dir", folder / "out")
    assert outcome.code == 0, outcome.err
    return outcome


def line(text: str) -> str:
    return text[text.index("Build finished.") :].split("  accuracy ")[1].split("\n")[0].strip()


def test_cosine_and_sqnr_of_the_compiled_model(built: Path) -> None:
    out = built / "out"
    preprocessing = Preprocessing(16, 16, 3, "RGB", "NCHW", (127.0,) * 3, (128.0,) * 3)
    session: Any = onnxruntime.InferenceSession(out / "frontend" / "optimized.onnx")
    compiled = InferenceSession(out / "compiled.axmodel")
    expected, got = [], []
    for path in sorted((out / "quant" / "dataset" / "input").iterdir()):
        picture = preprocessing.tensor(path, np.dtype(np.float32))[None]
        expected.append(session.run(None, {"input": picture})[0].ravel())
        bytes_ = np.rint(picture * 128 + 127).astype(np.uint8).transpose(0, 2, 3, 1)
        got.append(compiled.run(None, {"input": bytes_})[0].ravel())
    f, q = (np.concatenate(x).astype(np.float64) for x in (expected, got))
    cosine = f @ q / np.sqrt((f @ f) * (q @ q))
    sqnr = 10 * np.log10((f @ f) / np.sum((f - q) ** 2))
    said = line((built / "log.txt").read_text())
    assert said == (
        f"output: cosine {cosine:.5f}, SQNR {sqnr:.1f} dB against the float model on 4 "
        "calibration sample(s)"
    )


def test_axes_of_outputs_and_inputs_that_samples_do_not_tell(built: Path, tmp_path: Path) -> None:
    value = json.loads((built / "out" / "build_context.json").read_text())
    said = line((built / "log.txt").read_text())
    turned = [{"tensor_name": "output", "dst_perm": [1, 0]}]
    assert line(build(built, tmp_path, output_processors=turned).out) == said
    batched = value["compiler"] | {"static_batch_sizes": [1, 2]}
    assert line(build(built, tmp_path, compiler=batched).out) == said
    yuv = [value["input_processors"][0] | {"src_format": "YUV420SP", "csc_mode": "FullRange"}]
    assert "  accuracy " not in build(built, tmp_path, input_processors=yuv).out
    assert re.search(r"accuracy +output: cosine", build(built, tmp_path).out)
