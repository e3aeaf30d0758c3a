"""What configurations say is tested as on a machine that could do all of it."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def machine_with_torch_and_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch is an extra that need not be installed, and few have eight GPUs."""
    monkeypatch.setattr("pulsar2.config.rules.missing_torch", lambda: "")
    monkeypatch.setattr("pulsar2.config.rules.missing_device", lambda device: "")
