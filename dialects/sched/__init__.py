"""The `sched` dialect: where and when a subgraph computes, without a chip's addresses.

A `sched.program` is one NPU subgraph. First it holds `sched.layer`s, kernels over whole tensors;
the passes of this level decide residency and tiling, cut layers into `sched.job`s, place buffers in
OCM, swap to DDR what does not fit, and order jobs by tokens.
"""

from xdsl.ir import Dialect

from pulsar2.dialects.sched.attrs import (
    BufferType,
    EuKindAttr,
    FusionAttr,
    ParamsAttr,
    SpaceAttr,
    TilingAttr,
    TokenType,
    ViewAttr,
)
from pulsar2.dialects.sched.job import JobOp, LayerOp
from pulsar2.dialects.sched.program import BufferOp, ProgramOp

Sched = Dialect(
    "sched",
    [ProgramOp, BufferOp, LayerOp, JobOp],
    [SpaceAttr, EuKindAttr, BufferType, TokenType, ViewAttr, ParamsAttr, TilingAttr, FusionAttr],
)
