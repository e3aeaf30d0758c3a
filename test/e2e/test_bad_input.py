"""Bad input: a clear error, the right exit code, no traceback, and nothing half-written."""

from __future__ import annotations

import json
import os
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from cases import Outcome, add, classifier, configuration, pictures, run, write_config
from onnx import helper, numpy_helper


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a model, a data set and a configuration that build."""
    classifier(tmp_path / "model.onnx")
    write_config(tmp_path / "config.json", configuration(pictures(tmp_path / "data.tar")))
    return tmp_path


def build(project: Path, *words: str | Path, **changes: Any) -> Outcome:
    """Builds the project with `changes` to its configuration."""
    config = project / "config.json"
    if changes:
        write_config(config, configuration(project / "data.tar", **changes))
    given = [str(w) for w in words]
    if "--input" not in given:
        words += ("--input", project / "model.onnx")
    if "--config" not in given:
        words += ("--config", config)
    return run("build", "--output_dir", project / "out", *words)


def refused(project: Path, outcome: Outcome, *expected: str) -> None:
    """Exit code 1, all of `expected` said, and no result in the output folder."""
    assert outcome.code == 1, outcome
    for text in expected:
        assert text in outcome.err, outcome.err
    assert "Traceback" not in outcome.err + outcome.out
    assert "internal error" not in outcome.err
    left = [p for p in (project / "out").rglob("*") if p.is_file()]
    assert not [p for p in left if p.name.startswith(".pulsar2-")]
    assert project / "out" / "compiled.axmodel" not in left
    assert project / "out" / "build_context.json" not in left


def test_the_project_builds(project: Path) -> None:
    outcome = build(project)
    assert outcome.code == 0, outcome.err
    assert (project / "out" / "compiled.axmodel").is_file()


def test_missing_model(project: Path) -> None:
    outcome = build(project, "--input", project / "none.onnx")
    refused(project, outcome, "none.onnx", "there is no such model file")
    assert not (project / "out").exists()


def test_missing_configuration(project: Path) -> None:
    outcome = build(project, "--config", project / "none.json")
    refused(project, outcome, "none.json: cannot read the configuration: No such file")
    assert not (project / "out").exists()


def test_missing_archive(project: Path) -> None:
    (project / "data.tar").unlink()
    refused(project, build(project), "data.tar", "does not exist")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("name", ["model.onnx", "config.json", "data.tar"])
def test_unreadable_file(project: Path, name: str) -> None:
    (project / name).chmod(0)
    refused(project, build(project), name, "Permission denied")


@pytest.mark.parametrize("name", ["model.onnx", "data.tar"])
def test_folder_instead_of_a_file(project: Path, name: str) -> None:
    (project / name).unlink()
    (project / name).mkdir()
    refused(project, build(project), name)


@pytest.mark.parametrize("data", [b"", b"hello", b"\x08\x08" * 50, bytes(range(256))])
def test_not_onnx(project: Path, data: bytes) -> None:
    (project / "model.onnx").write_bytes(data)
    refused(project, build(project), "model.onnx")
    assert not (project / "out").exists()


def test_truncated_model(project: Path) -> None:
    model = project / "model.onnx"
    model.write_bytes(model.read_bytes()[:-50])
    refused(project, build(project), "model.onnx")


def test_unknown_key(project: Path) -> None:
    outcome = build(project, quantt={})
    refused(project, outcome, "unknown key 'quantt'", "did you mean 'quant'", "config.json:")
    assert not (project / "out").exists()


def test_unknown_option(project: Path) -> None:
    outcome = build(project, "--quant.calibration_metod", "MinMax")
    assert outcome.code == 2
    assert "did you mean '--quant.calibration_method'" in outcome.err


def test_wrong_value_of_an_enumeration(project: Path) -> None:
    outcome = build(project, npu_mode="NPU7")
    refused(project, outcome, "npu_mode: 'NPU7' is not accepted", "one of NPU1, NPU2, NPU3")


def test_configuration_that_is_not_json(project: Path) -> None:
    (project / "config.json").write_text('{"quant": {')
    refused(project, build(project), "config.json:1:11: this '{' is never closed")


def test_option_that_is_not_built_yet(project: Path) -> None:
    outcome = build(project, "--target_hardware", "AX637", npu_mode="NPU7")
    refused(
        project,
        outcome,
        "target_hardware: AX637 is not built yet",
        "npu_mode: 'NPU7' is not accepted",
    )


def test_tensor_names_that_the_model_lacks(project: Path) -> None:
    changed = configuration(project / "data.tar")
    changed["quant"]["input_configs"][0]["tensor_name"] = "imput"
    changed["input_processors"][0]["tensor_name"] = "data"
    changed["output_processors"] = [{"tensor_name": "outptu"}]
    refused(
        project,
        build(project, **changed),
        "quant.input_configs[0].tensor_name: the model has no input 'imput'",
        "input_processors[0].tensor_name: the model has no input 'data'",
        "output_processors[0].tensor_name: the model has no output 'outptu'",
        "its inputs: input; did you mean 'input'?",
        "its outputs: output; did you mean 'output'?",
        "config.json:",
        "3 errors",
    )
    assert not (project / "out").exists()


def test_input_shapes_of_an_unknown_input(project: Path) -> None:
    outcome = build(project, "--input_shapes", "data:1x3x16x16")
    refused(project, outcome, "data", "input")


def test_input_without_calibration_data(project: Path) -> None:
    outcome = build(project, quant={})
    refused(project, outcome, "no calibration data for the input 'input'")


@pytest.mark.parametrize("name", ["../evil.png", "/tmp/evil.png", "a/../../evil.png"])
def test_archive_that_climbs_out(project: Path, name: str) -> None:
    with tarfile.open(project / "data.tar", "a") as archive:
        add(archive, name, b"x")
    refused(project, build(project), "data.tar", "evil.png")
    assert not (project / "evil.png").exists()
    assert not (project / "out" / "evil.png").exists()


def test_zip_that_climbs_out(project: Path) -> None:
    (project / "data.tar").unlink()
    with zipfile.ZipFile(project / "data.zip", "w") as archive:
        archive.writestr("../evil.png", b"x")
    config = configuration(project / "data.zip")
    refused(project, build(project, **config), "data.zip", "evil.png")
    assert not (project / "evil.png").exists()


def test_links_in_an_archive_lead_nowhere(project: Path) -> None:
    with tarfile.open(project / "data.tar", "a") as archive:
        link = tarfile.TarInfo("link.png")
        link.type = tarfile.SYMTYPE
        link.linkname = "/etc/passwd"
        archive.addfile(link)
    outcome = build(project)
    assert outcome.code in (0, 1)
    assert "Traceback" not in outcome.err
    assert not [p for p in (project / "out").rglob("*") if p.is_symlink()]


def test_fewer_pictures_than_asked_for(project: Path) -> None:
    changed = configuration(project / "data.tar")
    changed["quant"]["input_configs"][0]["calibration_size"] = 32
    outcome = build(project, **changed)
    assert outcome.code == 0
    assert "WARNING" in outcome.err
    assert "32" in outcome.err
    assert "4" in outcome.out.split("warnings")[1]


def test_no_picture_at_all(project: Path) -> None:
    with tarfile.open(project / "data.tar", "w") as archive:
        add(archive, "readme.txt", b"x")
    refused(project, build(project), "data.tar", "no file")


@pytest.mark.parametrize("data", [b"not a picture", b"", b"\x89PNG\r\n\x1a\n" + b"\0" * 30])
def test_picture_that_does_not_decode(project: Path, data: bytes) -> None:
    with tarfile.open(project / "data.tar", "a") as archive:
        add(archive, "broken.png", data)
    changed = configuration(project / "data.tar")
    changed["quant"]["input_configs"][0]["calibration_size"] = -1
    refused(project, build(project, **changed), "broken.png")


def test_truncated_archive(project: Path) -> None:
    data = (project / "data.tar").read_bytes()
    (project / "data.tar").write_bytes(data[:700])
    refused(project, build(project), "data.tar")


def test_dynamic_shapes_without_input_shapes(project: Path) -> None:
    classifier(project / "model.onnx", shape=["N", 3, 16, 16])
    outcome = build(project)
    refused(project, outcome, "input", "input_shapes")
    assert not (project / "out").exists()
    assert build(project, "--input_shapes", "input:1x3x16x16").code == 0


def _changed(project: Path, change: Any) -> Outcome:
    """Builds the project's model after a change of its graph."""
    proto = onnx.load(project / "model.onnx")
    change(proto.graph)
    (project / "model.onnx").write_bytes(proto.SerializeToString())
    return build(project)


def test_a_graph_with_a_cycle(project: Path) -> None:
    def change(graph: Any) -> None:
        graph.node[1].input[0] = "p"

    refused(project, _changed(project, change), "the graph has a cycle", "'relu'", "'pool'")


def test_a_missing_initializer(project: Path) -> None:
    def change(graph: Any) -> None:
        (place,) = (i for i, t in enumerate(graph.initializer) if t.name == "w")
        del graph.initializer[place]

    refused(project, _changed(project, change), "node 'conv' (Conv)", "its input 'w'")


def test_a_missing_external_file(project: Path) -> None:
    def change(graph: Any) -> None:
        for tensor in graph.initializer:
            tensor.ClearField("raw_data")
            tensor.data_location = onnx.TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value=f"{tensor.name}.bin")

    outcome = _changed(project, change)
    refused(project, outcome, "initializer 'w'", "initializer 'fc'", "data file is missing")


def test_operands_of_wrong_types(project: Path) -> None:
    def change(graph: Any) -> None:
        for tensor in graph.initializer:
            if tensor.name in ("w", "fc"):
                tensor.CopyFrom(
                    numpy_helper.from_array(np.ones(tuple(tensor.dims), int), tensor.name)
                )

    refused(project, _changed(project, change), "node 'conv' (Conv)", "node 'gemm' (Gemm)")


def test_attributes_beyond_the_limits_are_all_told(project: Path) -> None:
    pads = [0, 0, 1, 1, 0, 0, 1, 1]
    nodes = [
        helper.make_node("Conv", ["input", "w", "b"], ["c"], "conv"),
        helper.make_node("Pad", ["c", "pads"], ["d"], "mirror", mode="reflect"),
        helper.make_node("Resize", ["d", "", "scales"], ["e"], "grow", mode="cubic"),
        helper.make_node("GlobalAveragePool", ["e"], ["output"], "pool"),
    ]
    classifier(project / "model.onnx", nodes=nodes)
    proto = onnx.load(project / "model.onnx")
    constants = {"pads": np.array(pads, np.int64), "scales": np.array([1, 1, 2, 2], np.float32)}
    proto.graph.initializer.extend(numpy_helper.from_array(a, n) for n, a in constants.items())
    onnx.save(proto, project / "model.onnx")
    outcome = build(project)
    assert outcome.code == 0, outcome.err
    told = json.loads((project / "out" / "compiler" / "cpu_nodes.json").read_text())
    text = json.dumps(told)
    for word in ("mirror", "reflect", "mode is constant", "grow", "cubic"):
        assert word in text
    for word in ("mirror", "grow", "reflect", "cubic"):
        assert word in outcome.out


def test_operators_that_are_not_supported(project: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["input", "w", "b"], ["c"], "conv"),
        helper.make_node("Foo", ["c"], ["d"], "foo_node", domain="mine"),
        helper.make_node("Bar", ["d"], ["e"], "bar_node", domain="mine"),
        helper.make_node("GlobalAveragePool", ["e"], ["output"], "pool"),
    ]
    classifier(project / "model.onnx", nodes=nodes)
    outcome = build(project)
    refused(project, outcome, "foo_node", "Foo", "bar_node", "Bar")


def test_operators_without_a_kernel_are_all_named(project: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["input", "w", "b"], ["c"], "conv"),
        helper.make_node("Cast", ["c"], ["d"], "cast", to=onnx.TensorProto.BFLOAT16),
        helper.make_node("Det", ["d"], ["e"], "first"),
        helper.make_node("Sub", ["e", "e"], ["g"], "sub"),
        helper.make_node("Cast", ["g"], ["output"], "back", to=1),
    ]
    classifier(project / "model.onnx", nodes=nodes)
    refused(project, build(project), "'first' (Det)", "'sub' (Sub)", "nor ONNX Runtime runs it")


def test_statistics_that_do_not_fit_the_channels(project: Path) -> None:
    changed = configuration(project / "data.tar")
    changed["quant"]["input_configs"][0]["calibration_mean"] = [1, 2]
    refused(project, build(project, **changed), "calibration_mean", "2", "3")


def test_data_of_the_wrong_shape(project: Path) -> None:
    np.save(project / "0.npy", np.zeros((1, 3, 4, 4), np.float32))
    with tarfile.open(project / "data.tar", "w") as archive:
        archive.add(project / "0.npy", "0.npy")
    changed = configuration(project / "data.tar")
    changed["quant"]["input_configs"][0]["calibration_format"] = "Numpy"
    refused(project, build(project, **changed), "0.npy", "[1, 3, 16, 16]")


def test_output_folder_that_is_a_file(project: Path) -> None:
    (project / "out").write_text("mine")
    outcome = build(project)
    assert outcome.code == 1
    assert "cannot make the folder" in outcome.err
    assert (project / "out").read_text() == "mine"


def test_an_earlier_result_survives_a_failed_build(project: Path) -> None:
    assert build(project).code == 0
    before = (project / "out" / "compiled.axmodel").read_bytes()
    with tarfile.open(project / "data.tar", "w") as archive:
        add(archive, "broken.png", b"x")
    assert build(project).code == 1
    assert (project / "out" / "compiled.axmodel").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--model", "none.axmodel"], "none.axmodel: cannot read the model: No such file"),
        (["--model", "text.axmodel"], "text.axmodel: the model is not ONNX"),
        (["--model", "cut.axmodel"], "cut.axmodel: the model is not ONNX, or it is truncated"),
        (["--model", "model.onnx"], "in/input.bin: cannot read the input 'input': No such file"),
        (["--model", "model.onnx", "--batch_size", "2"], "only a compiled model has batches"),
        (["--model", "model.onnx", "--mode", "NPUBackend"], "only a quant_axmodel has modes"),
        (["--model", "model.onnx", "--group_index", "1"], "the model has no group 1"),
        (["--model", "model.onnx", "--list", "none.txt"], "none.txt: cannot read the list"),
        (["--model", "model.onnx", "--list", "evil.txt"], "'../x' is not a folder inside"),
        (["--model", "model.onnx", "--input_dir", "short"], "has 3 bytes (expected 3072:"),
        (["--model", "model.onnx", "--batch_size", "-1"], "batch_size: -1 is not accepted"),
        (["--modle", "model.onnx"], "did you mean '--mode', '--model'"),
    ],
)
def test_run(
    project: Path, words: list[str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    if "cut.axmodel" in words:
        assert build(project).code == 0
        whole = (project / "out" / "compiled.axmodel").read_bytes()
        (project / "cut.axmodel").write_bytes(whole[:-100])
    (project / "text.axmodel").write_text("hello")
    (project / "evil.txt").write_text("../x\n")
    (project / "short").mkdir()
    (project / "short" / "input.bin").write_bytes(b"abc")
    folder = [] if "--input_dir" in words else ["--input_dir", "in"]
    outcome = run("run", *words, *folder, "--output_dir", "results")
    assert outcome.code == (2 if words[0] == "--modle" else 1), outcome
    assert expected in outcome.err
    assert "Traceback" not in outcome.err
    assert not (project / "results").exists()
