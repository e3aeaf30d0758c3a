"""Writes the pages of `docs/` that follow from the code: passes, pipelines, dialects, targets,
configuration.

`python -m pulsar2.tools.gen_docs docs` writes them; with `--check` it says which are out of date.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from pulsar2.config import json_schema
from pulsar2.files import write_text
from pulsar2.tools.command import ToolParser
from pulsar2.tools.docs.configuration import configuration_page
from pulsar2.tools.docs.dialects import dialect_pages
from pulsar2.tools.docs.options import options_page
from pulsar2.tools.docs.passes import passes_page, pipelines_page
from pulsar2.tools.docs.targets import operators_page, targets_page


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes or checks the pages. Exit code: 1 when `--check` finds one that is out of date."""
    parser = ToolParser("gen_docs", "Writes the generated pages of the documentation.", "")
    parser.add_argument("folder", type=Path, help="where the pages are")
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    args = parser.parse_args(arguments)
    if not args.check:
        for name, text in pages().items():
            write_text(args.folder / name, text)
        return 0
    stale = stale_pages(args.folder)
    for name in stale:
        print(f"{args.folder / name} is out of date: run `make docs`", file=sys.stderr)
    return 1 if stale else 0


def pages() -> dict[str, str]:
    """The text of every generated page, by path below `docs/`."""
    return {
        "passes.md": passes_page(),
        "pipelines.md": pipelines_page(),
        **dialect_pages(),
        "targets.md": targets_page(),
        "operators.md": operators_page(),
        "configuration.md": configuration_page(),
        "options.md": options_page(),
        "pulsar2.schema.json": json.dumps(json_schema(), indent=1) + "\n",
    }


def stale_pages(folder: Path) -> list[str]:
    """The pages that are missing in `folder` or differ from what the code says."""

    def current(name: str, text: str) -> bool:
        path = folder / name
        return path.is_file() and path.read_text(encoding="utf-8") == text

    return [name for name, text in pages().items() if not current(name, text)]


if __name__ == "__main__":
    sys.exit(main())
