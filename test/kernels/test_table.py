"""Every operation has a kernel, a golden and a test."""

from __future__ import annotations

import re
from pathlib import Path

import golden
import pytest
from harness import TABLE

TESTS = Path(__file__).parent


def test_every_kernel_has_a_golden():
    assert set(golden.GOLDEN) == set(TABLE)


def test_opcodes_are_unique():
    assert len(set(TABLE.values())) == len(TABLE)


@pytest.mark.parametrize("name", TABLE)
def test_every_kernel_is_tested(name):
    text = "".join(path.read_text() for path in TESTS.glob("test_*.py"))
    assert re.search(rf'check\(\s*"{name}"', text), f"no test checks {name} against its golden"
