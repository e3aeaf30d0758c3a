"""Lets the end-to-end tests import the benchmark's networks and the example; a finished build."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
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


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the guide's first example was built, with its IR dumped."""
    from cases import classifier, configuration, pictures, run, write_config

    folder = tmp_path_factory.mktemp("built")
    classifier(folder / "model.onnx")
    write_config(folder / "config.json", configuration(pictures(folder / "data.tar")))
    outcome = run(
        "build", "--input", folder / "model.onnx", "--config", folder / "config.json",
        "--output_dir", folder / "out", "--target_hardware", "AX650", "--debug.dump_ir",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    (folder / "log.txt").write_text(outcome.out + outcome.err)
    return folder
