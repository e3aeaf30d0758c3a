"""The notation of `input_shapes`."""

from __future__ import annotations

import re

from pulsar2.diagnostics import UserError

_ENTRY = re.compile(r"(?P<name>.+):(?P<dims>\d+(?:x\d+)*)")
FORMAT = "as in input1:1x3x224x224;input2:1x1x112x112"


def parse_input_shapes(text: str) -> dict[str, tuple[int, ...]]:
    """Input name -> dimensions; {} for an empty text. `UserError` names the entry that is wrong."""
    shapes: dict[str, tuple[int, ...]] = {}
    for entry in filter(None, (e.strip() for e in text.split(";"))):
        match = _ENTRY.fullmatch(entry)
        if match is None:
            raise UserError.of(f"'{entry[:80]}' is not an input's shape", accepted=FORMAT)
        name = match["name"].strip()
        if name in shapes:
            raise UserError.of(f"input '{name}' has two shapes", accepted=FORMAT)
        if any(len(d) > 9 or int(d) == 0 for d in match["dims"].split("x")):
            raise UserError.of(f"'{entry[:80]}' has a dimension that is 0 or too large")
        shapes[name] = tuple(int(d) for d in match["dims"].split("x"))
    return shapes
