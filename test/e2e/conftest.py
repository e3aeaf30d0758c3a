"""Lets the end-to-end tests import the benchmark's networks and the example."""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[2]
for folder in (ROOT, ROOT / "examples" / "efficientnet_lite0"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

# `pytest --hypothesis-profile=explore` looks for new examples; the default repeats the same ones.
settings.register_profile(
    "fixed", deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
settings.register_profile(
    "explore", deadline=None, print_blob=True, suppress_health_check=list(HealthCheck)
)
settings.load_profile("fixed")
