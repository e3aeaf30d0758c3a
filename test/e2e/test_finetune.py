"""Fine-tuning on the command line: its effect on what is compiled, its log, and its mistakes."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import Outcome, run

import pulsar2.finetune.availability
from pulsar2.runtime import InferenceSession

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None,
    reason="fine-tuning needs torch: pip install 'pulsar2[finetune]'",
)
FOUR_BITS = [{"op_types": ["Conv", "Gemm"], "weight_data_type": "S4"}]


@pytest.fixture
def build(built: Path, tmp_path: Path) -> Any:
    """Builds the first example with more keys, and 4-bit weights."""

    def with_quant(
        name: str, *words: str | Path, compiler: dict[str, Any] | None = None, **quant: Any
    ) -> Outcome:
        value = json.loads((built / "out" / "build_context.json").read_text())
        value["quant"] |= {"layer_configs": FOUR_BITS} | quant
        value["compiler"] |= compiler or {}
        value["debug"] = {}
        (tmp_path / f"{name}.json").write_text(json.dumps(value))
        out = tmp_path / name
        return run("build", "--config", tmp_path / f"{name}.json", "--output_dir", out, *words)

    return with_quant


def outputs(folder: Path) -> np.ndarray:
    session = InferenceSession(folder / "compiled.axmodel")
    (given,) = session.get_inputs()
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, given.shape, dtype=np.uint8) for _ in range(4)]
    return np.stack([session.run(None, {given.name: image})[0] for image in images])


@needs_torch
@pytest.mark.parametrize("strategy", ["adaround", "lsq", "brecq"])
def test_strategies(build: Any, tmp_path: Path, strategy: str) -> None:
    keys = {
        "finetune_epochs": 3, "finetune_lr": 0.02, "finetune_batch_size": 2, "device": "cpu",
    }  # fmt: skip
    outcome = build("tuned", f"--quant.enable_{strategy}", **keys)
    assert outcome.code == 0, outcome.err
    name = {"adaround": "Adaround", "lsq": "LSQ", "brecq": "BRECQ"}[strategy]
    text = outcome.out
    assert re.search(rf"\[\d\d:\d\d:\d\d\] AX {name} Reconstruction Running \.\.\.", text)
    assert "Check following parameters:" in text
    for line in ("Learning Rate: +0.02", "Steps: +3", "Batch Size: +2", "Collecting Device: +cpu"):
        assert re.search(line, text), line
    assert re.search(r"# Block \[1 / \d+\]: \[\['.+'\] -> \['.+'\]\]", text)
    assert "# Tuning Procedure : 100% 3/3" in text
    losses = re.findall(r"# Tuning Finished  : \((\S+) -> (\S+)\) \[Block Loss\]", text)
    assert losses
    assert all(float(after) <= float(before) for before, after in losses)
    assert any(float(after) < float(before) for before, after in losses)
    tuned = outputs(tmp_path / "tuned")
    plain = build("tuned")
    assert plain.code == 0, plain.err
    assert not np.array_equal(tuned, outputs(tmp_path / "tuned"))
    # Calibration is kept as it was found, without what was learned after it.
    assert "an earlier build with the same model and data" in plain.err
    compiled = (tmp_path / "tuned" / "compiled.axmodel").read_bytes()
    assert build("tuned", "--no_cache").code == 0
    assert (tmp_path / "tuned" / "compiled.axmodel").read_bytes() == compiled


@needs_torch
def test_block_size_and_learning_rate(build: Any) -> None:
    losses: dict[tuple[int, float], list[str]] = {}
    for size, rate in ((1, 0.02), (9, 0.02), (9, 1e-6)):
        outcome = build(
            "x", "--quant.enable_adaround", "--quant.finetune_epochs", "1",
            finetune_block_size=size, finetune_lr=rate,
        )  # fmt: skip
        assert outcome.code == 0, outcome.err
        losses[size, rate] = re.findall(r"# Tuning Finished .*", outcome.out)
    assert len(losses[1, 0.02]) > len(losses[9, 0.02])
    assert losses[9, 0.02] != losses[9, 1e-6]


@needs_torch
def test_other_batches_have_the_learned_weights(build: Any, tmp_path: Path) -> None:
    more = {"compiler": {"static_batch_sizes": [1, 2]}}
    words = ("--quant.enable_lsq", "--quant.finetune_epochs", "2", "--quant.finetune_lr", "0.02")
    outcome = build("tuned", *words, **more)
    assert outcome.code == 0, outcome.err
    session = InferenceSession(tmp_path / "tuned" / "compiled.axmodel")
    (given,) = session.get_inputs()
    shape = (1, *given.shape[1:])
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, shape, dtype=np.uint8) for _ in range(2)]
    (both,) = session.run(None, {given.name: np.concatenate(images)})
    single = [session.run(None, {given.name: image})[0] for image in images]
    np.testing.assert_array_equal(both, np.concatenate(single))


def test_contradictions(build: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = build("x", enable_lsq=True, enable_adaround=True, enable_brecq=True)
    assert outcome.code == 1
    assert outcome.err.count("is another strategy of fine-tuning") == 2
    for model_type in ("QuantONNX", "QuantAxModel"):
        outcome = build("x", "--model_type", model_type, enable_lsq=True)
        assert outcome.code == 1
        assert f"the weights of a {model_type} are integers already" in outcome.err
    for key, value in (("finetune_epochs", 0), ("finetune_lr", 0), ("device", "gpu")):
        outcome = build("x", **{key: value})
        assert outcome.code == 1
        assert f"quant.{key}" in outcome.err
    monkeypatch.setattr(pulsar2.finetune.availability, "find_spec", lambda name: None)  # pyright: ignore
    outcome = build("x", enable_lsq=True)
    assert outcome.code == 1
    assert "quant.enable_lsq: fine-tuning needs torch" in outcome.err
    assert "pip install 'pulsar2[finetune]'" in outcome.err


@needs_torch
def test_a_device_that_is_not_there(build: Any) -> None:
    outcome = build("x", enable_lsq=True, device="cuda:7")
    assert outcome.code == 1
    assert re.search(r"quant\.device: torch \S+ has no cuda:7 here, only cpu", outcome.err)


def test_options_without_a_strategy_are_told(build: Any) -> None:
    outcome = build("x", finetune_epochs=3, device="cuda:0")
    assert outcome.code == 0, outcome.err
    assert "without effect: quant.finetune_epochs (" in outcome.err
    assert "calibration uses the CPU" in outcome.err


def test_torch_is_not_imported_unless_it_is_asked_for() -> None:
    code = (
        "import sys, pulsar2.driver.build, pulsar2.config; "
        "sys.exit(any(m.split('.')[0] == 'torch' for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
