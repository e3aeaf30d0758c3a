"""`verify-locations`: no operation has lost its name."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp

from pulsar2.context import AxContext
from pulsar2.diagnostics import UserError
from pulsar2.ir.verify import VerifyError, verify_locations
from pulsar2.lowering.base import AxPass


@dataclass(frozen=True)
class VerifyLocations(AxPass):
    """Fails where an operation below the module has an unknown location.

    Changes nothing. Names reach tables, traces and messages by their locations, so a pass that
    makes operations without one loses them.

    ```
    %0 = "quant.dcast"(%x) : .. loc(unknown)   // error: has no location
    ```
    """

    name = "verify-locations"

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        try:
            verify_locations(module)
        except VerifyError as error:
            raise UserError(error.diagnostics) from None
