"""In which order the dimensions of every tensor lie in memory, decided before any is placed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Operation, SSAValue

from pulsar2.dialects import quant
from pulsar2.dialects.quant.types import shape_of
from pulsar2.lowering.analysis.layouts import (
    CHANNELS_LAST,
    Order,
    before_transposition,
    reshaped,
    row_major,
    transposed,
    without,
)

ON_IMAGES = (
    quant.ConvOp,
    quant.ConvTransposeOp,
    quant.MaxPoolOp,
    quant.AvgPoolOp,
    quant.ResizeNearestOp,
    quant.ResizeLinearOp,
    quant.GridSampleOp,
    quant.RoiAlignOp,
)
"""Operations that read and write images channels-last."""


@dataclass(frozen=True)
class _Wish:
    """How the users of a value want it to lie; `firm` where another order costs a copy for sure."""

    order: Order
    firm: bool


def memory_orders(func: FuncOp) -> dict[SSAValue, Order]:
    """The order of every value of a quantized function, but for its arguments row-major ones.

    Images lie channels-last. What else is computed lies as its users need it for a convolution, or
    as its operand does; where there is neither, so that a later reshape is a view.
    """
    wishes = _wishes(func)
    orders: dict[SSAValue, Order] = {}
    for argument in func.args:
        orders[argument] = row_major(len(shape_of(argument)))
    for op in func.body.block.ops:
        for value in op.results:
            orders[value] = _order(op, value, orders, wishes)
    return orders


def _order(
    op: Operation, value: SSAValue, orders: dict[SSAValue, Order], wishes: dict[SSAValue, _Wish]
) -> Order:
    rank = len(shape_of(value))
    if isinstance(op, ON_IMAGES) and rank == len(CHANNELS_LAST):
        return CHANNELS_LAST
    if isinstance(op, quant.TransposeOp):
        return transposed(orders[op.x], op.perm)
    if isinstance(op, quant.ReshapeOp):
        found = reshaped(orders[op.x], shape_of(op.x), shape_of(value))
        return found or row_major(rank)
    wish = wishes.get(value)
    if wish is not None and wish.firm:
        return wish.order
    for operand in op.operands:
        if not isinstance(operand.owner, quant.ConstantOp) and not isinstance(op, quant.MatMulOp):
            followed = _followed(op, orders[operand], rank)
            if followed is not None:
                return followed
    return row_major(rank) if wish is None else wish.order


def _followed(op: Operation, order: Order, rank: int) -> Order | None:
    """The order of a result of `rank` that lies as an operand in `order` does."""
    if isinstance(op, quant.ReduceOp) and not op.keepdims:
        return without(order, op.axes)
    return order if len(order) == rank else None


def _wishes(func: FuncOp) -> dict[SSAValue, _Wish]:
    wishes: dict[SSAValue, _Wish] = {}
    for op in reversed(list(func.body.block.ops)):
        if isinstance(op, ReturnOp | quant.ConstantOp):
            continue
        for operand, wish in _wished(op, wishes):
            known = wishes.get(operand)
            if known is None or (wish.firm and not known.firm):
                wishes[operand] = wish
    return wishes


def _wished(op: Operation, wishes: dict[SSAValue, _Wish]) -> Iterator[tuple[SSAValue, _Wish]]:
    """What an operation wishes of its operands, given what is wished of its results."""
    if isinstance(op, ON_IMAGES):
        if shape_of(op.x)[1] > 1:
            yield op.x, _Wish(CHANNELS_LAST, True)
        return
    if isinstance(op, quant.MatMulOp):
        return
    result = op.results[0]
    wish = wishes.get(result)
    if isinstance(op, quant.TransposeOp):
        if wish is not None:
            yield op.x, _Wish(before_transposition(wish.order, op.perm), wish.firm)
    elif isinstance(op, quant.ReshapeOp):
        yield op.x, _before_reshape(op, wish)
    elif wish is not None:
        for operand in op.operands:
            if len(shape_of(operand)) == len(wish.order):
                yield operand, wish


def _before_reshape(op: quant.ReshapeOp, wish: _Wish | None) -> _Wish:
    shape, new = shape_of(op.x), shape_of(op.y)
    found = None if wish is None else reshaped(wish.order, new, shape)
    if wish is None or found is None:
        return _Wish(row_major(len(shape)), False)
    return _Wish(found, wish.firm)
