"""The generated pages of the documentation are those of the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulsar2.lowering.pipelines import PASSES
from pulsar2.tools.gen_docs import main, pages, stale_pages

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_pages_in_the_tree_are_current() -> None:
    assert stale_pages(DOCS) == [], "run `make docs`"


def test_every_pass_has_a_heading() -> None:
    page = pages()["passes.md"]
    assert [name for name in PASSES if f"### `{name}`" not in page] == []


def test_check_names_what_is_missing_or_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path)]) == 0
    assert main([str(tmp_path), "--check"]) == 0
    (tmp_path / "passes.md").write_text("something else")
    (tmp_path / "dialects" / "ax.md").unlink()
    assert main([str(tmp_path), "--check"]) == 1
    shown = capsys.readouterr().err
    assert "passes.md is out of date" in shown
    assert "ax.md is out of date" in shown
    assert "quant.md" not in shown
