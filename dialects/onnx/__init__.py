"""The `onnx` dialect: ONNX's operators on float (and integer) tensors, under ONNX's own names.

An operator that the compiler rewrites has a class of its own in a file of its family; every other
operator's class is made from its ONNX schema alone, and is just as strictly verified.
"""

from __future__ import annotations

from xdsl.ir import Dialect

from pulsar2.dialects.onnx import (
    constant,
    control_flow,
    conv,
    custom,
    domain,
    elementwise,
    layout,
    matmul,
    normalization,
    pool,
    preprocess,
)
from pulsar2.dialects.onnx.constants import StringsAttr
from pulsar2.dialects.onnx.op import NO_TRAITS, PURE, OnnxOp
from pulsar2.dialects.onnx.schema import IR_OPSET, is_deterministic, onnx_schema, op_types
from pulsar2.dialects.onnx.types import MapType, OptType, SeqType, StringType

__all__ = ["IR_OPSET", "Onnx", "OnnxOp", "op_class"]

_MODULES = (
    constant,
    control_flow,
    conv,
    custom,
    domain,
    elementwise,
    layout,
    matmul,
    normalization,
    pool,
    preprocess,
)


def _written_classes() -> dict[str, type[OnnxOp]]:
    """The classes of the family files, by operation name without the dialect."""
    found: dict[str, type[OnnxOp]] = {}
    for module in _MODULES:
        for value in vars(module).values():
            if (
                isinstance(value, type)
                and issubclass(value, OnnxOp)
                and value.__module__ == module.__name__
                and value.name not in (OnnxOp.name, "")
            ):
                found[value.name.removeprefix("onnx.")] = value
    return found


def _schema_class(op_type: str) -> type[OnnxOp]:
    """The class of an operator that its schema alone describes."""
    schema = onnx_schema(op_type)
    assert schema is not None
    return type(
        op_type,
        (OnnxOp,),
        {
            "__doc__": schema.doc,
            "__module__": __name__,
            "name": f"onnx.{op_type}",
            "op_type": op_type,
            "traits": PURE if is_deterministic(schema) else NO_TRAITS,
        },
    )


_CLASSES = _written_classes()
_CLASSES.update((t, _schema_class(t)) for t in op_types() if t not in _CLASSES)


def op_class(op_type: str) -> type[OnnxOp] | None:
    """The class of an operator of ONNX's default domain, or None when there is none."""
    found = _CLASSES.get(op_type)
    return found if found is not None and found.op_type and not found.own else None


Onnx = Dialect(
    "onnx",
    sorted(_CLASSES.values(), key=lambda c: c.name),
    [StringType, SeqType, OptType, MapType, StringsAttr],
)
