"""The example's measures, where its data has been fetched (`make example` does)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from evaluate import compare, summarize
from photographs import read_evaluation_photographs
from prepare import HERE, prepare

from pulsar2 import _kernels
from pulsar2.axmodel import read_axmodel

pytestmark = pytest.mark.skipif(
    not (HERE / "data" / "ready").is_dir(), reason="the example's data has not been fetched"
)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """compiled.axmodel of the example, built by the command line with the example's own files."""
    folder = tmp_path_factory.mktemp("efficientnet")
    config = json.loads((HERE / "config.json").read_text())
    config["quant"]["input_configs"][0]["calibration_dataset"] = str(prepare().calibration)
    (folder / "config.json").write_text(json.dumps(config))
    command = [Path(sys.executable).with_name("pulsar2"), "build", "--config", "config.json"]
    command += ["--input", prepare().model, "--output_dir", "output"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder / "output" / "compiled.axmodel"


def test_accuracy(compiled: Path) -> None:
    data = prepare()
    photographs = read_evaluation_photographs(data.photographs)
    summary = summarize(compare(photographs, data.model, compiled))
    assert summary.photographs == 20
    assert summary.float_right == 18
    assert summary.emulated_right >= 17
    assert summary.agreeing >= 18
    assert summary.cosine >= 0.99


def test_schedule_has_no_findings(compiled: Path) -> None:
    (subgraph,) = read_axmodel(compiled).subgraphs
    assert [str(f) for f in _kernels.sanitize(subgraph.programs[0].code) if not f.is_note] == []


@pytest.mark.skipif(
    not (HERE / "output_quantized" / "compiled.axmodel").is_file(),
    reason="run_quantized.py has not been run",
)
def test_accuracy_of_a_network_that_is_quantized_already() -> None:
    data = prepare()
    photographs = read_evaluation_photographs(data.photographs)
    compiled = HERE / "output_quantized" / "compiled.axmodel"
    summary = summarize(compare(photographs, data.model, compiled))
    assert summary.emulated_right >= 17
    assert summary.agreeing >= 17
    assert summary.cosine >= 0.97
