"""Verification of a module: every operation, and every error with the operation it is about."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import ModuleOp, UnknownLoc
from xdsl.ir import Block, Operation, SSAValue
from xdsl.utils.exceptions import VerifyException

from pulsar2.diagnostics import Diagnostic
from pulsar2.locations import place_of


class VerifyError(Exception):
    """The IR is not valid. `diagnostics` are all errors found, each with its operation."""

    def __init__(self, diagnostics: Sequence[Diagnostic]):
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n".join(str(d) for d in self.diagnostics))


def verify_module(module: ModuleOp) -> None:
    """Verifies all operations, and that each uses only values defined before it.

    Raises `VerifyError` with all that was found, in the order of the text.
    """
    verifier = _Verifier()
    verifier.operation(module)
    if verifier.found:
        raise VerifyError(verifier.found)


def verify_locations(module: ModuleOp) -> None:
    """Raises `VerifyError` with every operation below the module whose location is unknown."""
    found = [
        _describe(op, "has no location: names are lost here")
        for op in module.walk()
        if op is not module and isinstance(op.location, UnknownLoc)
    ]
    if found:
        raise VerifyError(found)


class _Verifier:
    """Walks a module; `found` are the errors so far."""

    def __init__(self) -> None:
        self.found: list[Diagnostic] = []
        self._defined: set[SSAValue] = set()

    def operation(self, op: Operation) -> None:
        for index, operand in enumerate(op.operands):
            if operand not in self._defined:
                self.found.append(_describe(op, f"operand {index} is not defined before its use"))
        try:
            op.verify(verify_nested_ops=False)
        except VerifyException as error:
            self.found.append(_describe(op, str(error)))
        for region in op.regions:
            # The order between blocks is their branches' matter: every value of a region with
            # several blocks counts as defined in each of them.
            several = region.first_block is not region.last_block
            if several:
                for block in region.blocks:
                    self._defined.update(block.args)
                    self._defined.update(r for inner in block.ops for r in inner.results)
            for block in region.blocks:
                self._block(block)
        self._defined.update(op.results)

    def _block(self, block: Block) -> None:
        inner: list[SSAValue] = [*block.args]
        self._defined.update(block.args)
        for op in block.ops:
            self.operation(op)
            inner.extend(op.results)
        # A value is visible in its own block and in what that holds, not after it.
        self._defined.difference_update(inner)


def _describe(op: Operation, message: str) -> Diagnostic:
    return Diagnostic(f"'{op.name}': {message}", place_of(op), source=op)
