"""Parsing with locations, and printing."""

from __future__ import annotations

import dataclasses
import os
import re
from bisect import bisect_right
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

from xdsl.context import Context
from xdsl.dialects.builtin import (
    FileLineColLoc,
    IntAttr,
    LocationAttr,
    ModuleOp,
    StringAttr,
    UnknownLoc,
)
from xdsl.ir import Operation
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.utils.exceptions import ParseError, VerifyException

from pulsar2.diagnostics import Diagnostic, UserError, nearest
from pulsar2.files import write_text

_WEIGHT_KEY = re.compile(r'<"([0-9a-f]{32})", tensor<')


@dataclass
class ParsedModule:
    """A module, and where in its text each operation stands (1-based line and column)."""

    module: ModuleOp
    file: str
    positions: dict[Operation, tuple[int, int]] = field(
        default_factory=dict[Operation, tuple[int, int]]
    )

    def position(self, op: Operation) -> tuple[int, int] | None:
        """Where an operation stands, or stood before a pass rewrote it; None if unknown."""
        if op in self.positions:
            return self.positions[op]
        location = op.location
        if isinstance(location, FileLineColLoc) and location.filename.data == self.file:
            return location.line.data, location.column.data
        if isinstance(location, UnknownLoc):
            return None
        # A pass made the operation: it stands where the first of its name stood.
        return next((p for o, p in self.positions.items() if o.location == location), None)

    def locate(self, diagnostic: Diagnostic) -> Diagnostic:
        """The diagnostic with the line and column of its operation in front of its place."""
        position = self.position(diagnostic.source) if diagnostic.source is not None else None
        if position is None:
            return diagnostic
        line, column = position
        where = f"{self.file}:{line}:{column}"
        if diagnostic.where:
            where += f": {diagnostic.where}"
        return dataclasses.replace(diagnostic, where=where)


class _LocatingParser(Parser):
    """Gives an operation without a location that of its own text, and notes every position.

    What says `loc(unknown)` keeps that: it has lost its name.
    """

    def __init__(self, ctx: Context, text: str, name: str, first_line: int):
        super().__init__(ctx, text, name)
        self.positions: dict[Operation, tuple[int, int]] = {}
        self._name = name
        self._first_line = first_line
        self._has_location = False
        self._operation_start = 0
        self._line_starts = [0]
        self._line_starts += [i + 1 for i, c in enumerate(text) if c == "\n"]

    def line_column(self, offset: int) -> tuple[int, int]:
        """1-based line and column of a position in the text."""
        line = bisect_right(self._line_starts, offset)
        return line + self._first_line, offset - self._line_starts[line - 1] + 1

    def parse_optional_location(self) -> LocationAttr | None:
        location = super().parse_optional_location()
        # Of the locations read within an operation, its own is the last.
        self._has_location = location is not None
        return location

    def _get_op_by_name(self, name: str) -> type[Operation]:
        found = self.ctx.get_optional_op(name, dialect_stack=self._parser_state.dialect_stack)
        if found is None:
            hint = nearest(name, (op.name for op in self.ctx.loaded_ops), 1)
            message = f"unknown operation '{name}'"
            self.raise_error(f"{message} ({hint})" if hint else message, self._operation_start)
        return found

    def parse_operation(self) -> Operation:
        start = self._current_token.span.start
        self._operation_start = start
        try:
            op = super().parse_operation()
        except VerifyException as error:
            self.raise_error(str(error), start, self._current_token.span.start)
        line, column = self.line_column(start)
        self.positions[op] = (line, column)
        if not self._has_location and isinstance(op.location, UnknownLoc):
            op.location = FileLineColLoc(StringAttr(self._name), IntAttr(line), IntAttr(column))
        return op


def parse_module(text: str, ctx: Context, name: str, first_line: int = 0) -> ParsedModule:
    """The module in `text`, a part of the file `name` that follows `first_line` lines of it.

    Raises `UserError` with the position of a syntax error.
    """
    parser = _LocatingParser(ctx, text, name, first_line)
    try:
        module = parser.parse_module()
    except RecursionError:
        raise UserError.of("the text is nested too deeply", name) from None
    except ParseError as error:
        line, column = parser.line_column(error.span.start)
        excerpt = text.splitlines()[line - first_line - 1 : line - first_line]
        shown = f"\n  {excerpt[0]}\n  {' ' * (column - 1)}^" if excerpt else ""
        raise UserError(
            [Diagnostic(f"{error.msg.strip()}{shown}", f"{name}:{line}:{column}", source=line)]
        ) from None
    # The module that the parser wraps around the operations has no text of its own.
    if module not in parser.positions:
        module.location = UnknownLoc()
    return ParsedModule(module, name, parser.positions)


def print_module(module: ModuleOp, *, locations: bool = True, generic: bool = False) -> str:
    """The text of a module; with `locations` it holds all names, and can be carried on from."""
    stream = StringIO()
    printer = Printer(stream, print_debuginfo=locations, print_generic_format=generic)
    printer.print_op(module)
    stream.write("\n")
    return stream.getvalue()


def save_module(module: ModuleOp, path: str | os.PathLike[str]) -> Path:
    """Writes the text of a module with its locations, all or nothing."""
    write_text(path, print_module(module))
    return Path(path)


def weight_keys(text: str) -> list[str]:
    """The keys of the weights that the text of a module refers to, sorted."""
    return sorted(set(_WEIGHT_KEY.findall(text)))
