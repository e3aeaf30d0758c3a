"""Options that change nothing, because another one is not set, are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from test_schema import GUIDE, load

from pulsar2.config.effects import idle_options
from pulsar2.config.readers import read_file
from pulsar2.config.tree import plain


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"quant": {"smooth_quant_strength": 0.5}}, ["quant.smooth_quant_strength"]),
        ({"quant": {"smooth_quant_strength": 0.6}}, []),
        ({"quant": {"smooth_quant_strength": 0.5, "enable_smooth_quant": True}}, []),
        (
            {"quant": {"precision_analysis_method": "EndToEnd", "input_sample_dir": "x"}},
            ["quant.precision_analysis_method", "quant.input_sample_dir"],
        ),
        ({"quant": {"finetune_epochs": 9}}, ["quant.finetune_epochs"]),
        ({"quant": {"finetune_epochs": 9, "enable_lsq": True}}, []),
        ({"compiler": {"check_rtol": 0.1, "check": 3}}, ["compiler.check_rtol"]),
        ({"compiler": {"check_mode": "CheckPerLayer"}}, ["compiler.check_mode"]),
        (
            {
                "compiler": {
                    "check_mode": "CheckPerLayer",
                    "sub_configs": [
                        {"start_tensor_names": "a", "end_tensor_names": "b", "check": 2}
                    ],
                }
            },
            [],
        ),
        ({"compiler": {"disable_ir_fix": 1}}, ["compiler.disable_ir_fix"]),
        ({"compiler": {"disable_ir_fix": 1, "static_batch_sizes": [1, 2]}}, []),
    ],
)
def test_options_without_effect(value: dict[str, Any], expected: list[str]) -> None:
    config = load(value, allow_unbuilt=True)
    assert sorted(key for key, _ in idle_options(config)) == sorted(expected)


@pytest.mark.parametrize("path", GUIDE, ids=lambda p: p.stem)
def test_the_guides_examples_say_nothing_in_vain(path: Path) -> None:
    assert list(idle_options(load(plain(read_file(str(path))), allow_unbuilt=True))) == []
