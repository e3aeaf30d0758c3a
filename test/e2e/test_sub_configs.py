"""`compiler.sub_configs`: subgraphs of their own, with options of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import Outcome, run

from pulsar2.axmodel import read_axmodel
from pulsar2.runtime import InferenceSession

MIDDLE = {"start_tensor_names": ["r"], "end_tensor_names": ["p"]}


@pytest.fixture
def build(built: Path, tmp_path: Path) -> Any:
    def with_subs(*subs: dict[str, Any], code: int = 0, **options: Any) -> Outcome:
        value = json.loads((built / "out" / "build_context.json").read_text())
        value["compiler"] |= {"sub_configs": list(subs)} | options
        (tmp_path / "c.json").write_text(json.dumps(value))
        outcome = run("build", "--config", tmp_path / "c.json", "--output_dir", tmp_path / "out")
        assert outcome.code == code, outcome.err
        return outcome

    return with_subs


def checked(outcome: Outcome) -> list[str]:
    lines = [line for line in outcome.err.splitlines() if "successfully!" in line]
    return [line.split("check npu graph ")[1].split(",")[0] for line in lines]


def test_a_range_is_a_subgraph_with_options_of_its_own(
    build: Any, built: Path, tmp_path: Path
) -> None:
    outcome = build(MIDDLE | {"check": 2, "npu_perf": True})
    assert checked(outcome) == ["[subgraph_npu_1] [p]"]
    model = read_axmodel(tmp_path / "out" / "compiled.axmodel")
    assert [(s.name, s.inputs, s.outputs) for s in model.subgraphs] == [
        ("subgraph_npu_0", ("input",), ("r",)),
        ("subgraph_npu_1", ("r",), ("p",)),
        ("subgraph_npu_2", ("p",), ("output",)),
    ]
    traces = [p.parent.parent.name for p in (tmp_path / "out").rglob("trace.json")]
    assert traces == ["subgraph_npu_1"]
    images = np.random.default_rng(0).integers(0, 256, (1, 16, 16, 3), np.uint8)
    whole, parts = (
        InferenceSession(folder / "out" / "compiled.axmodel").run(None, {"input": images})[0]
        for folder in (built, tmp_path)
    )
    np.testing.assert_array_equal(whole, parts)


def test_what_a_range_does_not_say_is_as_in_the_whole_model(build: Any) -> None:
    outcome = build(MIDDLE, {"start_tensor_names": "p", "end_tensor_names": "output", "check": 0},
                    check=3, check_mode="CheckPerLayer")  # fmt: skip
    assert {line.split("] ")[0] for line in checked(outcome)} == {
        "[subgraph_npu_0", "[subgraph_npu_1",
    }  # fmt: skip


def test_every_range_that_cannot_be_is_named(build: Any, tmp_path: Path) -> None:
    outcome = build({"start_tensor_names": ["rr"], "end_tensor_names": ["p"]}, code=1)
    assert "subgraph from rr to p: the quantized graph has no tensor 'rr' (did you mean" in (
        outcome.err
    )
    outcome = build(MIDDLE | {"static_batch_sizes": [2]}, MIDDLE | {"start_tensor_names": []},
                    code=1)  # fmt: skip
    for text in (
        "compiler.sub_configs[0].static_batch_sizes: it is the same in the whole model",
        "compiler.sub_configs[1].start_tensor_names: names no tensor",
    ):
        assert text in outcome.err
    assert not (tmp_path / "out" / "compiled.axmodel").exists()
