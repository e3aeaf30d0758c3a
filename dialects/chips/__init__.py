"""The dialects of the chips: jobs with addresses, one to one with the bytes of a program.

Each chip has a dialect of its own name, made from its target file. The operations are the same for
all chips of a generation; the verifiers go by the chip's file.
"""

from __future__ import annotations

from functools import cache

from pulsar2.dialects.chips.base import ChipDialect, make_chip_dialect
from pulsar2.targets import load_target


@cache
def chip_dialect(name: str) -> ChipDialect:
    """The dialect of the chip of that name."""
    return make_chip_dialect(load_target(name))
