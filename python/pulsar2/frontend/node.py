"""A node on its way from ONNX to the IR."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from xdsl.ir import Attribute, SSAValue

from pulsar2.dialects.onnx.attributes import from_attribute


@dataclass
class Node:
    """A node of the default domain with its operands in the IR; None is one that is left out."""

    op_type: str
    operands: list[SSAValue | None]
    attributes: dict[str, Attribute]
    outputs: Sequence[str]
    regions: list[object] = field(default_factory=list[object])

    def operand(self, index: int) -> SSAValue | None:
        return self.operands[index] if index < len(self.operands) else None

    def set_operand(self, index: int, value: SSAValue | None) -> None:
        """Sets operand `index`, leaving out those before it that do not exist."""
        while len(self.operands) <= index:
            self.operands.append(None)
        self.operands[index] = value

    def take(self, name: str, default: object = None) -> object:
        """Removes an attribute; its Python value, or `default` where it is absent."""
        attribute = self.attributes.pop(name, None)
        return default if attribute is None else from_attribute(attribute)
