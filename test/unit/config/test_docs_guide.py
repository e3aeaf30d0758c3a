"""What the user guide shows is accepted: configurations, commands, the table of examples."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from pulsar2.config import BuildConfig, RunConfig
from pulsar2.config.command_line import parse
from pulsar2.config.readers import read_text
from pulsar2.config.rules import check_build
from pulsar2.config.tree import Table, merge
from pulsar2.config.validate import validate

ROOT = Path(__file__).resolve().parents[3]
GUIDE = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
EXAMPLES = ROOT / "test" / "unit" / "config" / "guide"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^ *```{language}\n(.*?)^ *```", GUIDE, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """The `pulsar2` commands of the page, each on one line, without what `...` stands for."""
    text = "\n".join(blocks("sh")).replace("\\\n", " ")
    lines = [line.partition("  #")[0].strip() for line in text.splitlines()]
    return [line.replace("...", "") for line in lines if line.startswith("pulsar2 ")]


def test_there_is_something_to_check() -> None:
    assert len(blocks("json")) >= 8
    assert len(commands()) >= 8


@pytest.mark.parametrize("text", blocks("json"))
def test_configurations_are_accepted(text: str) -> None:
    text = text if text.lstrip().startswith("{") else f"{{{text}}}"
    tree = read_text(text, "guide", "json")
    given = read_text('{"input": "model.onnx", "output_dir": "output"}', "base", "json")
    whole = merge(given, tree)
    assert isinstance(whole, Table)
    validate(BuildConfig, whole, check_build)


@pytest.mark.parametrize("line", commands())
def test_commands_are_accepted(line: str) -> None:
    _, command, *words = shlex.split(line)
    arguments = parse({"build": BuildConfig, "run": RunConfig}[command], words)
    assert arguments.usage.errors == []
    if command == "run":
        validate(RunConfig, arguments.tree)


def test_every_example_of_the_build_guide_is_in_the_table() -> None:
    shown = re.findall(r"\(\.\./test/unit/config/guide/(\w+)\.json\)", GUIDE)
    assert sorted(shown) == sorted(p.stem for p in EXAMPLES.glob("*.json"))
