"""``python test/lowest.py``: the lowest versions that pyproject.toml accepts, for pip.

`make test-lowest` runs the tests with them.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

_BOUND = re.compile(r"([\w.-]+)>=([\w.]+),<[\w.]+")


def lowest(pyproject: str) -> list[str]:
    """Constraints at the lower bounds of the text of a pyproject.toml.

    Raises ValueError for a dependency that is not given as ``name>=lower,<upper``.
    """
    found: list[str] = []
    for dependency in tomllib.loads(pyproject)["project"]["dependencies"]:
        match = _BOUND.fullmatch(dependency)
        if match is None:
            raise ValueError(f"'{dependency}' is not name>=lower,<upper")
        name, version = match.groups()
        found.append(f"{name}=={version}.*" if version.count(".") < 2 else f"{name}=={version}")
    return found


def main() -> None:
    """Prints the constraints of the pyproject.toml of this folder."""
    print("\n".join(lowest(Path("pyproject.toml").read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
