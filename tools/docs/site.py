"""A hook of mkdocs: links that leave `docs/`, to sources and tests, become plain text on the site.

In a repository browser they lead to the files; a test of the pages says whether they are there.
"""

from __future__ import annotations

import re
from typing import Any

_OUTWARD = re.compile(r"\[([^\]]*)\]\((?:\.\./)+(?!docs/)[^)\s]*\)")


def on_page_markdown(markdown: str, **context: Any) -> str:
    """The text of a page; those in a folder of their own go up one level without leaving."""
    depth = str(context["page"].file.src_uri).count("/")
    kept = "../" * depth

    def shown(match: re.Match[str]) -> str:
        target = match[0].rpartition("](")[2]
        leaves = target.startswith(kept + "../")
        return match[1] if leaves else match[0]

    return _OUTWARD.sub(shown, markdown)
