"""Relaxed JSON: RFC 8259 with `//`, `/* */` and `#` comments and trailing commas."""

from __future__ import annotations

import re

from pulsar2.config.readers.scanner import Scanner
from pulsar2.config.tree import Items, Node, Position, Scalar, Table

_SKIPPED = re.compile(r"(?:[ \t\r\n]+|//[^\n]*|#[^\n]*|/\*(?s:.*?)\*/)*")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])")
_WORD = re.compile(r"[A-Za-z_]\w*")
_PLAIN_TEXT = re.compile(r'[^"\\\x00-\x1f]+')
_HEX4 = re.compile(r"[0-9a-fA-F]{4}")
_ESCAPES = {
    '"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t",
}  # fmt: skip
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None}


def read_json(text: str, source: str) -> Node:
    """The tree of a relaxed JSON text; `UserError` with line and column when it is not one."""
    scanner = Scanner(text, source, _SKIPPED)
    scanner.skip()
    node = _value(scanner)
    scanner.skip()
    if scanner.peek():
        scanner.fail(f"{scanner.found()} after the end of the configuration")
    return node


def _value(scanner: Scanner) -> Node:
    position, offset = scanner.position(), scanner.at
    character = scanner.peek()
    if character == "{":
        return _object(scanner, position)
    if character == "[":
        return _array(scanner, position)
    if character == '"':
        return Scalar(_string(scanner), position)
    if text := scanner.take(_NUMBER):
        if re.fullmatch(r"-?\d+", text):
            return Scalar(scanner.integer(text, 10, offset), position)
        return Scalar(scanner.real(text, offset), position)
    word = scanner.take(_WORD)
    if word in _WORDS:
        return Scalar(_WORDS[word], position)
    scanner.at = offset
    expected = "a value: a string in double quotes, a number, true, false, [...] or {...}"
    scanner.fail(f"{scanner.found()} is not a value", f"expected {expected}")


def _object(scanner: Scanner, position: Position) -> Table:
    scanner.descend()
    start = scanner.at
    scanner.at += 1
    entries: dict[str, Node] = {}
    keys: dict[str, Position] = {}
    while True:
        scanner.skip()
        if scanner.peek() == "}":
            break
        key_position = scanner.position()
        if scanner.peek() != '"':
            _unclosed(scanner, start, "{")
            scanner.fail(f"{scanner.found()} is not a key", "expected a key in double quotes or }")
        key = _string(scanner)
        if key in entries:
            scanner.fail(
                f"the key '{key}' is written twice in one object",
                f"first at line {keys[key].line}",
                scanner.at - 1,
            )
        scanner.skip()
        if scanner.peek() != ":":
            scanner.fail(f"{scanner.found()} after the key '{key}'", "expected ':'")
        scanner.at += 1
        scanner.skip()
        keys[key] = key_position
        entries[key] = _value(scanner)
        scanner.skip()
        if scanner.peek() == ",":
            scanner.at += 1
        elif scanner.peek() != "}":
            _unclosed(scanner, start, "{")
            scanner.fail(f"{scanner.found()} after the value of '{key}'", "expected ',' or '}'")
    scanner.at += 1
    scanner.ascend()
    return Table(entries, position, keys)


def _array(scanner: Scanner, position: Position) -> Items:
    scanner.descend()
    start = scanner.at
    scanner.at += 1
    items: list[Node] = []
    while True:
        scanner.skip()
        if scanner.peek() == "]":
            break
        if not scanner.peek():
            _unclosed(scanner, start, "[")
        items.append(_value(scanner))
        scanner.skip()
        if scanner.peek() == ",":
            scanner.at += 1
        elif scanner.peek() != "]":
            _unclosed(scanner, start, "[")
            scanner.fail(f"{scanner.found()} after a list item", "expected ',' or ']'")
    scanner.at += 1
    scanner.ascend()
    return Items(tuple(items), position)


def _unclosed(scanner: Scanner, start: int, bracket: str) -> None:
    """Reports an opening bracket whose closing one never comes."""
    if not scanner.peek():
        scanner.fail(f"this '{bracket}' is never closed", offset=start)


def _string(scanner: Scanner) -> str:
    start = scanner.at
    scanner.at += 1
    pieces: list[str] = []
    while True:
        piece = scanner.take(_PLAIN_TEXT)
        if piece:
            pieces.append(piece)
        character = scanner.peek()
        if character == '"':
            scanner.at += 1
            return "".join(pieces)
        if character != "\\":
            scanner.fail("this string is never closed", "expected '\"' on the same line", start)
        scanner.at += 1
        pieces.append(_escape(scanner))


def _escape(scanner: Scanner) -> str:
    letter = scanner.peek()
    scanner.at += 1
    if letter in _ESCAPES:
        return _ESCAPES[letter]
    if letter != "u":
        scanner.fail("unknown escape in a string", "write \\\\ for a backslash", scanner.at - 2)
    code = _hex4(scanner)
    if 0xD800 <= code < 0xDC00 and scanner.text.startswith("\\u", scanner.at):
        scanner.at += 2
        low = _hex4(scanner)
        if 0xDC00 <= low < 0xE000:
            return chr(0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00))
        code = 0xD800
    if 0xD800 <= code < 0xE000:
        scanner.fail("half of a surrogate pair in a string", offset=scanner.at - 6)
    return chr(code)


def _hex4(scanner: Scanner) -> int:
    digits = scanner.take(_HEX4)
    if digits is None:
        scanner.fail("\\u needs four hexadecimal digits", offset=scanner.at - 2)
    return int(digits, 16)
