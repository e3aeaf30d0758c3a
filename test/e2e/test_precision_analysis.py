"""`quant.precision_analysis`: tables, graphs and pages of a build, and what is wrong with data."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from cases import Outcome, classifier, configuration, pictures, run, write_config
from onnx import helper, numpy_helper
from onnxruntime.quantization import QuantFormat, QuantType
from qdq_models import inputs, quantized_by_runtime

from pulsar2.context import make_context
from pulsar2.dialects.quant import MatMulOp
from pulsar2.dialects.quant.types import quant_parameters, quantized_of
from pulsar2.quant_axmodel import read_quant_axmodel


@pytest.fixture
def analyse(built: Path, tmp_path: Path) -> Any:
    """Builds the first example with a precision analysis, and more keys under `quant`."""

    def with_quant(code: int = 0, **quant: Any) -> Outcome:
        value = json.loads((built / "out" / "build_context.json").read_text())
        value["quant"] |= {"precision_analysis": True, **quant}
        (tmp_path / "c.json").write_text(json.dumps(value))
        outcome = run("build", "--config", tmp_path / "c.json", "--output_dir", tmp_path / "out")
        assert outcome.code == code, outcome.err
        return outcome

    return with_quant


def table(folder: Path) -> dict[str, list[str]]:
    """The rows of the table in the file: cells by operator."""
    text = (folder / "quant" / "debug" / "precision_analysis_table.txt").read_text()
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines()]
    return {row[0]: row[1:] for row in rows if row}


def page(folder: Path) -> dict[str, Any]:
    """The data of the page."""
    text = (folder / "quant" / "debug" / "precision_analysis.html").read_text()
    (line,) = [x for x in text.splitlines() if x.startswith("const data = ")]
    return json.loads(line.removeprefix("const data = ").rstrip(";").replace("<\\/", "</"))


def test_per_layer_reference(analyse: Any, tmp_path: Path) -> None:
    outcome = analyse()
    debug = tmp_path / "out" / "quant" / "debug"
    assert "Quant Precision Table【PerLayer Reference】" in outcome.out
    assert "on 4 of 4 calibration sample(s)" in outcome.err
    for what, name in (("table", "_table.txt"), ("graph", ".mmd"), ("report", ".html")):
        path = debug / f"precision_analysis{name}"
        assert f"save precision analysis {what} to [{path}]" in outcome.err
        assert path.exists()
    rows = table(tmp_path / "out")
    assert next(iter(rows)) == "conv"
    assert rows["conv"][:5] == ["AxQuantizedConv", "r", "(1, 8, 8, 8)", "FP32", "U8"]
    assert rows["pool"][0] == "AxQuantizedGlobAvgPool"
    assert rows["flatten"][0] == "AxReshape"
    assert rows["output_DequantizeLinear"][4] == "FP32"
    assert all(float(row[5]) > 0.999 for row in rows.values())
    graph = (debug / "precision_analysis.mmd").read_text()
    assert graph.startswith("flowchart TD\n")
    names = re.findall(r'n\d+\["([^<]*)<br/>', graph)
    assert names == list(rows)
    assert graph.count(" --> ") == len(rows) - 1
    html = (debug / "precision_analysis.html").read_text()
    assert not re.search(r"(src|href)=|@import|url\(", html)


def test_options_of_an_analysis_that_is_not_asked_for(analyse: Any) -> None:
    outcome = analyse(precision_analysis=False, precision_analysis_mode="NPUBackend")
    words = "quant.precision_analysis_mode has no effect without quant.precision_analysis"
    assert words in outcome.err
    assert "precision_analysis_method" not in outcome.err


def test_figures_are_those_of_the_layer_by_itself(analyse: Any, tmp_path: Path) -> None:
    """The Gemm of the table, recomputed with numpy from what lies in the files."""
    analyse()
    out = tmp_path / "out"
    model = onnx.load(out / "frontend" / "optimized.onnx")
    known = {"output"}
    inner = [n.output[0] for n in model.graph.node if n.output[0] not in known]
    model.graph.output.extend(onnx.ValueInfoProto(name=n) for n in inner)
    session: Any = onnxruntime.InferenceSession(model.SerializeToString())
    ctx = make_context()
    module = read_quant_axmodel(out / "quant" / "quant_axmodel.onnx", ctx)
    (gemm,) = [op for op in module.walk() if isinstance(op, MatMulOp)]

    def numbers(array: Any, value: Any) -> Any:
        scale, zero = quant_parameters(quantized_of(value), ctx.weights)
        low, high = quantized_of(value).bounds
        return (np.clip(np.rint(array / scale) + zero, low, high) - zero) * scale

    weights = gemm.b.owner.array(ctx.weights).astype(np.float64)
    weights *= quant_parameters(quantized_of(gemm.b), ctx.weights)[0]
    expected, got = [], []
    dataset = sorted((out / "quant" / "dataset" / "input").iterdir())
    from pulsar2.calibration.images import Preprocessing

    mean, std = (127.0,) * 3, (128.0,) * 3
    preprocessing = Preprocessing(16, 16, 3, "RGB", "NCHW", mean, std)
    for path in dataset:
        picture = preprocessing.tensor(path, np.dtype(np.float32))[None]
        values = dict(
            zip([o.name for o in session.get_outputs()], session.run(None, {"input": picture}),
                strict=True)
        )  # fmt: skip
        expected.append(values["output"].ravel().astype(np.float64))
        got.append(numbers(numbers(values["f"].astype(np.float64), gemm.a) @ weights, gemm.y))
    f, q = np.concatenate(expected), np.concatenate([g.ravel() for g in got])
    row = table(out)["gemm"]
    assert float(row[5]) == pytest.approx(f @ q / np.sqrt((f @ f) * (q @ q)), abs=1.1e-5)
    assert float(row[6]) == pytest.approx(np.mean((f - q) ** 2), abs=1.1e-5)


def test_errors_add_up_end_to_end(tmp_path: Path) -> None:
    """A layer of few values of U8 spoils those behind it end to end, and by itself alone."""
    rng = np.random.default_rng(0)
    wide = rng.normal(0, 1, (8, 3, 1, 1)).astype(np.float32)
    wide[0] *= 300  # the other channels are left with few steps
    back = rng.normal(0, 1, (8, 8, 1, 1)).astype(np.float32)
    back[:, 0] = 0
    nodes = [
        helper.make_node("Conv", ["input", "wide"], ["a"], "first"),
        helper.make_node("Conv", ["a", "back"], ["b"], "second"),
        helper.make_node("Softsign", ["b"], ["output"], "last"),
    ]
    path = classifier(tmp_path / "model.onnx", nodes=nodes[:2])
    model = onnx.load(path)
    model.graph.initializer.extend(
        [numpy_helper.from_array(wide, "wide"), numpy_helper.from_array(back, "back")]
    )
    model.graph.output[0].name = "b"
    onnx.save(model, path)
    value = configuration(pictures(tmp_path / "data.tar"))
    value["quant"]["precision_analysis"] = True
    write_config(tmp_path / "c.json", value)
    found: dict[str, dict[str, list[str]]] = {}
    for method in ("PerLayer", "EndToEnd"):
        outcome = run(
            "build", "--input", path, "--config", tmp_path / "c.json", "--output_dir",
            tmp_path / method, "--quant.precision_analysis_method", method,
        )  # fmt: skip
        assert outcome.code == 0, outcome.err
        assert f"Quant Precision Table【{method} Reference】" in outcome.out
        found[method] = table(tmp_path / method)
    assert float(found["PerLayer"]["first"][5]) > 0.999
    assert found["EndToEnd"]["first"] == found["PerLayer"]["first"]
    assert float(found["EndToEnd"]["second"][5]) < 0.95
    told = page(tmp_path / "PerLayer")
    second = next(x for x in told["layers"] if x["operator"] == "second")
    assert second["shares"]["inputs"] > 0.9
    assert any("stay below a sixteenth" in t for t in second["advice"])
    assert second["configs"] == [{"layer_name": "second", "data_type": "U16"}]
    now, with_this, everywhere = told["effects"]["b"]
    assert with_this > now + 10
    assert everywhere >= with_this - 1
    # What the report proposes does what it says.
    value["quant"]["layer_configs"] = told["configs"]
    write_config(tmp_path / "c.json", value)
    outcome = run(
        "build", "--input", path, "--config", tmp_path / "c.json", "--output_dir",
        tmp_path / "again",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert page(tmp_path / "again")["outputs"]["b"]["sqnr"] == pytest.approx(with_this, abs=0.01)


@pytest.mark.parametrize("method", ["PerLayer", "EndToEnd"])
def test_the_program_gives_the_figures_of_the_reference(
    analyse: Any, tmp_path: Path, method: str
) -> None:
    analyse(precision_analysis_method=method)
    reference = table(tmp_path / "out")
    outcome = analyse(precision_analysis_mode="NPUBackend", precision_analysis_method=method)
    assert f"Quant Precision Table【{method} NPUBackend】" in outcome.out
    program = table(tmp_path / "out")
    assert list(program) == list(reference)
    for name, row in program.items():
        assert row[:5] == reference[name][:5]
        assert float(row[5]) == pytest.approx(float(reference[name][5]), abs=5e-5)


def test_a_part_on_the_cpu(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["input", "w", "b"], ["c"], "conv", strides=[2, 2], pads=[1] * 4),
        helper.make_node("ThresholdedRelu", ["c"], ["r"], "cut", alpha=0.2),
        helper.make_node("GlobalAveragePool", ["r"], ["p"], "pool"),
        helper.make_node("Flatten", ["p"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "fc"], ["output"], "gemm"),
    ]
    path = classifier(tmp_path / "model.onnx", nodes=nodes)
    write_config(tmp_path / "c.json", configuration(pictures(tmp_path / "data.tar")))
    words = (
        "build", "--input", path, "--config", tmp_path / "c.json", "--output_dir",
        tmp_path / "out", "--quant.precision_analysis", "--quant.precision_analysis_mode",
    )  # fmt: skip
    outcome = run(*words, "NPUBackend")
    assert outcome.code == 1
    assert "quant.precision_analysis_mode: NPUBackend can analyse models of NPU" in outcome.err
    assert "'cut' (ThresholdedRelu)" in outcome.err
    assert "Calibration Progress" not in outcome.out
    assert run(*words, "Reference").code == 0
    rows = table(tmp_path / "out")
    assert rows["cut"][0] == "ThresholdedRelu"
    assert rows["cut"][5] == "1.00000"


def test_samples_of_the_users_own(analyse: Any, tmp_path: Path) -> None:
    folder = tmp_path / "samples"
    missing = analyse(1, input_sample_dir=str(folder))
    assert f"{folder}: it is no folder" in missing.err
    shape = (1, 3, 16, 16)
    array = np.zeros(shape, np.float32)
    for name, data in (("one", array), ("two", array[:, :2]), ("three", array + np.nan)):
        (folder / name).mkdir(parents=True)
        data.tofile(folder / name / "input.bin")
    (folder / "four").mkdir()
    np.save(folder / "four" / "input.npy", array.astype(np.float64))
    (folder / "five").mkdir()
    wrong = analyse(1, input_sample_dir=str(folder))
    (folder / "five").rmdir()
    assert "five: the input 'input' has no file (input.bin, or input.npy)" in wrong.err
    assert "two/input.bin: the input 'input' has 2048 bytes (expected 3072" in wrong.err
    assert "three/input.bin: the data for input 'input' hold 768 times NaN" in wrong.err
    assert "four/input.npy: the data for input 'input' are float64" in wrong.err
    assert "Calibration Progress" not in wrong.out
    for name in ("two", "three", "four"):
        (folder / name / "input.bin").unlink(missing_ok=True)
    np.random.default_rng(0).normal(size=shape).astype(np.float32).tofile(
        folder / "two" / "input.bin"
    )
    np.save(folder / "three" / "input.npy", array + 0.5)
    np.save(folder / "four" / "input.npy", array - 0.5)
    outcome = analyse(input_sample_dir=str(folder))
    assert f"on 4 sample(s) of [{folder}]" in outcome.err
    assert page(tmp_path / "out")["samples"] == ["four", "one", "three", "two"]
    given = onnx.TensorProto.FromString(
        (tmp_path / "out" / "quant" / "debug" / "test_data_set_0" / "input_0.pb").read_bytes()
    )
    np.testing.assert_array_equal(numpy_helper.to_array(given), array - 0.5)


def test_the_first_sample_and_its_outputs_are_kept(analyse: Any, tmp_path: Path) -> None:
    analyse()
    debug = tmp_path / "out" / "quant" / "debug"
    arrays = {
        path.stem: numpy_helper.to_array(onnx.TensorProto.FromString(path.read_bytes()))
        for path in (debug / "test_data_set_0").iterdir()
    }
    session: Any = onnxruntime.InferenceSession(tmp_path / "out" / "frontend" / "optimized.onnx")
    (expected,) = session.run(None, {"input": arrays["input_0"]})
    np.testing.assert_allclose(arrays["output_0"], expected, rtol=1e-4, atol=1e-5)
    assert arrays["quantized_output_0"].shape == expected.shape
    np.testing.assert_allclose(arrays["quantized_output_0"], expected, atol=0.1)
    for kind, name, stem in (
        ("input", "input", "input_0"), ("float", "output", "output_0"),
        ("quantized", "output", "quantized_output_0"),
    ):  # fmt: skip
        data = (debug / "io" / kind / f"{name}.bin").read_bytes()
        assert data == arrays[stem].tobytes()


def test_a_model_that_is_quantized_already(tmp_path: Path) -> None:
    """It is held against itself: what a QuantizeLinear clips in the place of a Relu is no error."""
    kinds = QuantType.QUInt8, QuantType.QInt8
    onnx.save(quantized_by_runtime(QuantFormat.QDQ, *kinds, per_channel=True), tmp_path / "m.onnx")
    (sample,) = inputs(1)
    for name, array in sample.items():
        (tmp_path / "samples").mkdir()
        np.save(tmp_path / "samples" / f"{name}.npy", array)
    value: dict[str, Any] = {"model_type": "QuantONNX", "quant": {"precision_analysis": True}}
    write_config(tmp_path / "c.json", value)
    words = (
        "build", "--input", tmp_path / "m.onnx", "--config", tmp_path / "c.json", "--output_dir",
        tmp_path / "out",
    )  # fmt: skip
    outcome = run(*words)
    assert outcome.code == 1
    assert "quant.input_sample_dir: precision_analysis has no data" in outcome.err
    outcome = run(*words, "--quant.input_sample_dir", tmp_path / "samples")
    assert outcome.code == 0, outcome.err
    assert "the model is quantized already: its layers are compared with itself" in outcome.err
    rows = table(tmp_path / "out")
    assert {"conv", "sigmoid", "gemm"} < rows.keys()
    assert all(float(row[5]) > 0.9998 for row in rows.values())


def test_a_runtime_input_that_samples_do_not_tell(built: Path, tmp_path: Path) -> None:
    """YUV: the quantized graph begins where the float one does."""
    value = json.loads((built / "out" / "build_context.json").read_text())
    value["quant"] |= {"precision_analysis": True, "precision_analysis_method": "EndToEnd"}
    value["input_processors"][0] |= {"src_format": "YUV420SP", "csc_mode": "FullRange"}
    (tmp_path / "c.json").write_text(json.dumps(value))
    outcome = run("build", "--config", tmp_path / "c.json", "--output_dir", tmp_path / "out")
    assert outcome.code == 0, outcome.err
    rows = table(tmp_path / "out")
    assert next(iter(rows)) == "conv"
    assert all(float(row[5]) > 0.999 for row in rows.values())


def test_outputs_of_other_axes(built: Path, tmp_path: Path) -> None:
    value = json.loads((built / "out" / "build_context.json").read_text())
    value["quant"] |= {"precision_analysis": True}
    value["output_processors"] = [{"tensor_name": "output", "dst_perm": [1, 0]}]
    (tmp_path / "c.json").write_text(json.dumps(value))
    outcome = run("build", "--config", tmp_path / "c.json", "--output_dir", tmp_path / "out")
    assert outcome.code == 0, outcome.err
    rows = table(tmp_path / "out")
    assert all(float(row[5]) > 0.999 for row in rows.values())
    assert rows["gemm"][1] == "output"


def test_what_nobody_tells_apart_is_no_fault(tmp_path: Path) -> None:
    """Sigmoid is the same far out, and MaxPool drops what is small; other data are a fault."""
    nodes = [
        helper.make_node("Conv", ["input", "w", "b"], ["c"], "level", pads=[1] * 4),
        helper.make_node("Sigmoid", ["c"], ["s"], "sigmoid"),
        helper.make_node("Conv", ["s", "deep"], ["d"], "deep"),
        helper.make_node("PRelu", ["d", "slope"], ["p"], "selected"),
        helper.make_node("MaxPool", ["p"], ["output"], "pool", kernel_shape=[4, 4], strides=[4, 4]),
    ]
    model = onnx.load(classifier(tmp_path / "model.onnx", nodes=nodes))
    rng = np.random.default_rng(2)
    weights = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    weights["w"] = weights["w"] * 40
    weights["deep"] = rng.normal(0, 1, (8, 8, 1, 1)).astype(np.float32)
    weights["slope"] = np.full((8, 1, 1), 3, np.float32)
    del model.graph.initializer[:]
    model.graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in weights.items())
    onnx.save(model, tmp_path / "model.onnx")
    value = configuration(pictures(tmp_path / "data.tar"))
    value["quant"]["precision_analysis"] = True
    write_config(tmp_path / "c.json", value)
    words = ["build", "--input", tmp_path / "model.onnx", "--config", tmp_path / "c.json"]
    words += ["--output_dir", tmp_path / "out"]
    outcome = run(*words)
    assert outcome.code == 0, outcome.err
    layers = {x["operator"]: x for x in page(tmp_path / "out")["layers"]}
    for name in ("level", "selected"):
        assert layers[name]["saturation"] > 0.01
        assert "as is meant" in " ".join(layers[name]["advice"])
        assert "Calibrate on data" not in " ".join(layers[name]["advice"])
        assert layers[name]["configs"] == []
    (told,) = re.findall("layers of the lowest SQNR: (.*)", outcome.err)
    assert "level" not in told
    assert "selected" not in told
    (tmp_path / "samples" / "one").mkdir(parents=True)
    sample = rng.normal(0, 20, (1, 3, 16, 16)).astype(np.float32)
    np.save(tmp_path / "samples" / "one" / "input.npy", sample)
    value["quant"]["input_sample_dir"] = str(tmp_path / "samples")
    model.graph.node[1].op_type = "Abs"  # which does not level off
    onnx.save(model, tmp_path / "model.onnx")
    write_config(tmp_path / "c.json", value)
    outcome = run(*words)
    assert outcome.code == 0, outcome.err
    layers = {x["operator"]: x for x in page(tmp_path / "out")["layers"]}
    assert "Calibrate on data that are like these" in " ".join(layers["level"]["advice"])
