"""Protobuf text format of the `BuildConfig` message.

Field by field: `name: value`, `name { ... }`, `name < ... >`, lists in brackets, adjacent strings
joined, `#` comments, optional `,` or `;` after a field. A field given more than once is a list.
What the fields mean is the schema's business, as for every other format.
"""

from __future__ import annotations

import re

from pulsar2.config.readers.scanner import Scanner
from pulsar2.config.tree import Items, Node, Position, Scalar, Table

_SKIPPED = re.compile(r"(?:[ \t\r\n\f\v]+|#[^\n]*)*")
_NAME = re.compile(r"[A-Za-z_]\w*")
_FLOAT = re.compile(r"-?\s*(?:\d+\.\d*|\.\d+|\d+(?=[eEfF]))(?:[eE][+-]?\d+)?[fF]?(?![\w.])")
_INTEGER = re.compile(r"-?\s*(?:0[xX][0-9a-fA-F]+|\d+)(?![\w.])")
_PLAIN_TEXT = {q: re.compile(rf"[^{q}\\\n]+") for q in "'\""}
_OCTAL = re.compile(r"[0-7]{1,3}")
_HEX = re.compile(r"[0-9a-fA-F]{1,2}")
_ESCAPES = {
    "a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "?": 63, "\\": 92, "'": 39, '"': 34,
}  # fmt: skip
_WORDS = {"true": True, "True": True, "false": False, "False": False}
_CLOSING = {"{": "}", "<": ">"}


def read_prototxt(text: str, source: str) -> Node:
    """The tree of a protobuf text; `UserError` with line and column when it is not one."""
    scanner = Scanner(text, source, _SKIPPED)
    return _message(scanner, Position(source, 1, 1), "")


def _message(scanner: Scanner, position: Position, closing: str) -> Table:
    """The fields up to `closing` ('' is the end of the file)."""
    scanner.descend()
    start = scanner.at - 1
    given: dict[str, list[Node]] = {}
    keys: dict[str, Position] = {}
    while True:
        scanner.skip()
        if scanner.peek() == closing:
            scanner.at += bool(closing)
            break
        if not scanner.peek():
            scanner.fail(f"this '{scanner.text[start]}' is never closed", offset=start)
        key_position = scanner.position()
        name = scanner.take(_NAME)
        if name is None:
            expected = "a field name" + (f" or '{closing}'" if closing else "")
            scanner.fail(f"{scanner.found()} is not a field", f"expected {expected}")
        keys.setdefault(name, key_position)
        given.setdefault(name, []).extend(_field(scanner, name))
        scanner.skip()
        if scanner.peek() in (",", ";"):
            scanner.at += 1
    scanner.ascend()
    entries: dict[str, Node] = {}
    for name, values in given.items():
        if len(values) == 1:
            entries[name] = values[0]
            continue
        flat = [i for v in values for i in (v.items if isinstance(v, Items) else (v,))]
        entries[name] = Items(tuple(flat), keys[name], repeated=True)
    return Table(entries, position, keys)


def _field(scanner: Scanner, name: str) -> list[Node]:
    """The values of one field: one, or those of a list in brackets."""
    scanner.skip()
    colon = scanner.peek() == ":"
    if colon:
        scanner.at += 1
        scanner.skip()
    position = scanner.position()
    if scanner.peek() == "[":
        return [_list(scanner, position)]
    if not colon and scanner.peek() not in _CLOSING:
        scanner.fail(f"{scanner.found()} after the field '{name}'", "expected ':' or '{'")
    return [_value(scanner, position)]


def _list(scanner: Scanner, position: Position) -> Items:
    start = scanner.at
    scanner.at += 1
    items: list[Node] = []
    while True:
        scanner.skip()
        if scanner.peek() == "]":
            scanner.at += 1
            return Items(tuple(items), position)
        if not scanner.peek():
            scanner.fail("this '[' is never closed", offset=start)
        if items:
            if scanner.peek() != ",":
                scanner.fail(f"{scanner.found()} after a list item", "expected ',' or ']'")
            scanner.at += 1
            scanner.skip()
        items.append(_value(scanner, scanner.position()))


def _value(scanner: Scanner, position: Position) -> Node:
    offset = scanner.at
    character = scanner.peek()
    if character in _CLOSING:
        scanner.at += 1
        return _message(scanner, position, _CLOSING[character])
    if character and character in "'\"":
        return Scalar(_string(scanner), position)
    if text := scanner.take(_FLOAT):
        return Scalar(scanner.real(re.sub(r"[\sfF]", "", text), offset), position)
    if text := scanner.take(_INTEGER):
        return Scalar(_integer(scanner, re.sub(r"\s", "", text), offset), position)
    word = scanner.take(_NAME)
    if word is None:
        scanner.fail(
            f"{scanner.found()} is not a value",
            "expected a quoted string, a number, a name of an enumeration, true, false or {...}",
        )
    return Scalar(_WORDS.get(word, word), position)


def _integer(scanner: Scanner, text: str, offset: int) -> int:
    digits = text.lstrip("-")
    if digits[:2] in ("0x", "0X"):
        value = scanner.integer(digits, 16, offset)
    elif len(digits) > 1 and digits[0] == "0":
        if re.search("[89]", digits):
            scanner.fail(f"'{text}' begins with 0 but is not octal", offset=offset)
        value = scanner.integer(digits, 8, offset)
    else:
        value = scanner.integer(digits, 10, offset)
    return -value if text[0] == "-" else value


def _string(scanner: Scanner) -> str:
    """One string, or several that stand one after the other; escapes spell UTF-8 bytes."""
    data = bytearray()
    start = scanner.at
    while (quote := scanner.peek()) and quote in "'\"":
        opening = scanner.at
        scanner.at += 1
        while scanner.peek() != quote:
            if piece := scanner.take(_PLAIN_TEXT[quote]):
                data += piece.encode("utf-8", "surrogatepass")
            elif scanner.peek() == "\\":
                scanner.at += 1
                data += _escape(scanner)
            else:
                accepted = f"expected {quote} on the same line"
                scanner.fail("this string is never closed", accepted, opening)
        scanner.at += 1
        end = scanner.at
        scanner.skip()
        if not scanner.peek() or scanner.peek() not in "'\"":
            scanner.at = end
            break
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        scanner.fail("the escapes of this string do not make UTF-8", offset=start)


def _escape(scanner: Scanner) -> bytes:
    if octal := scanner.take(_OCTAL):
        return bytes([int(octal, 8) & 0xFF])
    letter = scanner.peek()
    scanner.at += 1
    if letter in ("x", "X") and (digits := scanner.take(_HEX)):
        return bytes([int(digits, 16)])
    if letter not in _ESCAPES or not letter:
        scanner.fail("unknown escape in a string", "write \\\\ for a backslash", scanner.at - 2)
    return bytes([_ESCAPES[letter]])
