"""A test of the tests: what every lit file, pass, dialect and tool option must have."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import get_type_hints

import pytest
from xdsl.ir import Operation

from pulsar2.dialects import DIALECTS
from pulsar2.lowering.pipelines import PASSES, PIPELINES, load_pass
from pulsar2.pass_options import accepted_values, pass_options
from pulsar2.pipeline import parse_passes
from pulsar2.targets import target_names

LIT = Path(__file__).resolve().parents[1] / "lit"
FILES = sorted(f for f in LIT.rglob("*.mlir") if "inputs" not in f.relative_to(LIT).parts)
RUN = re.compile(r"//\s*RUN:\s*(.*)")
CHECK = re.compile(r"//\s*([A-Z][A-Z0-9_-]*?)(?:-NEXT|-SAME|-NOT|-DAG|-LABEL|-EMPTY|-COUNT-\d+)?:")
DIALECT_FOLDERS = ("ax", "onnx", "quant", "sched", "chips")


def _runs(file: Path) -> list[str]:
    """The RUN lines of a lit file, continued lines joined."""
    text = re.sub(r"\\\n//\s*RUN:\s*", "", file.read_text())
    return RUN.findall(text)


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(LIT)))
def test_lit_file_checks_what_it_runs(file: Path) -> None:
    runs = _runs(file)
    assert runs, "no RUN line"
    prefixes = {"RUN"}
    for index, run in enumerate(runs):
        found = "filecheck" in run
        expected = "--verify-diagnostics" in run
        compares = "diff " in run or "test " in run or run.startswith("not ")
        made = [
            word for word in re.findall(r"%t\.[\w.]+", run) if word in " ".join(runs[index + 1 :])
        ]
        assert found or expected or compares or made, f"checks nothing: {run}"
        prefixes |= set(re.findall(r"--check-prefix(?:es)?[= ](\S+)", run)) if found else set()
        if found and "--check-prefix" not in run:
            prefixes.add("CHECK")
    used = {match[1] for match in CHECK.finditer(file.read_text())}
    unread = sorted(u for u in used - {p for ps in prefixes for p in ps.split(",")} if "CHECK" in u)
    assert not unread, f"no RUN line reads the prefix {unread}"
    if "expected-error" in file.read_text():
        assert any("--verify-diagnostics" in run for run in runs)


@pytest.mark.parametrize("name", PASSES)
def test_pass_has_a_lit_file_of_its_name(name: str) -> None:
    module = PASSES[name].partition(":")[0].removeprefix("pulsar2.lowering.").split(".")
    folder = LIT.joinpath(*module[:-1])
    stems = {module[-1], module[-1].replace("_", "-"), name}
    files = [folder / f"{stem}.mlir" for stem in stems]
    found = [f for f in files if f.is_file()]
    assert found, f"there is none of {', '.join(str(f.relative_to(LIT)) for f in files)}"
    runs = "\n".join(_runs(found[0]))
    assert re.search(rf"(?<![\w-]){name}(?![\w-])", runs), f"{found[0]} does not run {name}"


@pytest.mark.parametrize("name", PASSES)
def test_pass_is_documented(name: str) -> None:
    pass_class = load_pass(name)
    assert pass_class.name == name
    documentation = vars(pass_class).get("__doc__") or ""
    assert not documentation.startswith(f"{pass_class.__name__}("), "the dataclass's own docstring"
    assert "```" in documentation, "no IR before and after"
    for option in pass_options(pass_class):
        assert f"`{option.name}`" in documentation, f"the option {option.name} is not explained"


@pytest.mark.parametrize("name", PASSES)
def test_options_of_a_pass_can_be_written(name: str) -> None:
    pass_class = load_pass(name)
    hints = get_type_hints(pass_class)
    for option in pass_options(pass_class):
        assert accepted_values(hints[option.name.replace("-", "_")])


def _options_tested() -> str:
    return "\n".join(run for file in FILES for run in _runs(file))


@pytest.mark.parametrize("name", PASSES)
def test_every_option_of_a_pass_is_given_in_a_lit_file(name: str) -> None:
    runs = _options_tested()
    for option in pass_options(load_pass(name)):
        pattern = rf"(?<![\w-]){name}\{{[^}}]*(?<![\w-]){option.name}="
        assert re.search(pattern, runs), f"no lit file gives {option.name}"


@pytest.mark.parametrize("name", PIPELINES)
def test_pipeline_expands(name: str) -> None:
    assert parse_passes(name)


@pytest.mark.parametrize("folder", DIALECT_FOLDERS)
@pytest.mark.parametrize("kind", ["ops", "invalid"])
def test_dialect_has_lit_files(folder: str, kind: str) -> None:
    assert (LIT / folder / f"{kind}.mlir").is_file() or (LIT / folder / kind).is_dir()


def _operations() -> list[type[Operation]]:
    """The operations of pulsar2's dialects that have a class of their own in the tree.

    Of the chips' dialects, which are made from target files, one stands for all.
    """
    chips = {name.lower() for name in target_names()}
    names = [n for n in DIALECTS if n not in {"builtin", "func", *chips}] + [min(chips)]
    package = import_module("pulsar2.dialects.onnx").__name__
    return [op for name in names for op in DIALECTS[name]().operations if op.__module__ != package]


@pytest.mark.parametrize("op", _operations(), ids=lambda op: op.name)
def test_operation_is_documented_and_appears_in_a_lit_file(op: type[Operation]) -> None:
    written = next((c for c in op.__mro__ if vars(c).get("__doc__")), None)
    assert written is not None
    assert written.__module__.startswith("pulsar2."), "no docstring of its own"
    dialect, _, rest = op.name.partition(".")
    names = (
        [f"{n.lower()}.{rest}" for n in target_names()]
        if dialect.upper() in target_names()
        else [op.name]
    )
    pattern = "|".join(rf"(?<![\w.]){re.escape(n)}(?![\w])" for n in names)
    assert any(re.search(pattern, file.read_text()) for file in FILES), "in no lit file"


def test_every_option_of_the_tools_is_given_in_a_lit_file() -> None:
    from pulsar2.tools import ax_opt, ax_translate

    text = _options_tested() + "\n".join(
        run
        for file in LIT.rglob("*.test")
        for run in re.findall(r"#\s*RUN:\s*(.*)", file.read_text())
    )
    missing = [
        f"{tool.__name__}: {action.option_strings[-1]}"
        for tool in (ax_opt, ax_translate)
        for action in tool._parser()._actions  # pyright: ignore[reportPrivateUsage]
        if action.option_strings
        and not any(
            re.search(rf"(?<![\w-]){option}(?![\w-])", text) for option in action.option_strings
        )
    ]
    assert missing == []
