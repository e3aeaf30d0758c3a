"""Thousands of wrong configurations and command lines: an exit code, never a traceback."""

from __future__ import annotations

import contextlib
import io
import json
import random
from pathlib import Path
from typing import Any

import pytest
from formats import FORMATS, dump
from test_schema import GUIDE, mutate

from pulsar2.config import BuildConfig
from pulsar2.config.command_line import command_line_options
from pulsar2.config.readers import read_file
from pulsar2.config.run import RunConfig
from pulsar2.config.tree import plain
from pulsar2.tools.pulsar2_main import main

JUNK: list[Any] = [
    None, True, False, -1, 0, 1, 2**70, 1e9, -0.5, 1e-320, "", "x", "DEFAULT", "U8", "a:1x2;b",
    "../x", "\u00e9\u4e16", [], [[]], {}, {"a": 1}, ["x", 1], [1, 2, 3, 4], [{"tensor_name": "x"}],
]  # fmt: skip


def outcome(words: list[str]) -> tuple[int, str]:
    """Exit code and what was printed."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = main(words)
    return code, out.getvalue()


def check(words: list[str], shown: str) -> int:
    code, text = outcome(words)
    assert code in (0, 1, 2), shown + text
    assert "Traceback" not in text, shown + text
    assert code == 0 or "error" in text, shown + text
    return code


def damaged(text: str, rng: random.Random) -> str:
    """`text` with some characters replaced, dropped or repeated."""
    for _ in range(rng.randint(0, 3)):
        text = text or " "
        at = rng.randrange(len(text))
        kind = rng.random()
        if kind < 0.4:
            text = text[:at] + rng.choice("{}[]<>\"'\\:=,#/-.e0\n\t\0%&*!|>") + text[at + 1 :]
        elif kind < 0.7:
            text = text[:at] + text[at + rng.randint(1, 20) :]
        else:
            text = text[:at] + text[at : at + rng.randint(1, 40)] + text[at:]
    return text


@pytest.mark.parametrize("format_", FORMATS)
def test_mutated_configuration_files(format_: str, tmp_path: Path) -> None:
    rng = random.Random(FORMATS.index(format_))
    sources = [plain(read_file(str(p))) for p in GUIDE]
    file = tmp_path / f"c.{format_}"
    words = ["build", "--config", str(file), "--input", str(tmp_path / "none.onnx")]
    words += ["--output_dir", str(tmp_path / "out")]
    codes: set[int] = set()
    for index in range(400):
        value = json.loads(json.dumps(rng.choice(sources)))
        for _ in range(rng.randint(0, 3)):
            mutate(value, rng, JUNK)
        text = dump(value, format_)
        if index % 2:
            text = damaged(text, rng)
        file.write_text(text, "utf-8", "surrogatepass")
        codes.add(check(words, text))
    assert codes == {1}
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("command", "model"), [("build", BuildConfig), ("run", RunConfig)])
def test_mutated_command_lines(command: str, model: Any, tmp_path: Path) -> None:
    rng = random.Random(7)
    names = [f"--{name}" for name, _ in command_line_options(model)] + ["--config", "-h", "--", "x"]
    values = [
        str(tmp_path / "none"),
        "1",
        "-1",
        "x",
        "",
        "=",
        "U8",
        "[1,2]",
        "1e400",
        "NPU1",
        "a b",
    ]
    for _ in range(500):
        words = [command]
        for _ in range(rng.randint(0, 5)):
            name = rng.choice(names)
            if rng.random() < 0.1:
                name = name[: rng.randint(1, len(name))]
            words += rng.choice(
                [[name], [name, rng.choice(values)], [f"{name}={rng.choice(values)}"]]
            )
        check(words, repr(words))
