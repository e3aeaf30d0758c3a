"""Options for transformers: each has an effect that can be seen."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from cases import Outcome, run
from onnx import numpy_helper
from transformers import SHAPE, configuration, encoder, samples
from xdsl.dialects.builtin import i32

from pulsar2.context import make_context
from pulsar2.dialects.quant import NormOp
from pulsar2.dialects.quant.types import UniformType, element_type
from pulsar2.locations import node_name
from pulsar2.quant_axmodel import read_quant_axmodel
from pulsar2.runtime import InferenceSession
from pulsar2.tools.ax_opt import main as ax_opt


class Encoder:
    """The encoder and its data in a folder."""

    def __init__(self, folder: Path, **options: Any):
        self.folder = folder
        self.model = encoder(folder / "model.onnx", **options)
        self.data = samples(folder / "data")
        self.float = onnxruntime.InferenceSession(self.model)

    def build(self, name: str, *words: str, **quant: Any) -> Outcome:
        config = self.folder / f"{name}.json"
        config.write_text(json.dumps(configuration(self.data, **quant)))
        output = self.folder / name
        outcome = run(
            "build", "--input", self.model, "--config", config, "--output_dir", output, *words
        )
        assert outcome.code == 0, outcome.err
        return outcome

    def noise(self, name: str) -> float:
        """The error of the emulated program of a build, relative to what the float model gives."""
        session = InferenceSession(self.folder / name / "compiled.axmodel")
        rng = np.random.default_rng(7)
        error = signal = 0.0
        for _ in range(4):
            x = {"x": rng.normal(size=SHAPE).astype(np.float32)}
            (got,), (wanted,) = session.run(None, x), self.float.run(None, x)
            error += float(((got - wanted) ** 2).sum())
            signal += float((wanted**2).sum())
        return (error / signal) ** 0.5


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return Encoder(tmp_path_factory.mktemp("transformer"))


@pytest.fixture(scope="module")
def plain(model: Encoder) -> Outcome:
    return model.build("plain")


@pytest.fixture(scope="module")
def smooth(model: Encoder) -> Outcome:
    return model.build("smooth", enable_smooth_quant=True)


def test_smooth_quant(model: Encoder, plain: Outcome, smooth: Outcome) -> None:
    assert model.noise("smooth") < 0.7 * model.noise("plain")
    assert "Ratio of outliers in tensor" in smooth.out
    assert "2 of 2 uneven tensors" in smooth.err
    assert "the outputs before and after [smooth" in smooth.err
    # Without it the build tells that it would help.
    assert "Ratio of outliers in tensor" in plain.out
    assert "quant.enable_smooth_quant may quantize them better" in plain.err


def test_smooth_quant_threshold(model: Encoder) -> None:
    outcome = model.build("none", enable_smooth_quant=True, smooth_quant_threshold=0.001)
    assert "uneven tensors" not in outcome.err
    outcome = model.build("all", enable_smooth_quant=True, smooth_quant_threshold=1.0)
    # What Gelu gives cannot be smoothed; what the attention gives can.
    assert "3 of 4 uneven tensors" in outcome.err


def test_smooth_quant_strength(model: Encoder, plain: Outcome, smooth: Outcome) -> None:
    model.build("weak", enable_smooth_quant=True, smooth_quant_strength=0.2)
    assert model.noise("smooth") < model.noise("weak") < model.noise("plain")


def test_the_second_build_observes_no_channels(model: Encoder, smooth: Outcome) -> None:
    again = model.build("smooth", enable_smooth_quant=True)
    assert "Calibration Progress" in smooth.out
    assert "Calibration Progress" not in again.out
    assert again.err.count("what an earlier build with the same model and data found is used") == 3


def sixteen_bits(model: Encoder, name: str) -> set[str]:
    """The nodes whose results have 16 bits in the quantized model of a build."""
    path = model.folder / name / "quant" / "quant_axmodel.onnx"
    found: set[str] = set()
    for op in read_quant_axmodel(path, make_context()).walk():
        if op.name.startswith("quant.") and op.results:
            type_ = element_type(op.results[0])
            if isinstance(type_, UniformType) and type_.storage.width.data == 16:
                found.add(node_name(op))
    return found


def told(outcome: Outcome, words: str) -> list[float]:
    """The numbers of a line of the log."""
    (line,) = (line for line in outcome.err.splitlines() if words in line)
    text = line.partition("transformer_opt_level")[2].replace(",", "")
    return [float(n) for n in re.findall(r"-?\d+(?:\.\d+)?", text)]


def test_transformer_opt_level(model: Encoder, smooth: Outcome) -> None:
    first = model.build("level1", enable_smooth_quant=True, transformer_opt_level=1)
    second = model.build("level2", enable_smooth_quant=True, transformer_opt_level=2)
    assert "Transformer optimize level: 1" in first.out
    wide, fewer = sixteen_bits(model, "level1"), sixteen_bits(model, "level2")
    assert not sixteen_bits(model, "smooth")
    assert len(wide) == told(first, "tensors of Softmax")[2] > len(fewer)
    assert fewer < wide
    assert model.noise("level1") < model.noise("smooth")
    now, before = told(second, "takes an estimated")[1:4:2]
    assert 0 < before < 1.2 * now
    # The user's word wins.
    configs = [{"op_types": ["Add", "Softmax", "LayerNormalization"], "data_type": "U8"}]
    model.build("word", layer_configs=configs, transformer_opt_level=1)
    assert not sixteen_bits(model, "word")


def test_attention_with_a_mask_runs_on_the_npu_from_level_1(tmp_path: Path) -> None:
    model = Encoder(tmp_path, mask=float(np.finfo(np.float32).min))
    assert "on the CPU" in model.build("plain").err
    outcome = model.build("level1", transformer_opt_level=1)
    assert "on the CPU" not in outcome.err
    assert "masks of attention hold -64" in outcome.err
    assert model.noise("level1") < 0.2


def test_another_batch_size_has_the_same_numbers(model: Encoder) -> None:
    words = ["--compiler.static_batch_sizes", "1", "2"]
    model.build("batches", *words, enable_smooth_quant=True, transformer_opt_level=1)
    session = InferenceSession(model.folder / "batches" / "compiled.axmodel")
    x = np.random.default_rng(8).normal(size=(2, *SHAPE[1:])).astype(np.float32)
    (both,) = session.run(None, {"x": x})
    apart = [session.run(None, {"x": x[i : i + 1]})[0] for i in range(2)]
    np.testing.assert_array_equal(both, np.concatenate(apart))


def test_ln_scale_data_type(model: Encoder, plain: Outcome) -> None:
    model.build("s32", "--compiler.check", "2", ln_scale_data_type="S32")
    context = make_context()
    path = model.folder / "s32" / "quant" / "quant_axmodel.onnx"
    norms = [op for op in read_quant_axmodel(path, context).walk() if isinstance(op, NormOp)]
    # The greatest scale is the outlier 30: 5 bits of 31 stand before the point.
    assert [op.fraction for op in norms] == [26, 26, 30]
    assert all(op.scale is not None and element_type(op.scale) == i32 for op in norms)
    # Scales of that size lose nothing.
    assert model.noise("s32") == model.noise("plain")
    proto = onnx.load(model.model)
    (last,) = (t for t in proto.graph.initializer if t.name == "last")
    last.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(last), "last"))
    onnx.save(proto, model.folder / "negative.onnx")
    config = model.folder / "s32.json"
    words = ["build", "--input", model.folder / "negative.onnx", "--config", config]
    words += ["--output_dir", model.folder / "u32", "--quant.ln_scale_data_type", "U32"]
    outcome = run(*words)
    assert outcome.code == 1
    assert "the scale 'last' holds 32 negative number(s)" in outcome.err
    assert "Calibration Progress" not in outcome.out


def test_a_smoothed_build_continues_from_every_stage(model: Encoder) -> None:
    model.build("dumped", "--debug.dump_ir", enable_smooth_quant=True, transformer_opt_level=1)
    ir = model.folder / "dumped" / "ir"
    lines = (ir / "pipelines.txt").read_text().splitlines()
    stages = sorted(ir.glob("*.mlir"), key=lambda f: int(f.name.split("_")[0]))
    names = [f.stem.split("_", 1)[1] for f in stages]
    first, last = names.index("place"), names.index("quantize")
    assert names[first + 1 : last] == [
        "channels", "smooth", "calibrate", "noise", "transformer", "calibrate", "decide",
    ]  # fmt: skip
    made = model.folder / "continued.mlir"
    for start in range(first, last):
        weights = stages[start].with_suffix(".safetensors")
        words = ["-p", ",".join(lines[start:last]), stages[start], "--weights", weights, "-o", made]
        assert ax_opt(["--mlir-print-debuginfo", *map(str, words)]) == 0
        assert made.read_text() == stages[last].read_text()
