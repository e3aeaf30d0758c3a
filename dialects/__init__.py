"""pulsar2's dialects, and the upstream ones that its IR uses.

A dialect's module is imported when the parser meets it or a pass loads it, so start-up stays short.
"""

from __future__ import annotations

from collections.abc import Callable

from xdsl.context import Context
from xdsl.ir import Dialect

from pulsar2.targets import target_names


def _builtin() -> Dialect:
    from xdsl.dialects.builtin import Builtin

    return Builtin


def _func() -> Dialect:
    from xdsl.dialects.func import Func

    return Func


def _ax() -> Dialect:
    from pulsar2.dialects.ax import Ax

    return Ax


def _onnx() -> Dialect:
    from pulsar2.dialects.onnx import Onnx

    return Onnx


def _quant() -> Dialect:
    from pulsar2.dialects.quant import Quant

    return Quant


def _sched() -> Dialect:
    from pulsar2.dialects.sched import Sched

    return Sched


def _chip() -> Dialect:
    from pulsar2.dialects.chips.base import Chip

    return Chip


def _of_target(name: str) -> Callable[[], Dialect]:
    def load() -> Dialect:
        from pulsar2.dialects.chips import chip_dialect

        return chip_dialect(name).dialect

    return load


DIALECTS: dict[str, Callable[[], Dialect]] = {
    "builtin": _builtin,
    "func": _func,
    "ax": _ax,
    "onnx": _onnx,
    "quant": _quant,
    "sched": _sched,
    "chip": _chip,
    **{name.lower(): _of_target(name) for name in target_names()},
}


def register_dialects(context: Context) -> None:
    """Registers every dialect, to be loaded on first use; `builtin` is loaded at once."""
    for name, factory in DIALECTS.items():
        context.register_dialect(name, factory)
    context.load_registered_dialect("builtin")
