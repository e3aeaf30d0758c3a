"""`passes.md` and `pipelines.md`."""

from __future__ import annotations

from collections.abc import Iterator

from pulsar2.lowering.pipelines import PASSES, PIPELINES, Pipeline, load_pass
from pulsar2.pass_options import pass_options
from pulsar2.tools.docs.markdown import (
    anchor,
    documentation,
    first_paragraph,
    page,
    table,
)

_GROUPS = {
    "onnx": "On the `onnx` dialect",
    "quant": "To and on the `quant` dialect",
    "sched": "To and on the `sched` dialect",
    "chips": "To and on the dialects of the chips",
    "": "On any level",
}


def passes_page() -> str:
    """Every pass, by the level that it works on."""
    groups: dict[str, list[str]] = {group: [] for group in _GROUPS}
    for name in PASSES:
        groups[_group(name)].append(name)
    parts = [
        "`ax-opt -p 'name{option=value}'` runs a pass on the text of a module. "
        "[pipelines.md](pipelines.md) says in which order a build runs them.",
        table(
            ("pass", "what it does"),
            [
                (_link(name), first_paragraph(load_pass(name)))
                for g in groups.values()
                for name in g
            ],
        ),
    ]
    for group, names in groups.items():
        if names:
            parts.append(f"## {_GROUPS[group]}")
            parts += [part for name in names for part in _pass(name)]
    return page("Passes", parts)


def pipelines_page() -> str:
    """Every named pipeline, in the order in which a build runs them."""
    parts = [
        "A pipeline is a named list of passes. `pulsar2 build` runs these, in this order, and no "
        "other passes; calibration stands between the first and the second. `ax-opt -p "
        "'schedule{npu-mode=NPU3}'` runs one as if it were a pass.",
    ]
    for name, pipeline in PIPELINES.items():
        parts += _pipeline(name, pipeline)
    return page("Pipelines", parts)


def _pass(name: str) -> Iterator[str]:
    pass_class = load_pass(name)
    yield f"### `{name}`"
    yield documentation(pass_class)
    options = pass_options(pass_class)
    if options:
        yield table(
            ("option", "accepts", "default"),
            [
                (f"`{o.name}`", o.accepted, "must be given" if o.required else _default(o.default))
                for o in options
            ],
        )


def _pipeline(name: str, pipeline: Pipeline) -> Iterator[str]:
    yield f"## `{name}`"
    yield f"{pipeline.summary[:1].upper()}{pipeline.summary[1:]}."
    if pipeline.options:
        yield table(
            ("option", "default"),
            [(f"`{o.replace('_', '-')}`", _default(d)) for o, d in pipeline.options.items()],
        )
    shown = {o: f"<{o.replace('_', '-')}>" for o in pipeline.options}
    lines: list[str] = []
    for number, text in enumerate(pipeline.passes, 1):
        name, brace, _ = text.partition("{")
        options = f" `{text.format_map(shown).removeprefix(name)}`" if brace else ""
        lines.append(f"{number}. {_link(name, 'passes.md')}{options}")
    yield "\n".join(lines)


def _group(name: str) -> str:
    """The folder of a pass below `lowering`, '' for a pass that lies in none."""
    parts = PASSES[name].partition(":")[0].removeprefix("pulsar2.lowering.").split(".")
    return parts[0] if len(parts) > 1 else ""


def _link(name: str, file: str = "") -> str:
    return f"[`{name}`]({file}#{anchor(name)})"


def _default(text: str) -> str:
    return f"`{text}`" if text not in ("", '""') else "empty"
