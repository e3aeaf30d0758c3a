"""The command line: flags with and without a value, lists, usage errors, help."""

from __future__ import annotations

import pytest

from pulsar2.config import BuildConfig, load_build_config
from pulsar2.config.command_line import help_text, parse
from pulsar2.config.run import RunConfig
from pulsar2.config.tree import plain
from pulsar2.diagnostics import UserError


def values(*words: str) -> object:
    arguments = parse(BuildConfig, words)
    assert not arguments.usage.errors
    return plain(arguments.tree)


def test_values_have_the_types_of_their_options() -> None:
    assert values(
        "--input", "m.onnx",
        "--quant.precision_analysis",
        "--quant.highest_mix_precision", "0",
        "--quant.enable_lsq", "true",
        "--quant.check", "1",
        "--quant.refine_weight_threshold", "-1e-6",
        "--quant.finetune_lr=1e-4",
        "--compiler.static_batch_sizes", "1", "2", "4",
        "--compiler.check_tensor_black_list", "a.*",
        "--input_shapes", "a:1x3",
    ) == {
        "input": "m.onnx",
        "quant": {
            "precision_analysis": True,
            "highest_mix_precision": False,
            "enable_lsq": True,
            "check": 1,
            "refine_weight_threshold": -1e-6,
            "finetune_lr": 1e-4,
        },
        "compiler": {"static_batch_sizes": [1, 2, 4], "check_tensor_black_list": ["a.*"]},
        "input_shapes": "a:1x3",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--quant.chek", "1"], "unknown option --quant.chek (did you mean '--quant.check'"),
        (["--confg", "x"], "unknown option --confg (did you mean '--config'"),
        (["model.onnx"], "unexpected argument 'model.onnx'"),
        (["--input", "a", "b"], "unexpected argument 'b'"),
        (["--input"], "--input needs a value"),
        (["--config"], "--config needs a value"),
        (["--quant.check", "--debug.dump_ir"], "--quant.check needs a value"),
        (["--input", "a", "--input", "b"], "--input is given twice"),
        (["--quant.input_configs", "x"], "unknown option --quant.input_configs"),
        (["-x"], "unexpected argument '-x'"),
    ],
)
def test_wrong_usage(words: list[str], message: str) -> None:
    errors = parse(BuildConfig, words).usage.errors
    assert len(errors) == 1
    assert str(errors[0]).startswith(message)


def test_a_wrong_value_names_the_option() -> None:
    tree = parse(
        BuildConfig,
        ["--input", "m", "--output_dir", "o", "--quant.check", "x", "--npu_mode", "NPU9"],
    ).tree
    with pytest.raises(UserError) as caught:
        load_build_config("", tree)
    assert [str(d) for d in caught.value.diagnostics] == [
        "--npu_mode: npu_mode: 'NPU9' is not accepted "
        "(accepted: one of NPU1, NPU2, NPU3, NPU4; those that target_hardware has; "
        "did you mean 'NPU4'?)",
        "--quant.check: quant.check: 'x' is not accepted (accepted: one of 0, 1)",
    ]


def test_the_command_line_overrides_the_file(tmp_path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(
        "input = 'a.onnx'\noutput_dir = 'o'\nnpu_mode = 'NPU2'\n"
        "[quant]\ncalibration_method = 'KL'\n"
    )
    words = ["--npu_mode", "NPU3", "--quant.calibration_method", "MinMax"]
    config = load_build_config(str(file), parse(BuildConfig, words).tree)
    assert (config.npu_mode, config.quant.calibration_method) == ("NPU3", "MinMax")
    assert config.input == "a.onnx"


def test_help_names_every_option_within_80_columns() -> None:
    for model in (BuildConfig, RunConfig):
        text = help_text("pulsar2 x", model, "About.", "configuration file")
        assert all(len(line) <= 80 for line in text.splitlines())
    assert "--quant.precision_analysis []" in help_text("pulsar2 build", BuildConfig, "", "c")
