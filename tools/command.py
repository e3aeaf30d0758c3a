"""What the command-line tools share: a parser that answers wrong usage in one line."""

from __future__ import annotations

import argparse
import re
import sys
from typing import NoReturn

from pulsar2.diagnostics import nearest

WRONG_USAGE = 2

_UNKNOWN = re.compile(r"unrecognized arguments: (-\S+)")


class ToolParser(argparse.ArgumentParser):
    """An argument parser without abbreviations; an unknown option is answered with the nearest."""

    def __init__(self, prog: str, description: str, epilog: str):
        super().__init__(
            prog=prog,
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        """Ends the program with the exit code for wrong usage."""
        unknown = _UNKNOWN.match(message)
        hint = ""
        if unknown is not None:
            name = unknown[1].partition("=")[0]
            message = f"unknown option '{name}'"
            hint = nearest(name, self._option_string_actions)
        accepted = hint or f"'{self.prog} --help' shows what is accepted"
        print(f"{self.prog}: error: {message} ({accepted})", file=sys.stderr)
        raise SystemExit(WRONG_USAGE)
