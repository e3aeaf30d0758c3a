"""What an operand, result or attribute of an operation may be, in words."""

from __future__ import annotations

from xdsl.dialects.builtin import (
    ArrayOfConstraint,
    DenseArrayBase,
    SymbolNameConstraint,
    SymbolRefAttr,
)
from xdsl.ir import Attribute, ParametrizedAttribute, TypeAttribute
from xdsl.irdl import (
    AnyAttr,
    AnyOf,
    AttrConstraint,
    BaseAttr,
    EqAttrConstraint,
    MessageConstraint,
    ParamAttrConstraint,
    RangeConstraint,
    RangeLengthConstraint,
    RangeOf,
)

_DATA_NAMES = {
    "integer_type": "integer type",
    "builtin.int": "integer",
    "builtin.float_data": "number",
}
"""Attributes of xDSL that stand for plain values, in words."""


def describe_range(constraint: RangeConstraint[Attribute]) -> str:
    """What each of a group of operands or results may be."""
    if isinstance(constraint, RangeLengthConstraint):
        return describe_range(constraint.constraint)
    if isinstance(constraint, RangeOf):
        return describe(constraint.constr)
    return type(constraint).__name__


def describe(constraint: AttrConstraint[Attribute]) -> str:
    """What an attribute or type may be."""
    match constraint:
        case AnyAttr():
            return "any"
        case MessageConstraint():
            return describe(constraint.constr)
        case AnyOf():
            return " or ".join(describe(c) for c in constraint.attr_constrs)
        case EqAttrConstraint():
            return f"`{constraint.attr}`"
        case SymbolNameConstraint():
            return "symbol name"
        case ArrayOfConstraint():
            return f"array of {describe_range(constraint.elem_range_constraint)}"
        case ParamAttrConstraint():
            return _parameters(constraint)
        case BaseAttr():
            return base_name(constraint.attr)
        case _:
            return type(constraint).__name__


def _parameters(constraint: ParamAttrConstraint[ParametrizedAttribute]) -> str:
    base = constraint.base_attr
    if issubclass(base, SymbolRefAttr):
        return "symbol reference"
    fixed = [c for c in constraint.param_constrs if isinstance(c, EqAttrConstraint)]
    if not fixed:
        return base_name(base)
    of = ", ".join(describe(c) for c in fixed)
    return f"array of {of}" if issubclass(base, DenseArrayBase) else of


def base_name(attribute: type[Attribute]) -> str:
    """The name of a class of attributes, as the text of the IR has it."""
    if attribute in (Attribute, TypeAttribute):
        return "any type" if attribute is TypeAttribute else "any"
    if attribute.name in _DATA_NAMES:
        return _DATA_NAMES[attribute.name]
    mark = "!" if issubclass(attribute, TypeAttribute) else "#"
    return f"`{mark}{attribute.name}`" if "." in attribute.name else attribute.name
