"""`ax-opt --list-passes`: every pass with its documentation, and every named pipeline."""

from __future__ import annotations

import inspect

from pulsar2.lowering.pipelines import PASSES, PIPELINES, load_pass
from pulsar2.pass_options import pass_options


def list_passes() -> str:
    """The text of the list: a pass's first paragraph and options, a pipeline's passes."""
    lines = ["Passes:"]
    for name in PASSES:
        pass_class = load_pass(name)
        summary = inspect.cleandoc(pass_class.__doc__ or "").partition("\n\n")[0]
        lines.append(f"  {name}\n      {' '.join(summary.split())}")
        for option in pass_options(pass_class):
            default = f" (default: {option.default or 'empty'})" if not option.required else ""
            lines.append(f"      - {option.name}: {option.accepted}{default}")
    lines.append("Pipelines:")
    for name, pipeline in PIPELINES.items():
        lines.append(f"  {name}\n      {pipeline.summary}")
        for option, default in pipeline.options.items():
            lines.append(f"      - {option.replace('_', '-')} (default: {default})")
        lines += [f"      {each.format_map(pipeline.options)}" for each in pipeline.passes]
    return "\n".join(lines)
