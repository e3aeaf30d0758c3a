"""Passes with faults, to see what the tools make of them."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.utils.exceptions import PassFailedException

from pulsar2.context import AxContext
from pulsar2.diagnostics import Diagnostics
from pulsar2.lowering.base import AxPass

PASSES = {
    "test-crash": "faulty_passes:CrashPass",
    "test-invalid": "faulty_passes:InvalidPass",
    "test-fail": "faulty_passes:FailPass",
    "test-refuse": "faulty_passes:RefusePass",
    "test-mark": "faulty_passes:MarkPass",
}


@dataclass(frozen=True)
class CrashPass(AxPass):
    """Raises what no pass may raise."""

    name = "test-crash"

    word: str = ""

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        raise KeyError("lost")


@dataclass(frozen=True)
class InvalidPass(AxPass):
    """Leaves a function without a terminator."""

    name = "test-invalid"

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        for op in list(module.walk()):
            if op.name == "func.return":
                op.detach()


@dataclass(frozen=True)
class FailPass(AxPass):
    """Fails the way xDSL's own passes do."""

    name = "test-fail"

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        raise PassFailedException("nothing can be done")


@dataclass(frozen=True)
class RefusePass(AxPass):
    """Refuses every operation below the functions, in a new operation of each one's place."""

    name = "test-refuse"

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        diagnostics = Diagnostics()
        for op in module.walk():
            if op.parent_op() is not module and op is not module:
                copy = op.clone()
                diagnostics.error("this is refused", accepted="anything else", source=copy)
        diagnostics.raise_if_any()


@dataclass(frozen=True)
class MarkPass(AxPass):
    """Leaves a mark on the module."""

    name = "test-mark"

    text: str = "marked"

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        module.attributes["test.mark"] = StringAttr(self.text)
