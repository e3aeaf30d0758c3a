"""Running passes: from the text of a pipeline to a rewritten module.

`ax-opt` and the build driver both run passes through here, and the driver runs only pipelines that have
a name in `pulsar2.lowering.pipelines`.
"""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, get_type_hints

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.arg_spec import ArgSpec, _convert_arg_to_type, parse_pipeline
from xdsl.utils.exceptions import ArgSpecParseError

from pulsar2.context import AxContext
from pulsar2.diagnostics import Diagnostics, UserError, nearest
from pulsar2.ir.verify import verify_module
from pulsar2.lowering.pipelines import PASSES, PIPELINES, load_pass


@dataclass
class PassTiming:
    """Wall time of one pass, in seconds."""

    name: str
    seconds: float


Hook = Callable[[ModulePass, ModuleOp], None]


class PassCrash(Exception):
    """A pass raised something that is no diagnostic: a bug. `before` is the module's text."""

    def __init__(self, name: str, remaining: str, before: str | None, error: BaseException):
        super().__init__(f"pass '{name}' failed: {type(error).__name__}: {error}")
        self.name, self.remaining, self.before, self.error = name, remaining, before, error


def parse_passes(text: str) -> list[ModulePass]:
    """The passes of `a,b{k=1}` or `builtin.module(a,b{k=1})`; named pipelines are expanded.

    Raises one `UserError` with every unknown pass, unknown option and wrong value in the text.
    """
    diagnostics = Diagnostics()
    passes = list(_instantiate(_split(text), diagnostics))
    diagnostics.raise_if_any()
    return passes


def _split(text: str) -> list[ArgSpec]:
    inner = text.strip()
    wrapped = re.fullmatch(r"(?:builtin\.)?module\s*\((.*)\)", inner, re.DOTALL)
    if wrapped:
        inner = wrapped[1].strip()
    if not inner:
        return []
    try:
        return list(parse_pipeline(inner))
    except (ArgSpecParseError, Exception) as error:
        raise UserError.of(
            f"cannot read the pipeline '{text}': {str(error).strip().splitlines()[-1]}",
            accepted="a list such as 'a,b{k=1}' or 'builtin.module(a,b{k=1})'",
        ) from None


def _instantiate(specs: Iterable[ArgSpec], diagnostics: Diagnostics) -> Iterable[ModulePass]:
    for spec in specs:
        if spec.name in PIPELINES:
            expanded = _expand(spec, diagnostics)
            yield from _instantiate(expanded, diagnostics)
        elif spec.name in PASSES:
            made = _make(spec, diagnostics)
            if made is not None:
                yield made
        else:
            hint = nearest(spec.name, [*PASSES, *PIPELINES])
            diagnostics.error(
                f"unknown pass '{spec.name}'", accepted=hint or "--list-passes names them all"
            )


def _expand(spec: ArgSpec, diagnostics: Diagnostics) -> list[ArgSpec]:
    """The passes of a named pipeline, its options put in."""
    pipeline = PIPELINES[spec.name]
    values = dict(pipeline.options)
    for name, given in spec.normalize_parameter_names().parameters.items():
        if name not in values:
            known = ", ".join(n.replace("_", "-") for n in values) or "none"
            diagnostics.error(
                f"pipeline '{spec.name}' has no option '{name.replace('_', '-')}'",
                accepted=f"its options: {known}",
            )
            continue
        values[name] = ",".join(_option_text(v) for v in given)
    return [s for text in pipeline.passes for s in _split(text.format_map(values))]


def _option_text(value: str | int | bool | float) -> str:
    """An option's value as it stands in a specification; quoted where it is no plain word."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", value):
        return f'"{value}"'
    return str(value)


def _make(spec: ArgSpec, diagnostics: Diagnostics) -> ModulePass | None:
    """One pass from its specification; mistakes go to `diagnostics`."""
    pass_class = load_pass(spec.name)
    given = spec.normalize_parameter_names()
    hints = get_type_hints(pass_class)
    fields = [f for f in dataclasses.fields(pass_class) if f.name != "name"]
    known = {f.name: hints[f.name] for f in fields}
    options = ", ".join(_describe(n, t) for n, t in known.items()) or "none"
    before = len(diagnostics.errors)
    for name, value in given.parameters.items():
        if name not in known:
            diagnostics.error(
                f"pass '{spec.name}' has no option '{name.replace('_', '-')}'",
                accepted=f"its options: {options}",
            )
            continue
        try:
            _convert_arg_to_type(value, known[name])
        except (ValueError, TypeError):
            shown = ",".join(str(v) for v in value)
            diagnostics.error(
                f"option '{name.replace('_', '-')}' of pass '{spec.name}' cannot be '{shown}'",
                accepted=f"expected {_describe(name, known[name])}",
            )
    missing = [n for n in pass_class.required_fields() if n not in given.parameters]
    for name in sorted(missing):
        diagnostics.error(
            f"pass '{spec.name}' needs the option '{name.replace('_', '-')}'",
            accepted=f"expected {_describe(name, known[name])}",
        )
    if len(diagnostics.errors) > before:
        return None
    try:
        return pass_class.from_spec(given)
    except UserError as error:
        diagnostics.errors += error.diagnostics
        return None


def _describe(name: str, type_: Any) -> str:
    text = type_.__name__ if isinstance(type_, type) else str(type_).replace("typing.", "")
    return f"{name.replace('_', '-')}: {text}"


def run_passes(
    ctx: AxContext,
    module: ModuleOp,
    passes: Sequence[ModulePass],
    *,
    verify_each: bool = False,
    before: Hook | None = None,
    after: Hook | None = None,
    keep_text: bool = False,
) -> list[PassTiming]:
    """Runs passes over `module` in place, and verifies the outcome; how long each took.

    With `verify_each` the module is verified after every pass. With `keep_text` the text before each
    pass is kept for the reproducer of a crash (slow on large modules). A diagnostic of a pass
    (`UserError`, `VerifyError`) passes through; anything else becomes `PassCrash`.
    """
    from xdsl.utils.exceptions import PassFailedException

    from pulsar2.ir.text import print_module
    from pulsar2.ir.verify import VerifyError

    timings: list[PassTiming] = []
    for index, each in enumerate(passes):
        if before is not None:
            before(each, module)
        text = print_module(module) if keep_text else None
        start = time.perf_counter()
        try:
            each.apply(ctx, module)
            if verify_each:
                verify_module(module)
        except (UserError, PassFailedException, KeyboardInterrupt):
            raise
        except (VerifyError, Exception) as error:
            remaining = ",".join(str(p.pipeline_pass_spec()) for p in passes[index:])
            raise PassCrash(each.name, remaining, text, error) from error
        timings.append(PassTiming(each.name, time.perf_counter() - start))
        if after is not None:
            after(each, module)
    if passes and not verify_each:
        verify_module(module)
    return timings
