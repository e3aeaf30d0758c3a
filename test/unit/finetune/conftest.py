"""Lets the tests of fine-tuning import the quantizer's."""

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2]
for folder in (Path(__file__).parent, TESTS / "unit" / "quant", TESTS / "kernels", TESTS.parent):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
