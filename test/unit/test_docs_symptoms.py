"""The symptoms in the guide are in the words that the programs use."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
SOURCES = "".join(
    path.read_text(encoding="utf-8")
    for folder in ("python/pulsar2", "lowering", "tools")
    for path in sorted((ROOT / folder).rglob("*.py"))
)
SYSTEM = "No space left on device"


def symptoms() -> list[str]:
    table = GUIDE[GUIDE.index("| symptom |") :].splitlines()[2:]
    return [text for row in table for text in re.findall(r"`([^`]+)`", row.split("|")[1])]


def test_there_are_symptoms() -> None:
    assert len(symptoms()) > 10


@pytest.mark.parametrize("text", symptoms())
def test_the_words_are_those_of_the_programs(text: str) -> None:
    # Messages are put together, in f-strings and across lines of the source.
    words = re.sub(r'"\s*(?:f|\n)*\s*f?"', "", SOURCES)
    for part in re.split(r"\.\.\.|\[|\]|'|\bN\b|\b4\b", text.replace(SYSTEM, "")):
        part = part.strip(" :,")
        if part and part not in words:
            pytest.fail(f"no program says '{part}'")
