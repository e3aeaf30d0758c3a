"""`convert-sched-to-chip`: a scheduled program becomes jobs with addresses, of its chip."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, SSAValue

from pulsar2.context import AxContext, load_dialect
from pulsar2.diagnostics import UserError
from pulsar2.dialects.chips import chip_dialect
from pulsar2.dialects.chips.base import SEGMENTS, ChipDialect, ChipProgramOp, Place
from pulsar2.dialects.sched.attrs import Space
from pulsar2.dialects.sched.job import JobOp
from pulsar2.dialects.sched.program import OCM_ALIGNMENT, BufferOp, ProgramOp
from pulsar2.locations import place_of
from pulsar2.lowering.base import AxPass


@dataclass(frozen=True)
class ConvertSchedToChip(AxPass):
    """Resolves buffers to addresses, and turns each program into its chip's dialect.

    What comes out is one to one with the bytes of the program: ports, parameters, and jobs in the
    order of their queues, each with its unit, its operands' addresses and its waits.

    Needs: addresses on all buffers, units on all jobs. Leaves: one `<chip>.program` per
    `sched.program`.

    ```
    sched.program @subgraph_npu_0 target "AX650" mode "NPU1" ocm 3145728 {
      %a = sched.buffer ocm 256 {address = 64 : i64} : !sched.buffer
      %t = sched.job "eltwise" on teng(%a, %a, %a) [..] #sched.params<..> {unit = 0 : i64}
    // becomes
    ax650.program @subgraph_npu_0 mode "NPU1" ocm 3145728 input 0 output 0 param 0 swap 0 {
      %t = ax650.job "eltwise" on teng 0 [#chip.at<ocm ui8 [256] : [1] + 64>, ..] #sched.params<..>
    ```
    """

    name = "convert-sched-to-chip"

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        for op in list(module.ops):
            if isinstance(op, ProgramOp):
                chip = chip_dialect(op.target.data)
                load_dialect(ctx, chip.dialect.name)
                converted = _convert(op, chip)
                module.body.block.insert_op_before(converted, op)
                op.detach()
                op.erase()


def _convert(program: ProgramOp, chip: ChipDialect) -> ChipProgramOp:
    sizes: dict[Space, int] = dict.fromkeys(SEGMENTS, 0)
    ports: list[Operation] = []
    params: list[Operation] = []
    seen: set[int] = set()
    for buffer in program.buffers():
        address = _address(buffer)
        if buffer.where not in sizes:
            raise UserError.of(
                "a buffer's space is not decided: run sched-plan-tiles first", source=buffer
            )
        if buffer.where is not Space.OCM:
            end = address + -(-buffer.nbytes // OCM_ALIGNMENT) * OCM_ALIGNMENT
            sizes[buffer.where] = max(sizes[buffer.where], end)
        if buffer.where in (Space.INPUT, Space.OUTPUT):
            assert buffer.type is not None
            assert buffer.buffer_name is not None
            place = Place(buffer.where, buffer.type.data.at(address))
            ports.append(chip.port(buffer.buffer_name.data, place))
            ports[-1].location = buffer.location
        elif buffer.where is Space.PARAM and address not in seen:
            assert buffer.data is not None
            seen.add(address)
            params.append(chip.param(address, buffer.data))
            params[-1].location = buffer.location
    sizes[Space.OCM] = program.ocm_bytes.value.data
    jobs: list[Operation] = []
    tokens: dict[SSAValue, SSAValue] = {}
    for job in program.body.block.ops:
        if not isinstance(job, JobOp):
            continue
        if job.unit is None:
            raise UserError.of(
                "a job has no unit: run sched-assign-eus first", place_of(job), source=job
            )
        places = [
            Place(buffer.where, view.at(_address(buffer) + view.offset))
            for buffer, view in zip(job.buffer_list, job.view_list, strict=True)
        ]
        waits = [tokens[t] for t in job.waits]
        new = chip.job(job.kernel.data, job.eu, job.unit, places, job.params, waits)
        new.location = job.location
        tokens[job.token] = new.token
        jobs.append(new)
    block = Block()
    block.add_ops([*ports, *params, *jobs])
    converted = chip.program(program.sym_name.data, program.npu_mode.data, sizes, block)
    converted.location = program.location
    converted.ddr_limit = program.ddr_limit
    return converted


def _address(buffer: BufferOp) -> int:
    if buffer.offset is None:
        raise UserError.of("a buffer has no address: run sched-allocate first", source=buffer)
    return buffer.offset
