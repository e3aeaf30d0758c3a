"""The sliding window that convolutions and poolings share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.utils.exceptions import VerifyException

from pulsar2.dialects.onnx.op import OnnxOp


@dataclass(frozen=True)
class Window:
    """A window over the spatial axes, outermost first.

    `pads` has the padding before each axis, then the padding after each axis, as in ONNX.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    pads: tuple[int, ...]
    dilations: tuple[int, ...]


def window_of(op: OnnxOp, kernel: Sequence[int] | None) -> Window:
    """The window of `op`, `kernel` being the kernel's extent where an operand tells it.

    Raises `ValueError` when the kernel's extent is unknown or `auto_pad` is not explicit yet.
    """
    extent: tuple[int, ...] | None = op.value_of("kernel_shape") or (
        tuple(kernel) if kernel is not None else None
    )
    if extent is None:
        raise ValueError(f"the kernel of {op.name} is not known")
    if op.value_of("auto_pad") not in (None, "NOTSET", "VALID"):
        raise ValueError(f"{op.name} still has auto_pad")
    rank = len(extent)
    return Window(
        kernel=extent,
        strides=op.value_of("strides") or (1,) * rank,
        pads=op.value_of("pads") or (0,) * (2 * rank),
        dilations=op.value_of("dilations") or (1,) * rank,
    )


def verify_window(op: OnnxOp, rank: int | None) -> None:
    """Checks the lengths and ranges of a window's attributes for `rank` spatial axes.

    Without a rank the attributes are checked against each other. Raises `VerifyException`.
    """
    attributes = {n: op.value_of(n) for n in ("kernel_shape", "strides", "dilations", "pads")}
    for name, values in attributes.items():
        if values is None:
            continue
        axes = len(values) // 2 if name == "pads" else len(values)
        rank = axes if rank is None else rank
        wanted = 2 * rank if name == "pads" else rank
        if len(values) != wanted:
            raise VerifyException(
                f"{op.name} has {len(values)} {name} for {rank} spatial axes, expected {wanted}"
            )
        least = 0 if name == "pads" else 1
        if any(v < least for v in values):
            raise VerifyException(f"{op.name} has {name} {list(values)}, each must be >= {least}")
    auto_pad = op.value_of("auto_pad")
    accepted = ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")
    if auto_pad is not None and auto_pad not in accepted:
        raise VerifyException(
            f"{op.name} has auto_pad '{auto_pad}', expected one of {', '.join(accepted)}"
        )
    if auto_pad not in (None, "NOTSET") and any(attributes["pads"] or ()):
        raise VerifyException(f"{op.name} has both pads and auto_pad '{auto_pad}'")
