"""`ax-opt` on passes that go wrong, on weights, and its exit codes."""

from __future__ import annotations

import io
import re
import shlex
import sys
from pathlib import Path

import faulty_passes
import numpy as np
import pytest

from pulsar2.lowering.pipelines import PASSES
from pulsar2.tools.ax_opt import main
from pulsar2.weights import WeightStore

TEXT = """\
func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
  %y = onnx.Relu(%x) : (tensor<2xf32>) -> tensor<2xf32> loc("relu"("y"))
  func.return %y : tensor<2xf32>
}
"""


@pytest.fixture(autouse=True)
def _with_faulty_passes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, where in faulty_passes.PASSES.items():
        monkeypatch.setitem(PASSES, name, where)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.mlir"
    path.write_text(TEXT)
    return path


def _reproduced(shown: str) -> list[str]:
    """The words of the command that reproduces a crash, without the program."""
    match = re.search(r"^reproducer: ax-opt (.*)$", shown, re.MULTILINE)
    assert match is not None, shown
    return shlex.split(match[1])


def test_crash_leaves_the_module_before_the_pass(
    source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    passes = """test-mark{text="it's"},test-crash{word="a b"},test-mark"""
    assert main([str(source), "-p", passes]) == 70
    shown = capsys.readouterr().err
    assert "internal error" in shown
    assert "KeyError: 'lost'" in shown
    assert "Traceback" not in shown
    trace = re.search(r"^trace: (.*)$", shown, re.MULTILINE)
    assert trace is not None
    assert "Traceback" in Path(trace[1]).read_text()

    words = _reproduced(shown)
    assert words[1:] == ["-p", 'test-crash{word="a b"},test-mark']
    assert 'test.mark = "it\'s"' in Path(words[0]).read_text()
    assert 'loc("relu"("y"))' in Path(words[0]).read_text()
    assert main(words) == 70
    assert "KeyError: 'lost'" in capsys.readouterr().err


@pytest.mark.parametrize("each", [[], ["--verify-each"]])
def test_pass_that_leaves_invalid_ir_is_found(
    source: Path, capsys: pytest.CaptureFixture[str], each: list[str]
) -> None:
    passes = "test-mark{text=one},test-invalid,test-mark{text=two}"
    assert main([str(source), "-p", passes, *each]) == 70
    shown = capsys.readouterr().err
    assert "left invalid IR" in shown
    words = _reproduced(shown)
    assert words[1:3] == ["-p", "test-invalid,test-mark{text=two}"]
    assert 'test.mark = "one"' in Path(words[0]).read_text()
    assert words[3:] == ["--verify-each"]
    assert main(words) == 70
    assert "pass 'test-invalid' left invalid IR" in capsys.readouterr().err


def test_crash_keeps_the_weights_that_the_module_needs(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = WeightStore()
    used, unused = store.add(np.arange(70.0, dtype=np.float32)), store.add(np.arange(80))
    store.save(tmp_path / "all.safetensors")
    constant = f'#ax.weight<"{used}", tensor<70xf32>>'
    source.write_text(f"%w = onnx.Constant {{value = {constant}}} : tensor<70xf32>\n" + TEXT)
    weights = ["--weights", str(tmp_path / "all.safetensors")]
    assert main([str(source), "-p", "test-crash", *weights]) == 70
    words = _reproduced(capsys.readouterr().err)
    kept = WeightStore()
    kept.load(words[words.index("--weights") + 1])
    assert used in kept
    assert unused not in kept
    assert main(words) == 70


def test_errors_of_a_pass_are_placed(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(source), "-p", "test-refuse"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"{source}:2: error: this is refused (anything else)",
        f"{source}:3: error: this is refused (anything else)",
    ]
    assert main([str(source), "-p", "test-fail"]) == 1
    assert capsys.readouterr().err.splitlines() == ["error: nothing can be done"]


def test_expected_errors_of_passes(source: Path) -> None:
    lines = TEXT.splitlines()
    lines[1] += " // expected-error {{this is refused}}"
    lines[2] += " // expected-error {{this is refused (anything else)}}"
    source.write_text("\n".join(lines))
    assert main([str(source), "-p", "test-refuse", "--verify-diagnostics"]) == 0
    source.write_text("// expected-error@unknown {{nothing can be done}}\n" + TEXT)
    assert main([str(source), "-p", "test-fail", "--verify-diagnostics"]) == 0
    assert main([str(source), "--verify-diagnostics"]) == 1
    # Invalid IR that a pass left is an error like any other when it is expected.
    source.write_text(
        "// expected-error@+1 {{terminator}}\n" + TEXT.replace(' loc("relu"("y"))', "")
    )
    code = main([str(source), "-p", "test-invalid", "--verify-diagnostics"])
    assert code == 1


def test_crash_of_a_custom_parser_is_a_bug(
    source: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def parse(*_: object) -> None:
        raise IndexError("in the parser")

    monkeypatch.setattr("xdsl.dialects.func.FuncOp.parse", parse)
    assert main([str(source), "-p", "test-mark"]) == 70
    words = _reproduced(capsys.readouterr().err)
    assert words[1:] == ["-p", "test-mark", "--verify-each"]
    assert Path(words[0]).read_text().endswith(TEXT)


def test_text_nested_too_deeply_is_an_error(
    source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source.write_text("builtin.module {\n" * 5000)
    assert main([str(source)]) == 1
    assert "nested too deeply" in capsys.readouterr().err


def test_wrong_usage(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(source), "-p", "test-marc"]) == 2
    with pytest.raises(SystemExit, match="2"):
        main([str(source), "--wieghts", "x"])
    assert "unknown option '--wieghts' (did you mean '--weights'" in capsys.readouterr().err


def test_weights_go_in_and_out(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = WeightStore()
    key = store.add(np.arange(70.0, dtype=np.float32))
    store.save(tmp_path / "in.safetensors")
    source.write_text(
        f"""\
func.func @main(%x: tensor<70xf32>) -> tensor<70xf32> {{
  %w = onnx.Constant {{value = #ax.weight<"{key}", tensor<70xf32>>}} : tensor<70xf32>
  %v = onnx.Neg(%w) : (tensor<70xf32>) -> tensor<70xf32>
  %y = onnx.Add(%x, %v) : (tensor<70xf32>, tensor<70xf32>) -> tensor<70xf32>
  func.return %y : tensor<70xf32>
}}
"""
    )
    result, weights = tmp_path / "out.mlir", tmp_path / "out.safetensors"
    words = [str(source), "-p", "optimize", "-o", str(result), "--weights-out", str(weights)]
    assert main(words) == 1
    assert f"the weight '{key}' is not in the weight store" in capsys.readouterr().err
    assert not result.exists()
    assert not weights.exists()
    assert main([*words, "--weights", str(tmp_path / "in.safetensors")]) == 0
    new = WeightStore()
    new.load(weights)
    (kept,) = list(new)
    assert kept in result.read_text()
    assert np.array_equal(new.get(kept), -np.arange(70.0, dtype=np.float32))


def test_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = io.TextIOWrapper(io.BytesIO(TEXT.replace("\n", "\r\n").encode()))
    monkeypatch.setattr(sys, "stdin", stream)
    assert main(["-p", "onnx-infer-shapes"]) == 0
    assert "onnx.Relu" in capsys.readouterr().out
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"what")))
    assert main([]) == 1
    assert "<stdin>:1:" in capsys.readouterr().err
