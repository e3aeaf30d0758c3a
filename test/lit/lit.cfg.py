"""Configuration of lit: `lit test/lit` runs every file's RUN lines.

`ax-opt`, `ax-translate` and `filecheck` are those beside the Python that runs lit, so the same
configuration serves an editable install and an installed wheel. `--param tools=FOLDER` puts others
before them.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import lit.formats

config: Any
lit_config: Any

_HERE = Path(__file__).resolve().parent

config.name = "pulsar2"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["inputs"]
config.test_source_root = str(_HERE)
config.test_exec_root = lit_config.params.get(
    "exec_root", str(_HERE.parent.parent / "build" / "lit")
)
config.substitutions.append(("%python", sys.executable))
config.environment["PATH"] = os.pathsep.join(
    [
        *filter(None, [lit_config.params.get("tools")]),
        str(Path(sys.executable).parent),
        config.environment.get("PATH", os.defpath),
    ]
)
