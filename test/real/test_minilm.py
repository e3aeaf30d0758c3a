"""MiniLM, where torch is installed: exported, imported, optimized, verified."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pulsar2.config import BuildConfig
from pulsar2.context import make_context
from pulsar2.dialects.onnx import OnnxOp
from pulsar2.driver.build import build
from pulsar2.driver.float_check import FloatModel, difference
from pulsar2.onnx_import import import_onnx
from pulsar2.pipeline import parse_passes, run_passes
from pulsar2.runtime import InferenceSession

pytest.importorskip("torch")


def test_minilm_becomes_operators_of_a_transformer(tmp_path: Path) -> None:
    from minilm import export, sample

    export(tmp_path / "minilm.onnx")
    context = make_context()
    module = import_onnx(tmp_path / "minilm.onnx", context)
    run_passes(context, module, parse_passes("optimize"))
    original = FloatModel(tmp_path / "minilm.onnx")
    after = FloatModel.of(module, context)
    for number in range(3):
        feeds = sample(number)
        assert difference(after.run(feeds)["sentence"], original.run(feeds)["sentence"]) == ""
    found = Counter(op.op_type for op in module.walk() if isinstance(op, OnnxOp))
    del found["Constant"]
    layers = 6
    assert found["LayerNormalization"] == 1 + 2 * layers
    assert found["Gelu"] == found["Softmax"] == layers
    assert found["MatMul"] + found["Gemm"] == 8 * layers
    assert not {"Shape", "Erf", "Sqrt", "Pow", "Identity", "ConstantOfShape", "Where"} & set(found)
    assert found["Mul"] + found["Div"] == 3  # the mask, and the mean of tokens


def test_the_npu_keeps_its_vectors(tmp_path: Path) -> None:
    """At level 1 with SmoothQuant, with masks of all lengths."""
    from minilm import export, sample

    export(tmp_path / "minilm.onnx")
    inputs: list[dict[str, Any]] = []
    for name in sample(0):
        (tmp_path / name).mkdir()
        for number in range(8):
            np.save(tmp_path / name / f"{number}.npy", sample(number)[name])
        source = {"tensor_name": name, "calibration_dataset": str(tmp_path / name)}
        inputs.append(source | {"calibration_format": "Numpy", "calibration_size": -1})
    quant = {"input_configs": inputs, "transformer_opt_level": 1, "enable_smooth_quant": True}
    config = {"input": str(tmp_path / "minilm.onnx"), "output_dir": str(tmp_path), "quant": quant}
    result = build(BuildConfig.model_validate(config))
    original = FloatModel(tmp_path / "minilm.onnx")
    emulated = InferenceSession(result.path)
    alike: list[float] = []
    for number in range(100, 108):
        wanted = original.run(sample(number))["sentence"].ravel()
        given = {i.name: sample(number)[i.name].astype(i.dtype) for i in emulated.get_inputs()}
        (found,) = emulated.run(None, given)
        alike.append(float(wanted @ found.ravel() / np.linalg.norm(found)))
    print(f"cosine: mean {np.mean(alike):.4f}, least {min(alike):.4f}")
    assert np.mean(alike) > 0.99
