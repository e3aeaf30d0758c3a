"""`dialects.md`, and one page for each dialect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from importlib import import_module
from typing import Any, cast

from xdsl.dialects.utils.enum_attribute import EnumAttribute
from xdsl.ir import Attribute, Operation, ParametrizedAttribute, TypeAttribute
from xdsl.irdl import (
    IRDLOperation,
    OpDef,
    OptionalDef,
    ParamAttrDef,
    VariadicDef,
)

from pulsar2.dialects import DIALECTS
from pulsar2.targets import target_names
from pulsar2.tools.docs.constraints import base_name, describe, describe_range
from pulsar2.tools.docs.markdown import (
    anchor,
    code,
    documentation,
    first_paragraph,
    page,
    table,
)

_ONNX_PAGE = "https://onnx.ai/onnx/operators/onnx__{}.html"


def dialect_pages() -> dict[str, str]:
    """The pages, by path below `docs/`."""
    chip = target_names()[0].lower()
    pages = {
        "dialects/ax.md": _page("ax", "pulsar2.dialects.ax", ("ax",)),
        "dialects/onnx.md": _onnx_page(),
        "dialects/quant.md": _page("quant", "pulsar2.dialects.quant", ("quant",)),
        "dialects/sched.md": _page("sched", "pulsar2.dialects.sched", ("sched",)),
        "dialects/chips.md": _page("the chips", "pulsar2.dialects.chips", (chip, "chip"))
        .replace(f"{chip}.", "<chip>.")
        .replace(f"(#{chip}", "(#chip"),
    }
    rows = [
        ("[ax](dialects/ax.md)", "every level", _summary("pulsar2.dialects.ax")),
        ("[onnx](dialects/onnx.md)", "what is computed", _summary("pulsar2.dialects.onnx")),
        ("[quant](dialects/quant.md)", "in which numbers", _summary("pulsar2.dialects.quant")),
        ("[sched](dialects/sched.md)", "where and when", _summary("pulsar2.dialects.sched")),
        (
            f"[{', '.join(n.lower() for n in target_names())}](dialects/chips.md)",
            "the program",
            _summary("pulsar2.dialects.chips"),
        ),
    ]
    parts = [
        "A model is at one level at a time; `builtin` and `func` are xDSL's own. "
        "[ARCHITECTURE.md](../ARCHITECTURE.md) tells how the levels follow each other, "
        "[passes.md](passes.md) what leads from one to the next.",
        table(("dialect", "fixes", "what it is"), rows),
    ]
    return {"dialects.md": page("Dialects", parts), **pages}


def _summary(module: str) -> str:
    text = first_paragraph(import_module(module))
    text = text.partition(": ")[2] if text.startswith("The `") else text
    return text[:1].upper() + text[1:]


def _page(title: str, module: str, dialects: Sequence[str]) -> str:
    loaded = [DIALECTS[name]() for name in dialects]
    operations = [op for d in loaded for op in d.operations]
    attributes = [a for d in loaded for a in d.attributes]
    parts = [documentation(import_module(module))]
    parts.append(_index(operations))
    parts.append("## Operations")
    parts += [part for op in operations for part in _operation(op)]
    if attributes:
        parts.append("## Attributes and types")
        parts += [part for a in attributes for part in _attribute(a)]
    return page(
        f"The dialect {title}" if title == dialects[0] else f"The dialects of {title}", parts
    )


def _index(operations: Iterable[type[Operation]]) -> str:
    return table(
        ("operation", "what it is"),
        [(f"[`{op.name}`](#{anchor(op.name)})", first_paragraph(op)) for op in operations],
    )


def _operation(op: type[Operation]) -> Iterator[str]:
    yield f"### `{op.name}`"
    yield documentation(op)
    if not issubclass(op, IRDLOperation):
        return
    definition = op.get_irdl_definition()
    if definition.assembly_format is not None:
        yield code(f"{op.name} {definition.assembly_format}")
    rows = list(_parts(definition))
    if rows:
        yield table(("part", "name", "is"), rows)
    traits = [type(t).__name__ for t in definition.traits.traits]
    if traits:
        yield f"Traits: {', '.join(f'`{t}`' for t in sorted(traits))}."


def _parts(definition: OpDef) -> Iterator[tuple[str, str, str]]:
    for kind, group in (("operand", definition.operands), ("result", definition.results)):
        for name, each in group:
            yield kind, f"`{name}`", describe_range(each.constr) + _count(each)
    attributes = {**definition.properties, **definition.attributes}
    for name, attribute in attributes.items():
        if not name.endswith("SegmentSizes"):
            yield "attribute", f"`{name}`", describe(attribute.constr) + _count(attribute)
    for name, region in definition.regions:
        yield "region", f"`{name}`", f"region{_count(region)}"


def _count(part: object) -> str:
    if isinstance(part, OptionalDef):
        return ", optional"
    return ", any number" if isinstance(part, VariadicDef) else ""


def _attribute(attribute: type[Attribute]) -> Iterator[str]:
    yield f"### {base_name(attribute)}"
    yield documentation(attribute)
    if issubclass(attribute, EnumAttribute):
        enum = cast("type[EnumAttribute[Any]]", attribute).enum_type
        members = cast("Iterable[Enum]", enum)
        yield "One of " + ", ".join(f"`{m.value}`" for m in members) + "."
    elif issubclass(attribute, ParametrizedAttribute):
        definition: ParamAttrDef = attribute.get_irdl_definition()
        rows = [(f"`{name}`", describe(p.constr)) for name, p in definition.parameters]
        if rows:
            yield table(("parameter", "is"), rows)
    elif issubclass(attribute, TypeAttribute):
        return


def _onnx_page() -> str:
    """The dialect's own classes in full; what ONNX's schema alone describes is not repeated."""
    package = import_module("pulsar2.dialects.onnx")
    families: dict[str, list[type[Operation]]] = {}
    for op in DIALECTS["onnx"]().operations:
        if op.__module__ != package.__name__:
            families.setdefault(op.__module__, []).append(op)
    parts = [
        documentation(package),
        "## Form",
        documentation(package.OnnxOp),
        "## Operations with a class of their own",
    ]
    for module, operations in sorted(families.items()):
        title = first_paragraph(import_module(module)).partition(":")[0].removesuffix(".")
        rows = [
            (f"[`{op.name}`]({_ONNX_PAGE.format(op.name[5:])})", first_paragraph(op))
            if getattr(op, "op_type", "") and not getattr(op, "own", False)
            else (f"`{op.name}`", first_paragraph(op))
            for op in operations
        ]
        parts += [f"### {title}", table(("operation", "what it is"), rows)]
    parts += [
        "## Every other operator",
        "An operator of ONNX's default domain that is not listed above has the class that its "
        f"schema of opset {package.IR_OPSET} makes: operands, attributes and types are verified by "
        "that schema. An operator of another domain is `onnx.Custom`.",
        "## Attributes and types",
    ]
    parts += [p for a in DIALECTS["onnx"]().attributes for p in _attribute(a)]
    return page("The dialect onnx", parts)
