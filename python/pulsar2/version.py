"""The version of the toolchain, as its package metadata says."""

from __future__ import annotations

from functools import cache


@cache
def version() -> str:
    """Such as '0.1.0'."""
    from importlib import metadata

    return metadata.version("pulsar2")
