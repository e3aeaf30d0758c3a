"""`compiler.check`: the program on the emulator against the quantized graph."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from attentions import prepare_attention
from cases import classifier, run

from pulsar2.axmodel import read_axmodel
from pulsar2.config.compiler import CompilerConfig
from pulsar2.context import make_context
from pulsar2.diagnostics import UserError
from pulsar2.dialects.quant import ConstantOp
from pulsar2.dialects.quant.types import element_type
from pulsar2.driver.check import check_compiled, check_operators, compare, exposed
from pulsar2.driver.container import compile_container
from pulsar2.ir import parse_module, print_module
from pulsar2.pipeline import parse_passes, run_passes
from pulsar2.quant_axmodel import read_quant_axmodel
from pulsar2.runtime import InferenceSession


@pytest.fixture
def build(built: Path, tmp_path: Path) -> Any:
    def with_options(*words: str | Path, code: int = 0, **options: Any) -> Any:
        value = json.loads((built / "out" / "build_context.json").read_text())
        value["compiler"] |= options
        (tmp_path / "c.json").write_text(json.dumps(value))
        outcome = run(
            "build", "--config", tmp_path / "c.json", "--output_dir", tmp_path / "out", *words
        )
        assert outcome.code == code, outcome.err
        return outcome

    return with_options


@pytest.mark.parametrize("level", [1, 2, 3])
def test_every_level_finds_the_program_right(build: Any, level: int) -> None:
    outcome = build(check=level)
    assert "generate gt of npu graph [subgraph_npu_0]" in outcome.err
    assert (
        "check npu graph [subgraph_npu_0] [output], (1, 10), float32 successfully!" in outcome.err
    )
    assert "random data" not in outcome.err
    summary = outcome.out[outcome.out.index("Build finished.") :]
    assert f"subgraph_npu_0: level {level}, 1 tensor(s) as they should be" in summary


def test_an_average_of_floats_may_be_a_bit_off(build: Any, tmp_path: Path) -> None:
    attributes = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    nodes = [
        onnx.helper.make_node("Relu", ["input"], ["r"], "relu"),
        onnx.helper.make_node("AveragePool", ["r"], ["output"], "pool", **attributes),
    ]
    classifier(tmp_path / "model.onnx", nodes=nodes)
    outcome = build("--input", tmp_path / "model.onnx", "--quant.highest_mix_precision", check=2)
    assert "operators are compared one by one" in outcome.err


def test_inner_tensors(build: Any, tmp_path: Path) -> None:
    plain = build().err
    assert "check npu graph" not in plain
    program = (tmp_path / "out" / "compiled.axmodel").read_bytes()
    outcome = build(check=2, check_mode="CheckPerLayer")
    names = {
        line.split("] [")[1].split("]")[0] for line in outcome.err.splitlines() if "] [" in line
    }
    assert {"r", "output"} < names
    assert (tmp_path / "out" / "compiled.axmodel").read_bytes() == program
    fewer = build(check=2, check_mode="CheckPerLayer", check_tensor_black_list=["r", "inp.*"])
    assert "[output]" in fewer.err
    assert "[r]" not in fewer.err


def test_samples_of_the_users_own(build: Any, built: Path, tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()
    missing = build(check=1, input_sample_dir=str(tmp_path / "samples"), code=1)
    assert "cannot read the input 'input'" in missing.err
    assert not (tmp_path / "out" / "compiled.axmodel").exists()
    (given,) = InferenceSession(built / "out" / "compiled.axmodel").get_inputs()
    image = np.random.default_rng(1).integers(0, 256, given.shape, np.uint8)
    for name in ("one", "two"):
        (tmp_path / "samples" / name).mkdir()
        image.tofile(tmp_path / "samples" / name / "input.bin")
    outcome = build(check=2, input_sample_dir=str(tmp_path / "samples"))
    assert outcome.err.count("simulate npu graph") == 2


def test_a_wrong_program_is_found(built: Path) -> None:
    ctx = make_context()
    module = read_quant_axmodel(built / "out" / "quant" / "quant_axmodel.onnx", ctx)
    model = read_axmodel(built / "out" / "compiled.axmodel")
    image = np.random.default_rng(1).integers(0, 256, model.inputs[0].shape, np.uint8)
    check_compiled(model, module, ctx, CompilerConfig(check=2), [{"input": image}])
    weights = next(op for op in module.walk() if isinstance(op, ConstantOp))
    other = ConstantOp.of(-weights.array(ctx.weights), element_type(weights.result), ctx.weights)
    weights.result.replace_all_uses_with(other.result)
    weights.parent.insert_op_before(other, weights)
    with pytest.raises(UserError) as caught:
        check_compiled(model, module, ctx, CompilerConfig(check=2), [{"input": image}])
    (found,) = caught.value.diagnostics
    assert "check 2 failed" in found.message
    assert "worst at [0, " in found.message
    assert "[output]" in found.where


@pytest.fixture
def attention(tmp_path: Path) -> Any:
    """Builds attention over random tensors: what Softmax gives is a step off now and then."""
    feed = prepare_attention(tmp_path, tokens=96)

    def build(*words: str) -> Any:
        return run(
            "build", "--config", tmp_path / "c.json", "--output_dir", tmp_path / "out", *words
        )

    return build, feed


@pytest.mark.parametrize("mode", ["CheckOutput", "CheckPerLayer"])
def test_functions_may_be_a_step_off(attention: Any, mode: str) -> None:
    build, _ = attention
    outcome = build("--compiler.check", "2", "--compiler.check_mode", mode)
    assert outcome.code == 0, outcome.err
    assert "operators are compared one by one" in outcome.err
    assert "check npu graph [subgraph_npu_0] [y]" in outcome.err
    assert ("[scores]" in outcome.err) == (mode == "CheckPerLayer")


def test_a_wrong_function_is_found(attention: Any, tmp_path: Path) -> None:
    """The scores of another scale: each of Softmax's results is wrong, and nothing else."""
    build, feed = attention
    assert build().code == 0
    ctx = make_context()
    module = read_quant_axmodel(tmp_path / "out" / "quant" / "quant_axmodel.onnx", ctx)
    tensors = exposed(module, ctx)
    passes = parse_passes("partition,schedule{target=AX650},emit")
    compiled = tensors.clone()
    run_passes(ctx, compiled, passes)
    layers = compile_container(compiled, ctx, macs=0).model
    model = read_axmodel(tmp_path / "out" / "compiled.axmodel")
    check = CompilerConfig(check=2)
    assert check_operators(model, layers, tensors, ctx, check, [feed], "g") == 1
    text = print_module(tensors)
    wrong = re.sub(r"(quant\.softmax %\w+) axis 3", r"\1 axis 2", text)
    assert wrong != text
    with pytest.raises(UserError) as caught:
        check_operators(
            model, layers, parse_module(wrong, ctx, "wrong").module, ctx, check, [feed], "g"
        )
    assert [d.where.split(",")[0] for d in caught.value.diagnostics] == ["[g] [p]"]
    assert "from what its operator makes of its operands" in caught.value.diagnostics[0].message


def test_levels() -> None:
    expected = np.array([[1.0, -2.0], [0.0, 4.0]], np.float32)
    got = expected + np.array([[0, 0], [0, 1e-3]], np.float32)
    assert compare(expected, expected, CompilerConfig(check=2)) == ""
    fault = compare(got, expected, CompilerConfig(check=2))
    assert fault == "1 of 4 elements differ; worst at [1, 1]: 4.001, expected 4"
    assert compare(got, expected, CompilerConfig(check=1)) == fault
    assert compare(got, expected, CompilerConfig(check=1, check_rtol=1e-3)) == ""
    assert compare(got, expected, CompilerConfig(check=1, check_atol=2e-3)) == ""
    assert compare(got, expected, CompilerConfig(check=3)) == ""
    strict = CompilerConfig(check=3, check_cosine_simularity=0.9999999999)
    assert "cosine similarity" in compare(got, expected, strict)
    assert "cosine similarity 0.000000" in compare(0 * got, expected, CompilerConfig(check=3))
    assert "shape [4]" in compare(got.ravel(), expected, CompilerConfig(check=3))
