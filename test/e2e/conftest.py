"""Lets the end-to-end tests import the benchmark's networks and the example."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
for folder in (ROOT, ROOT / "examples" / "efficientnet_lite0"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
