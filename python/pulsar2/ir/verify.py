"""Verification of a module: every operation, and every error with the operation it is about."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import ModuleOp, UnknownLoc
from xdsl.ir import Operation
from xdsl.utils.exceptions import VerifyException

from pulsar2.diagnostics import Diagnostic
from pulsar2.locations import place_of


class VerifyError(Exception):
    """The IR is not valid. `diagnostics` are all errors found, each with its operation."""

    def __init__(self, diagnostics: Sequence[Diagnostic]):
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n".join(str(d) for d in self.diagnostics))


def verify_module(module: ModuleOp, *, locations: bool = False) -> None:
    """Verifies all operations; with `locations`, that each below the module has a known one.

    Raises `VerifyError` with all that was found.
    """
    found: list[Diagnostic] = []
    for op in module.walk():
        try:
            op.verify(verify_nested_ops=False)
        except VerifyException as error:
            found.append(_describe(op, str(error)))
        if locations and op is not module and isinstance(op.location, UnknownLoc):
            found.append(_describe(op, "has no location: names are lost here"))
    if found:
        raise VerifyError(found)


def _describe(op: Operation, message: str) -> Diagnostic:
    return Diagnostic(f"'{op.name}': {message}", place_of(op), source=op)
