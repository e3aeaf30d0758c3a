"""`verify-program`: the schedule of a program is right, whatever order its jobs take."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp

from pulsar2.assemble import assemble
from pulsar2.context import AxContext
from pulsar2.diagnostics import Diagnostic, UserError
from pulsar2.dialects.chips.base import ChipProgramOp
from pulsar2.locations import place_of
from pulsar2.lowering.base import AxPass


@dataclass(frozen=True)
class VerifyProgram(AxPass):
    """Proves that every conflict of bytes is ordered, and every byte written before it is read.

    Runs the schedule sanitizer over the bytes that the program assembles to: two jobs that share
    bytes, one of them writing, have to be ordered by queue or by waits; no job reads what nothing
    wrote; none writes inputs or parameters; units access only the memories they can reach; every
    output is written. Changes nothing. All findings are reported, each at its job.

    Options: `useless-waits` also reports waits that queues or other waits imply.

    ```
    ax650.program @p mode "NPU1" ocm 128 input 0 output 0 param 0 swap 0 {
      %0 = ax650.job "fill" on cv 0 [#chip.at<ocm ui8 [64] : [1]>] <value = 1>
      %1 = ax650.job "fill" on teng 0 [#chip.at<ocm ui8 [64] : [1]>] <value = 2>   // error: race
    ```
    """

    name = "verify-program"

    useless_waits: bool = False

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        found: list[Diagnostic] = []
        for op in module.ops:
            if isinstance(op, ChipProgramOp):
                found += _check(op, ctx, self.useless_waits)
        if found:
            raise UserError(found)


def _check(program: ChipProgramOp, ctx: AxContext, notes: bool) -> list[Diagnostic]:
    from pulsar2 import _kernels

    jobs = program.jobs()
    found: list[Diagnostic] = []
    try:
        findings = _kernels.sanitize(assemble(program, ctx.weights).code)
    except _kernels.ProgramError as error:
        return [Diagnostic(str(error), source=program)]
    for finding in findings:
        if finding.is_note and not notes:
            continue
        source = jobs[finding.job] if 0 <= finding.job < len(jobs) else program
        found.append(
            Diagnostic(f"{finding.kind}: {finding.message}", place_of(source), source=source)
        )
    return found
