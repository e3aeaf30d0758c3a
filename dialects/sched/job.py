"""`sched.layer` and `sched.job`: work before and after it is cut into tiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xdsl.dialects.builtin import I64, ArrayAttr, DenseArrayBase, IntegerAttr, StringAttr, i32, i64
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    IRDLOperation,
    VarOperand,
    attr_def,
    irdl_op_definition,
    opt_attr_def,
    result_def,
    var_operand_def,
)
from xdsl.utils.exceptions import VerifyException

from pulsar2.dialects.sched.attrs import (
    BufferType,
    EuKind,
    EuKindAttr,
    FusionAttr,
    Params,
    ParamsAttr,
    TilingAttr,
    TokenType,
    View,
    ViewAttr,
)
from pulsar2.dialects.sched.kernels import KERNELS, Kernel, check_call, sums_kernel
from pulsar2.dialects.sched.program import BufferOp, buffer_of, verify_views


class Work(IRDLOperation):
    """What a layer and a job have in common: a kernel, buffers with a view of each, parameters.

    The fields stand in each class, since those of a base class would come after its own.
    """

    if TYPE_CHECKING:
        kernel: StringAttr
        buffers: VarOperand
        views: ArrayAttr[ViewAttr]
        params: ParamsAttr

    @property
    def spec(self) -> Kernel:
        return KERNELS[self.kernel.data]

    def view(self, index: int) -> View:
        return self.views.data[index].data

    @property
    def view_list(self) -> list[View]:
        return [v.data for v in self.views]

    def buffer(self, index: int) -> BufferOp:
        return buffer_of(self.buffers[index])

    @property
    def buffer_list(self) -> list[BufferOp]:
        return [buffer_of(b) for b in self.buffers]

    def _verify_work(self) -> None:
        kernel = KERNELS.get(self.kernel.data)
        if kernel is None:
            raise VerifyException(
                f"unknown kernel '{self.kernel.data}', expected one of {', '.join(sorted(KERNELS))}"
            )
        verify_views(self, self.buffers, self.views.data)
        check_call(kernel, self.view_list, self.params.data)


@irdl_op_definition
class LayerOp(Work):
    """One kernel over whole tensors, not yet cut into jobs.

    `tiling`, when the tiling pass has decided, says how the output is cut; `fusion`, that it runs
    tile by tile together with its neighbours instead. `store` is the class of units that writes a
    result in DDR, where it is not the one that computes it.
    """

    name = "sched.layer"

    kernel = attr_def(StringAttr)
    buffers = var_operand_def(BufferType)
    views = attr_def(ArrayAttr[ViewAttr])
    params = attr_def(ParamsAttr)
    tiling = opt_attr_def(TilingAttr)
    fusion = opt_attr_def(FusionAttr)
    store = opt_attr_def(EuKindAttr)

    assembly_format = "$kernel `(` $buffers `)` $views $params attr-dict `:` type($buffers)"

    def __init__(
        self,
        kernel: str,
        buffers: Sequence[SSAValue | Operation],
        views: Sequence[View],
        params: Params = (),
    ):
        super().__init__(
            operands=[buffers],
            attributes={
                "kernel": StringAttr(kernel),
                "views": ArrayAttr([ViewAttr(v) for v in views]),
                "params": ParamsAttr(params),
            },
        )

    @property
    def sums_kernel(self) -> Kernel | None:
        """What computes a part of the layer's sums; None where they are not cut."""
        return sums_kernel(self.spec, self.view_list, self.params.data)

    def verify_(self) -> None:
        self._verify_work()
        if self.tiling is not None:
            out = self.view(self.spec.output)
            if len(self.tiling.data.grid) != len(out.shape):
                raise VerifyException("a tiling has one tile count for each output dimension")
            if self.tiling.data.part and self.sums_kernel is None:
                raise VerifyException(
                    f"the sums of this '{self.kernel.data}' are not computed in parts, only those "
                    "of a conv in one group, and of a matmul of integers"
                )


@irdl_op_definition
class JobOp(Work):
    """One kernel call on one execution unit.

    It waits for the tokens in `waits`, and ends its own. `eu` is the class that runs it; `unit` the
    unit of that class, once assigned. `start` and `end`, while memory is planned, are the cycles in
    which it is expected to run.
    """

    name = "sched.job"

    kernel = attr_def(StringAttr)
    buffers = var_operand_def(BufferType)
    views = attr_def(ArrayAttr[ViewAttr])
    params = attr_def(ParamsAttr)
    eu = attr_def(EuKindAttr)
    unit = opt_attr_def(IntegerAttr[I64])
    start = opt_attr_def(IntegerAttr[I64])
    end = opt_attr_def(IntegerAttr[I64])
    waits = var_operand_def(TokenType)
    token = result_def(TokenType)

    irdl_options = (AttrSizedOperandSegments(as_property=True),)

    assembly_format = (
        "$kernel `on` $eu `(` $buffers `)` $views $params (`waits` `(` $waits^ `)`)? attr-dict"
    )

    def __init__(
        self,
        kernel: str,
        eu: EuKind,
        buffers: Sequence[SSAValue | Operation],
        views: Sequence[View] | ArrayAttr[ViewAttr],
        params: Params | ParamsAttr = (),
        waits: Sequence[SSAValue] = (),
        unit: int | None = None,
    ):
        attributes: dict[str, Attribute] = {
            "kernel": StringAttr(kernel),
            "eu": EuKindAttr(eu),
            "views": views
            if isinstance(views, ArrayAttr)
            else ArrayAttr([ViewAttr(v) for v in views]),
            "params": params if isinstance(params, ParamsAttr) else ParamsAttr(params),
        }
        if unit is not None:
            attributes["unit"] = IntegerAttr(unit, i64)
        super().__init__(
            operands=[buffers, waits], attributes=attributes, result_types=[TokenType()]
        )

    @property
    def span(self) -> tuple[int, int] | None:
        """Cycles of `start` and `end`."""
        if self.start is None or self.end is None:
            return None
        return self.start.value.data, self.end.value.data

    def set_span(self, start: int, end: int) -> None:
        self.start, self.end = IntegerAttr(start, i64), IntegerAttr(end, i64)

    def set_waits(self, tokens: Sequence[SSAValue]) -> None:
        """Replaces the tokens that the job waits for."""
        count = len(self.buffers)
        self.operands = [*self.operands[:count], *tokens]
        self.properties["operandSegmentSizes"] = DenseArrayBase.from_list(i32, [count, len(tokens)])

    def verify_(self) -> None:
        self._verify_work()
        if (self.start is None) != (self.end is None):
            raise VerifyException("a job has both a start and an end, or neither")
        units = self.spec.units(self.params.data)
        if self.eu.data not in units:
            kinds = ", ".join(k.value for k in units)
            raise VerifyException(
                f"'{self.kernel.data}' does not run on a {self.eu.data.value} unit, "
                f"only on: {kinds}"
            )
