"""The documentation as a site: every page is on it, and no link leads nowhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

pytest.importorskip("mkdocs")


def test_the_site_is_whole(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    pages = {p.relative_to(DOCS).with_suffix(".html") for p in DOCS.rglob("*.md")}
    assert {p.relative_to(tmp_path) for p in tmp_path.rglob("*.html")} >= pages
    assert (tmp_path / "search" / "search_index.json").stat().st_size > 100_000
    for page in pages:
        text = (tmp_path / page).read_text(encoding="utf-8")
        assert "```" not in text, page  # a code block that was not understood
        for link in re.findall(r'href="(?!\w+:)([^"#]+)', text):
            target = (tmp_path / page).parent / link
            assert target.resolve().is_relative_to(tmp_path), (page, link)
            assert target.exists(), (page, link)
