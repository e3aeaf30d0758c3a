"""What `ax-translate` says of mistakes, and that a model's programs survive the disassembler."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from program_maker import add_program
from xdsl.dialects.builtin import ModuleOp

from pulsar2.assemble import assemble
from pulsar2.axmodel import (
    BatchProgram,
    CompiledModel,
    Group,
    NpuSubgraph,
    TensorInfo,
    write_axmodel,
)
from pulsar2.context import make_context
from pulsar2.dialects.chips.base import ChipProgramOp
from pulsar2.disassemble import decode_program, disassemble
from pulsar2.ir import parse_module, print_module, verify_module
from pulsar2.tools.ax_translate import main
from pulsar2.weights import WeightStore

TEXT = """
ax650.program @first mode "NPU1" ocm 64 input 0 output 0 param 0 swap 0 {
  %0 = ax650.job "fill" on cv 0 [#chip.at<ocm ui8 [64] : [1]>] <value = 1> loc("node_0_1")
}
ax650.program @second mode "NPU1" ocm 64 input 0 output 0 param 0 swap 0 {
  %0 = ax650.job "fill" on cv 0 [#chip.at<ocm ui8 [64] : [1]>] <value = 2>
}
"""


def _fails(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a run that ends with a mistake of the user's says."""
    assert main(words) == 1
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    assert captured.out == ""
    return captured.err


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """An ONNX model whose input has a dimension without size, and whose weight is not small."""
    weight = helper.make_tensor("w", TensorProto.FLOAT, [16, 16], np.ones(256, np.float32))
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], "fc")],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 16])],
        [weight],
    )
    path = tmp_path / "model.onnx"
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(proto, str(path))
    return path


def test_import_names_what_is_wrong(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "'x'" in _fails(["--import-onnx", str(model)], capsys)
    assert "input's shape" in _fails(
        ["--import-onnx", str(model), "--input-shapes", "x:1y"], capsys
    )
    assert "no_such.onnx" in _fails(["--import-onnx", "no_such.onnx"], capsys)


def test_weights_are_not_lost_silently(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "model.mlir"
    words = ["--import-onnx", str(model), "--input-shapes", "x:2x16", "-o", str(text)]
    assert main(words) == 0
    assert "1 weights were not written (--weights-out does)" in capsys.readouterr().err
    missing = _fails(["--export-onnx", str(text), "-o", str(tmp_path / "out.onnx")], capsys)
    assert "--weights" in missing
    assert not (tmp_path / "out.onnx").exists()


def test_assemble_names_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two = tmp_path / "two.mlir"
    two.write_text(TEXT)
    several = _fails(["--assemble", str(two)], capsys)
    assert "there are 2 programs (--program with one of first, second)" in several
    unknown = _fails(["--assemble", "--program", "fist", str(two)], capsys)
    assert "there is no program 'fist' (one of first, second)" in unknown
    none = tmp_path / "none.mlir"
    none.write_text("func.func @main() {\n  func.return\n}\n")
    assert "no program of a chip's dialect" in _fails(["--assemble", str(none)], capsys)
    wrong = tmp_path / "wrong.mlir"
    wrong.write_text(TEXT.replace("[64] : [1]>", "[64] : [1] + 1>"))
    said = _fails(["--assemble", str(wrong)], capsys)
    assert f"{wrong}:3:3: node 'node_0_1': 'ax650.job': operand 0 touches bytes [1, 65)" in said
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    assert "not the text of a module" in _fails(["--assemble", str(binary)], capsys)


def test_disassemble_names_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "program.bin"
    file.write_bytes(add_program().encode())
    size = len(file.read_bytes())
    wrong_size = _fails(["--disassemble", str(file), "--params", str(file)], capsys)
    assert f"bytes of parameters, not {size}" in wrong_size
    file.write_bytes(file.read_bytes()[:-1])
    assert f"{file}: not a valid program" in _fails(["--disassemble", str(file)], capsys)
    file.write_bytes(b"something else")
    assert f"{file}: the compiled model is" in _fails(["--disassemble", str(file)], capsys)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "say what to translate"),
        (["--assemble", "--disassemble"], "not allowed with"),
        (["--asemble"], "did you mean '--assemble'"),
    ],
)
def test_wrong_usage(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_programs_of_a_model_survive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two batch sizes, each with its slice of the parameters, to text and back."""
    context = make_context()
    key = context.weights.add(np.arange(64, dtype=np.int8))
    gap = context.weights.add(np.full(5, 7, np.int8))
    text = f"""
    ax650.program @p mode "NPU1" ocm 64 input 64 output 64 param 192 swap 0 {{
      ax650.port "x" <input ui8 [64] : [1]>
      ax650.port "y" <output ui8 [64] : [1]>
      ax650.param 64 <"{key}", tensor<64xi8>>
      ax650.param 131 <"{gap}", tensor<5xi8>>
      %0 = ax650.job "copy" on sdma 0 [#chip.at<param i8 [64] : [1] + 64>,
        #chip.at<ocm i8 [64] : [1]>] <> loc("weights")
      %1 = ax650.job "copy" on sdma 0 [#chip.at<ocm i8 [64] : [1]>,
        #chip.at<output i8 [64] : [1]>] <> waits(%0) loc("store_2")
    }}
    """
    module = parse_module(text, context, "text").module
    done = assemble(next(o for o in module.ops if isinstance(o, ChipProgramOp)), context.weights)
    tensor = np.dtype(np.uint8), (64,)
    model = CompiledModel(
        "AX650",
        "NPU1",
        (
            Group(
                (TensorInfo("x", *tensor),),
                (TensorInfo("y", *tensor),),
                (
                    NpuSubgraph(
                        "npu_0",
                        ("x",),
                        ("y",),
                        (BatchProgram(1, done.code, 0, 192), BatchProgram(2, done.code, 192, 192)),
                    ),
                ),
            ),
        ),
        np.concatenate([done.params, done.params]),
        batch=2,
    )
    path, out, weights = tmp_path / "m.axmodel", tmp_path / "m.mlir", tmp_path / "m.safetensors"
    write_axmodel(model, path)
    assert main(["--disassemble", str(path), "-o", str(out), "--weights-out", str(weights)]) == 0
    for batch in (1, 2):
        code, params = tmp_path / "code", tmp_path / "params"
        words = ["--assemble", str(out), "--weights", str(weights), "--program", f"npu_0_b{batch}"]
        assert main([*words, "-o", str(code), "--params-out", str(params)]) == 0
        assert code.read_bytes() == done.code
        assert params.read_bytes() == done.params.tobytes()
    assert capsys.readouterr().err == ""


def test_disassembled_text_is_valid_and_reads_back() -> None:
    """All but the labels, which are no names of the assembler's here."""
    original = decode_program(add_program().encode())
    weights = WeightStore()
    first = disassemble(original, "p", weights, np.arange(original.param_bytes, dtype=np.uint8))
    module = parse_module(print_module(ModuleOp([first])), make_context(weights), "text").module
    verify_module(module)
    done = assemble(next(o for o in module.ops if isinstance(o, ChipProgramOp)), weights)
    for program in (original, done.program):
        for job in program.jobs:
            job.label = ""
    assert done.program.encode() == original.encode()
    assert done.params.tobytes() == bytes(range(original.param_bytes))
