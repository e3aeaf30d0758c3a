"""Options that are built: each has an effect that can be seen."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from cases import Outcome, add, classifier, run
from PIL import Image
from xdsl.dialects.builtin import Float32Type

from pulsar2.axmodel import read_axmodel
from pulsar2.context import AxContext, make_context
from pulsar2.dialects.quant import ConvOp
from pulsar2.dialects.quant.types import UniformPerAxisType, element_type
from pulsar2.quant_axmodel import read_quant_axmodel
from pulsar2.runtime import InferenceSession
from pulsar2.weights import WeightStore


@pytest.fixture
def build(built: Path, tmp_path: Path) -> Any:
    """Builds the first example with more words on the command line; the output folder."""

    def with_words(*words: str | Path) -> Path:
        context = built / "out" / "build_context.json"
        outcome = run("build", "--config", context, "--output_dir", tmp_path / "out", *words)
        assert outcome.code == 0, outcome.err
        return tmp_path / "out"

    return with_words


def convolution(folder: Path) -> tuple[ConvOp, AxContext]:
    """The convolution of the quantized model."""
    context = make_context()
    module = read_quant_axmodel(folder / "quant" / "quant_axmodel.onnx", context)
    (conv,) = (op for op in module.walk() if isinstance(op, ConvOp))
    return conv, context


def first_scale(folder: Path) -> float:
    """The scale of the first channel of the convolution's weights."""
    conv, context = convolution(folder)
    type_ = element_type(conv.operands[1])
    assert isinstance(type_, UniformPerAxisType)
    return float(type_.scales(context.weights)[0])


def test_conv_bias_data_type(build: Any) -> None:
    conv, _ = convolution(build())
    assert isinstance(element_type(conv.operands[2]), UniformPerAxisType)
    conv, _ = convolution(build("--quant.conv_bias_data_type", "FP32"))
    assert isinstance(element_type(conv.operands[2]), Float32Type)


def test_refine_weight_threshold(built: Path, build: Any, tmp_path: Path) -> None:
    model = onnx.load(built / "model.onnx")
    (weight,) = (t for t in model.graph.initializer if t.name == "w")
    values = onnx.numpy_helper.to_array(weight).copy()
    values[0] *= 1e-5 / np.abs(values[0]).max()
    weight.CopyFrom(onnx.numpy_helper.from_array(values, "w"))
    onnx.save(model, tmp_path / "model.onnx")
    words = ("--input", tmp_path / "model.onnx", "--quant.refine_weight_threshold")
    assert first_scale(build(*words, "9e-5")) == pytest.approx(9e-5 / 127, rel=0.01)
    assert first_scale(build(*words, "-1")) == pytest.approx(1e-5 / 127, rel=0.01)


def test_npu_perf(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    context, out = built / "out" / "build_context.json", tmp_path / "out"
    outcome = run("build", "--config", context, "--output_dir", out, "--compiler.npu_perf")
    assert outcome.code == 0, outcome.err
    _, _, table = outcome.out.partition("NPU Perf Table")
    for text in ("Latency", "FPS", "Utilization", "ld:param 0.", "KiB (", "of the time)"):
        assert text in table
    folder = out / "compiler" / "debug" / "subgraph_npu_0" / "b1"
    events = json.loads((folder / "trace.json").read_text())["traceEvents"]
    names = {e["args"]["name"] for e in events if e["name"] == "thread_name"}
    assert names == {"conv0", "conv1", "teng2", "cv3", "sdma4"}
    assert "<html" in (folder / "timeline.html").read_text()


def test_dump_frontend_graph(build: Any) -> None:
    folder = build("--debug.dump_frontend_graph")
    graph = onnx.load(folder / "frontend" / "optimzied_quant_axmodel.onnx").graph
    assert "AxQuantizedConv" in {n.op_type for n in graph.node}


@pytest.mark.parametrize(
    ("target", "mode"),
    [("AX650", "NPU2"), ("M76H", "NPU3"), ("AX620E", "NPU2"), ("AX615", "NPU1"), ("M57", "NPU1")],
)
def test_target_hardware_and_npu_mode(built: Path, build: Any, target: str, mode: str) -> None:
    model = read_axmodel(
        build("--target_hardware", target, "--npu_mode", mode) / "compiled.axmodel"
    )
    assert (model.target, model.npu_mode) == (target, mode)
    first = read_axmodel(built / "out" / "compiled.axmodel")
    assert model.subgraphs[0].programs != first.subgraphs[0].programs


def test_explicit_mean_and_std_embed_nothing(built: Path, build: Any, tmp_path: Path) -> None:
    value = json.loads((built / "out" / "build_context.json").read_text())
    value["input_processors"][0] |= {
        "mean": [0], "std": [1], "src_dtype": "FP32", "src_layout": "NCHW",
    }  # fmt: skip
    (tmp_path / "c.json").write_text(json.dumps(value))
    outcome = run("build", "--config", tmp_path / "c.json", "--output_dir", tmp_path / "out")
    assert outcome.code == 0, outcome.err
    assert "preprocess tensor" not in outcome.err
    (tensor,) = read_axmodel(tmp_path / "out" / "compiled.axmodel").inputs
    assert (tensor.dtype, tensor.shape) == (np.float32, (1, 3, 16, 16))


def test_slicing_and_padding(built: Path, build: Any, tmp_path: Path) -> None:
    value = json.loads((built / "out" / "build_context.json").read_text())
    value["input_processors"][0] |= {
        "slicing": [0, 0, 2, 3, 0, 1, 0, 0],
        "padding": [0, 0, 1, 0, 0, 2, 0, 0],
        "padding_constant_value": 114,
        "padding_mode": "constant",
    }
    (tmp_path / "c.json").write_text(json.dumps(value))
    outcome = run("build", "--config", tmp_path / "c.json", "--output_dir", tmp_path / "out")
    assert outcome.code == 0, outcome.err
    session = InferenceSession(tmp_path / "out" / "compiled.axmodel")
    (given,) = session.get_inputs()
    assert tuple(given.shape) == (1, 20, 15, 3)
    image = np.random.default_rng(5).integers(0, 256, given.shape, dtype=np.uint8)
    inner = image[:, 2:17, :14]
    framed = np.pad(inner, ((0, 0), (1, 0), (0, 2), (0, 0)), constant_values=114)
    plain = InferenceSession(built / "out" / "compiled.axmodel")
    (expected,) = plain.run(None, {given.name: framed})
    (got,) = session.run(None, {given.name: image})
    np.testing.assert_array_equal(got, expected)


def test_pixels_as_floats_are_the_pixels(built: Path, tmp_path: Path) -> None:
    dark = tmp_path / "dark.tar"
    with tarfile.open(dark, "w") as archive:
        data = io.BytesIO()
        Image.fromarray(np.arange(768, dtype=np.uint8).reshape(16, 16, 3) % 90).save(data, "PNG")
        add(archive, "dark.png", data.getvalue())
    value = json.loads((built / "out" / "build_context.json").read_text())
    value["quant"]["input_configs"][0] |= {"calibration_dataset": str(dark), "calibration_size": -1}
    image = np.random.default_rng(6).integers(0, 256, (1, 16, 16, 3), dtype=np.uint8)
    results: list[list[np.ndarray[Any, Any]]] = []
    for name, given in (("U8", image), ("FP32", image.astype(np.float32))):
        value["input_processors"][0]["src_dtype"] = name
        (tmp_path / "c.json").write_text(json.dumps(value))
        outcome = run("build", "--config", tmp_path / "c.json", "--output_dir", tmp_path / name)
        assert outcome.code == 0, outcome.err
        session = InferenceSession(tmp_path / name / "compiled.axmodel")
        results.append(session.run(None, {session.get_inputs()[0].name: given}))
    for got, expected in zip(*results, strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("S8", np.int8), ("U16", np.uint16), ("S16", np.int16),
        ("U32", np.uint32), ("S32", np.int32), ("FP16", np.float16),
    ],
)  # fmt: skip
def test_src_dtype(built: Path, tmp_path: Path, name: str, dtype: type[np.number[Any]]) -> None:
    value = json.loads((built / "out" / "build_context.json").read_text())
    value["input_processors"][0] |= {"src_dtype": name}
    (tmp_path / "c.json").write_text(json.dumps(value))
    outcome = run("build", "--config", tmp_path / "c.json", "--output_dir", tmp_path / "out")
    assert outcome.code == 0, outcome.err
    session = InferenceSession(tmp_path / "out" / "compiled.axmodel")
    (given,) = session.get_inputs()
    assert given.dtype == np.dtype(dtype).name
    image = np.random.default_rng(6).integers(0, 128, given.shape)
    plain = InferenceSession(built / "out" / "compiled.axmodel")
    (expected,) = plain.run(None, {given.name: image.astype(np.uint8)})
    (got,) = session.run(None, {given.name: image.astype(dtype)})
    np.testing.assert_allclose(got, expected, atol=np.abs(expected).max() * 0.1)


def test_output_axes(built: Path, tmp_path: Path) -> None:
    model = onnx.load(built / "model.onnx")
    (conv,) = (n for n in model.graph.node if n.op_type == "Conv")
    features = next(n for n in model.graph.node if n.input[0] == conv.output[0]).output[0]
    model.graph.output.append(onnx.ValueInfoProto(name=features))
    onnx.save(model, tmp_path / "model.onnx")
    value = json.loads((built / "out" / "build_context.json").read_text())
    value["input"] = str(tmp_path / "model.onnx")

    def outputs(name: str, **said: Any) -> list[Any]:
        value["output_processors"] = [{"tensor_name": features, **said}] if said else []
        (tmp_path / "c.json").write_text(json.dumps(value))
        outcome = run("build", "--config", tmp_path / "c.json", "--output_dir", tmp_path / name)
        assert outcome.code == 0, outcome.err
        session = InferenceSession(tmp_path / name / "compiled.axmodel")
        (given,) = session.get_inputs()
        image = np.random.default_rng(5).integers(0, 256, given.shape, dtype=np.uint8)
        results = session.run(None, {given.name: image})
        assert [r.shape for r in results] == [tuple(o.shape) for o in session.get_outputs()]
        assert [o.name for o in session.get_outputs()][1] == features
        return list(results)

    plain = outputs("plain")
    last = outputs("nhwc", tensor_layout="NHWC")
    np.testing.assert_array_equal(last[0], plain[0])
    np.testing.assert_array_equal(last[1], plain[1].transpose(0, 2, 3, 1))
    other = outputs("perm", dst_perm=[0, 3, 1, 2])
    np.testing.assert_array_equal(other[1], plain[1].transpose(0, 3, 1, 2))


def test_output_axes_that_do_not_fit(built: Path, tmp_path: Path) -> None:
    value = json.loads((built / "out" / "build_context.json").read_text())
    value["output_processors"] = [{"tensor_name": "DEFAULT", "dst_perm": [0, 1, 2, 3]}]
    (tmp_path / "c.json").write_text(json.dumps(value))
    outcome = run("build", "--config", tmp_path / "c.json", "--output_dir", tmp_path / "out")
    assert outcome.code == 1
    assert "does not fit its 2 axes" in outcome.err
    assert not (tmp_path / "out" / "compiled.axmodel").exists()


def test_the_second_build_skips_calibration(built: Path, tmp_path: Path) -> None:
    value = json.loads((built / "out" / "build_context.json").read_text())

    def build(*words: str) -> tuple[bool, bytes]:
        (tmp_path / "c.json").write_text(json.dumps(value))
        outcome = run(
            "build", "--config", tmp_path / "c.json", "--output_dir", tmp_path / "out", *words
        )
        assert outcome.code == 0, outcome.err
        skipped = "an earlier build with the same model and data" in outcome.err
        assert skipped == ("Calibration Progress" not in outcome.out + outcome.err)
        return skipped, (tmp_path / "out" / "compiled.axmodel").read_bytes()

    first = build()
    assert not first[0]
    assert build() == (True, first[1])
    assert build("--no_cache") == (False, first[1])
    assert build("--npu_mode", "NPU2")[0]
    # The ranges, and what was decided for layers.
    kept = list((tmp_path / "out" / "quant" / "cache").iterdir())
    assert len(kept) == 2
    for file in kept:
        file.write_text("{ damaged")
    assert build() == (False, first[1])
    assert not build("--quant.calibration_method", "MSE")[0]
    value["quant"]["input_configs"][0]["calibration_size"] = 3
    assert not build()[0]
    assert build()[0]


def test_op_and_const_processors(built: Path, tmp_path: Path) -> None:
    value = json.loads((built / "out" / "build_context.json").read_text())
    model = onnx.load(built / "model.onnx")
    (flatten,) = (n for n in model.graph.node if n.op_type == "Flatten")
    weight = next(t for t in model.graph.initializer if t.name == "w")
    zeros = [0.0] * int(np.prod(weight.dims))
    np.save(tmp_path / "b.npy", np.full(8, 0.25, np.float32))
    value["const_processors"] = [
        {"name": "w", "data": zeros}, {"name": "b", "data_path": str(tmp_path / "b.npy")},
    ]  # fmt: skip
    value["op_processors"] = [{"op_name": flatten.name, "attrs": {"axis": -3}}]
    (tmp_path / "c.json").write_text(json.dumps(value))
    outcome = run("build", "--config", tmp_path / "c.json", "--output_dir", tmp_path / "out")
    assert outcome.code == 0, outcome.err
    assert f"set op [{flatten.name}] attr [axis] to -3" in outcome.err
    shape = ", ".join(map(str, weight.dims))
    assert f"update data of const tensor [w], ({shape}), FP32" in outcome.err
    optimized = onnx.load(tmp_path / "out" / "frontend" / "optimized.onnx")
    (conv,) = (n for n in optimized.graph.node if n.op_type == "Conv")
    held = {t.name: onnx.numpy_helper.to_array(t) for t in optimized.graph.initializer}
    assert not held[conv.input[1]].any()
    np.testing.assert_array_equal(held[conv.input[2]], np.full(8, 0.25))


def test_quant_op_processors(built: Path, tmp_path: Path) -> None:
    nodes = [
        onnx.helper.make_node("Conv", ["input", "w", "b"], ["c"], "conv", pads=[1] * 4),
        onnx.helper.make_node(
            "AveragePool", ["c"], ["p"], "pool", kernel_shape=[4, 4], strides=[4, 4], pads=[2] * 4
        ),
        onnx.helper.make_node("Flatten", ["p"], ["output"], "Flatten_4"),
    ]
    classifier(tmp_path / "model.onnx", nodes=nodes)
    value = json.loads((built / "out" / "build_context.json").read_text())

    def build(*processors: dict[str, Any]) -> Outcome:
        (tmp_path / "c.json").write_text(json.dumps(value | {"quant_op_processors": processors}))
        return run(
            "build", "--config", tmp_path / "c.json", "--input", tmp_path / "model.onnx",
            "--output_dir", tmp_path / "out",
        )  # fmt: skip

    def output() -> np.ndarray:
        session = InferenceSession(tmp_path / "out" / "compiled.axmodel")
        (given,) = session.get_inputs()
        image = np.random.default_rng(0).integers(0, 256, given.shape, dtype=np.uint8)
        return session.run(None, {given.name: image})[0]

    assert build().code == 0
    plain = output()
    outcome = build(
        {"op_name": "pool", "attrs": {"count_include_pad": 1}},
        {"op_name": "Flatten_4", "attrs": {"shape": [8, -1]}},
    )
    assert outcome.code == 0, outcome.err
    assert "set op [pool] attr [count_include_pad] to 1" in outcome.err
    assert "set op [Flatten_4] attr [shape] to [8, -1]" in outcome.err
    changed = output()
    (size,) = plain.shape[1:]
    assert changed.shape == (8, size // 8)
    planes, before = changed.reshape(8, 5, 5), plain.reshape(8, 5, 5)
    # Windows at the edges see half of their elements, and in corners a quarter; inner ones all.
    step = np.abs(before).max() / 100
    np.testing.assert_allclose(planes[:, 1:-1, 1:-1], before[:, 1:-1, 1:-1], atol=step)
    np.testing.assert_allclose(planes[:, 0, 1:-1], before[:, 0, 1:-1] / 2, atol=step)
    np.testing.assert_allclose(planes[:, 0, 0], before[:, 0, 0] / 4, atol=step)
    # The quantized model, read back, takes them as well.
    assert build({"op_name": "pool", "attrs": {"count_include_pad": 1}}).code == 0
    value["input"] = str(tmp_path / "out" / "quant" / "quant_axmodel.onnx")
    (tmp_path / "q.json").write_text(
        json.dumps(
            {k: value[k] for k in ("input", "target_hardware")}
            | {"quant_op_processors": [{"op_name": "Flatten_4", "attrs": {"shape": [8, -1]}}]}
        )
    )
    outcome = run(
        "build", "--config", tmp_path / "q.json", "--model_type", "QuantAxModel",
        "--output_dir", tmp_path / "out",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    np.testing.assert_array_equal(output(), changed)
    outcome = build(
        {"op_name": "pol", "attrs": {"kernel": [2, 2]}},
        {"op_name": "Flatten_4", "attrs": {"shapes": [8, 25]}},
    )
    assert outcome.code == 1
    assert "the quantized graph has no operator 'pol'" in outcome.err
    assert "did you mean 'pool'" in outcome.err
    assert "it has no attribute 'shapes'" in outcome.err


def _relu_chain(path: Path) -> None:
    """Writes the classifier's model with two needless Identity nodes in front."""
    model = onnx.load(path)
    first = model.graph.node[0]
    (name,) = (i for i in first.input if i == model.graph.input[0].name)
    for index, (x, y) in enumerate([(name, "i1"), ("i1", "i2")]):
        model.graph.node.insert(index, onnx.helper.make_node("Identity", [x], [y], f"id{index}"))
    first = model.graph.node[2]
    first.input[list(first.input).index(name)] = "i2"
    onnx.save(model, path)


def test_onnx_optimization(built: Path, build: Any, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes((built / "model.onnx").read_bytes())
    _relu_chain(tmp_path / "model.onnx")

    def nodes(*words: str) -> list[str]:
        folder = build("--input", tmp_path / "model.onnx", *words)
        return [n.op_type for n in onnx.load(folder / "frontend" / "optimized.onnx").graph.node]

    assert "Identity" not in nodes()
    assert nodes("--onnx_opt.disable_onnx_optimization").count("Identity") == 2
    assert (tmp_path / "out" / "compiled.axmodel").is_file()
    both = ("--onnx_opt.disable_onnx_optimization", "--onnx_opt.enable_onnxsim")
    assert "Identity" not in nodes(*both)


def test_weights_are_kept_in_files(
    built: Path, build: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    files: list[int] = []
    monkeypatch.setattr("pulsar2.weights._LEAST_IN_FILE", 256)
    in_file = WeightStore._in_file  # pyright: ignore[reportPrivateUsage]

    def counted(store: WeightStore, key: str, array: Any) -> Any:
        files.append(array.nbytes)
        return in_file(store, key, array)

    monkeypatch.setattr(WeightStore, "_in_file", counted)
    folder = build("--onnx_opt.save_tensors_data")
    assert files
    made = (folder / "compiled.axmodel").read_bytes()
    assert made == (built / "out" / "compiled.axmodel").read_bytes()
    assert not list(folder.rglob(".pulsar2-*"))
    files.clear()
    build()
    assert not files


def test_model_check(built: Path, tmp_path: Path) -> None:
    context = built / "out" / "build_context.json"
    words = ("build", "--config", context, "--output_dir", tmp_path / "out")
    outcome = run(*words, "--onnx_opt.model_check")
    assert outcome.code == 0, outcome.err
    assert "the optimized model computes what the original does on 4 sample(s)" in outcome.err
    assert "the outputs before and after [optimize] agree" in outcome.err
    outcome = run(*words, "--onnx_opt.disable_transformation_check")
    assert outcome.code == 0
    assert "the outputs before and after" not in outcome.err


@pytest.mark.parametrize("data_type", ["U8", "S16"])
def test_output_dtype(built: Path, tmp_path: Path, data_type: str) -> None:
    """The integers, with the scale and zero point that the log tells, are the numbers."""
    value = json.loads((built / "out" / "build_context.json").read_text())
    value["quant"]["layer_configs"] = [{"op_type": "Gemm", "data_type": data_type}]
    images = np.random.default_rng(6).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    results: dict[str, Any] = {}
    for dtype in ("FP32", "U8"):
        value["output_processors"] = [{"tensor_name": "DEFAULT", "output_dtype": dtype}]
        (tmp_path / "c.json").write_text(json.dumps(value))
        outcome = run(
            "build", "--config", tmp_path / "c.json", "--output_dir", tmp_path / dtype,
            "--compiler.check", "2",
        )  # fmt: skip
        assert outcome.code == 0, outcome.err
        session = InferenceSession(tmp_path / dtype / "compiled.axmodel")
        (results[dtype],) = session.run(None, {"input": images})
    (told,) = session.get_outputs()
    assert told.scale is not None
    assert told.zero_point is not None
    line = f"scale {told.scale}, zero point {told.zero_point}"
    assert f"output [output] is U8: {line}" in outcome.err
    outcome = run(
        "run", "--model", tmp_path / "U8" / "compiled.axmodel", "--input_dir", tmp_path / "in",
        "--output_dir", tmp_path / "o", "--random_input",
    )  # fmt: skip
    assert f"output [output] is uint8: {line}" in outcome.out
    assert results["U8"].dtype == np.uint8
    real = (results["U8"].astype(np.float32) - told.zero_point) * told.scale
    atol = 1e-6 if data_type == "U8" else 0.51 * told.scale
    np.testing.assert_allclose(real, results["FP32"], rtol=1e-5, atol=atol)
    again = run(
        "build", "--input", tmp_path / "U8" / "quant" / "quant_axmodel.onnx", "--model_type",
        "QuantAxModel", "--output_dir", tmp_path / "again",
    )  # fmt: skip
    assert again.code == 0, again.err
    (got,) = InferenceSession(tmp_path / "again" / "compiled.axmodel").run(None, {"input": images})
    np.testing.assert_array_equal(got, results["U8"])
