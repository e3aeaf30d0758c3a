"""Configuration files: one tree out of four formats, chosen by the file's suffix."""

from __future__ import annotations

from pathlib import Path

from pulsar2.config.tree import Node, Table
from pulsar2.diagnostics import UserError, nearest

FORMATS = {
    ".json": "json",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".toml": "toml",
    ".prototxt": "prototxt",
    ".pbtxt": "prototxt",
    ".txtpb": "prototxt",
}
_SIZE_LIMIT = 64 << 20


def read_text(text: str, source: str, format_: str) -> Table:
    """The tree of a configuration text in `format_` (json, yaml, toml or prototxt).

    `source` is the name that positions carry. Raises `UserError` when the text is not of the format
    or is not a table of keys at its top.
    """
    match format_:
        case "json":
            from pulsar2.config.readers.json import read_json as read
        case "yaml":
            from pulsar2.config.readers.yaml import read_yaml as read
        case "toml":
            from pulsar2.config.readers.toml import read_toml as read
        case "prototxt":
            from pulsar2.config.readers.prototxt import read_prototxt as read
        case _:
            raise ValueError(f"unknown configuration format {format_}")
    node: Node = read(text, source)
    if not isinstance(node, Table):
        raise UserError.of(
            "a configuration is a table of keys and values", str(node.position), "as in { ... }"
        )
    return node


def read_file(path: str) -> Table:
    """The tree of a configuration file; `UserError` when it cannot be read."""
    file = Path(path)
    suffix = file.suffix.lower()
    if suffix not in FORMATS:
        hint = nearest(suffix, FORMATS)
        known = f"one of {', '.join(FORMATS)}" + (f"; {hint}" if hint else "")
        raise UserError.of(f"configuration format '{suffix}' is not known", path, known)
    try:
        if file.stat().st_size > _SIZE_LIMIT:
            raise UserError.of("too large for a configuration file", path, "up to 64 MiB")
        data = file.read_bytes()
    except OSError as error:
        raise UserError.of(f"cannot read the configuration: {error.strerror}", path) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError.of("not UTF-8 text", f"{path}:{line}") from None
    return read_text(text.replace("\r\n", "\n"), path, FORMATS[suffix])
