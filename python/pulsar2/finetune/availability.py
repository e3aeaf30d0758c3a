"""Whether fine-tuning can run here; nothing else of torch is used."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

INSTALL = "pip install 'pulsar2[finetune]'"


def missing_torch() -> str:
    """Why there is no torch, and how to get it; '' where there is."""
    if find_spec("torch") is not None:
        return ""
    return f"torch is not installed: {INSTALL}"


def missing_device(device: str) -> str:
    """Why torch has no `device` (cpu, or cuda:N), naming those that it has; '' where it has."""
    if device == "cpu":
        return ""
    torch: Any = import_module("torch")
    count = int(torch.cuda.device_count()) if torch.cuda.is_available() else 0
    names = ["cpu", *(f"cuda:{i}" for i in range(count))]
    if device in names:
        return ""
    return f"torch {torch.__version__} has no {device} here, only {', '.join(names)}"
