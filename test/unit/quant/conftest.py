"""Lets the quantizer's tests import the kernels' golden and the random graphs."""

import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

TESTS = Path(__file__).resolve().parents[2]
for folder in (Path(__file__).parent, TESTS / "kernels", TESTS / "e2e", TESTS.parent):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

settings.register_profile(
    "quant", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("quant")
