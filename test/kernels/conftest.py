"""Lets the kernel tests import their golden and harness by name."""

import sys
from pathlib import Path

from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))

# Kernels run on every instruction set and on several threads per example.
settings.register_profile("kernels", deadline=None, max_examples=100, print_blob=True)
settings.load_profile("kernels")
