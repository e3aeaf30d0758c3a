"""Running passes: from the text of a pipeline to a rewritten module.

`ax-opt` and the build driver both run passes through here, and the driver runs only pipelines that
have a name in `pulsar2.lowering.pipelines`.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import DiagnosticException, VerifyException

from pulsar2.context import AxContext
from pulsar2.diagnostics import Diagnostics, UserError, nearest
from pulsar2.ir.verify import VerifyError, verify_module
from pulsar2.lowering.pipelines import PASSES, PIPELINES, load_pass
from pulsar2.pass_options import make_pass, report_unknown_option
from pulsar2.pass_text import PassText, parse_pass_texts, quote_word


@dataclass
class PassTiming:
    """Wall time of one pass, in seconds."""

    name: str
    seconds: float


Hook = Callable[[ModulePass, ModuleOp], None]


class PassCrash(Exception):
    """A bug: a pass raised something that is no diagnostic, or left invalid IR behind.

    `index` is the place of that pass in what was run; None when the IR was found invalid at the end
    only, so that any of the passes may have done it.
    """

    def __init__(self, name: str, index: int | None, error: Exception):
        what = "left invalid IR" if isinstance(error, VerifyError) else "failed"
        super().__init__(f"{name} {what}: {type(error).__name__}: {error}")
        self.index = index
        self.error = error


def parse_passes(text: str) -> list[ModulePass]:
    """The passes of `a,b{k=1}` or `builtin.module(a,b{k=1})`; named pipelines are expanded.

    Raises one `UserError` with every unknown pass, unknown option and wrong value in the text.
    """
    diagnostics = Diagnostics()
    passes = list(_instantiate(parse_pass_texts(text), diagnostics))
    diagnostics.raise_if_any()
    return passes


def _instantiate(texts: Iterable[PassText], diagnostics: Diagnostics) -> Iterator[ModulePass]:
    for each in texts:
        if each.name in PIPELINES:
            yield from _instantiate(_expand(each, diagnostics), diagnostics)
        elif each.name in PASSES:
            made = make_pass(load_pass(each.name), each, diagnostics)
            if made is not None:
                yield made
        else:
            hint = nearest(each.name, [*PASSES, *PIPELINES])
            diagnostics.error(
                f"unknown pass '{each.name}'", accepted=hint or "--list-passes names them all"
            )


def _expand(given: PassText, diagnostics: Diagnostics) -> list[PassText]:
    """The passes of a named pipeline, its options put in."""
    pipeline = PIPELINES[given.name]
    values = dict(pipeline.options)
    for name, words in given.options.items():
        if name in values:
            values[name] = ",".join(quote_word(w) for w in words)
        else:
            report_unknown_option(f"pipeline '{given.name}'", name, values, diagnostics)
    return parse_pass_texts(",".join(text.format_map(values) for text in pipeline.passes))


@contextmanager
def _no_collection() -> Generator[None]:
    """Keeps the collector of cycles from going through the IR again and again while it grows.

    IR is cycles through and through and nearly all of it stays; what a pass drops is found between
    passes.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def run_passes(
    ctx: AxContext,
    module: ModuleOp,
    passes: Sequence[ModulePass],
    *,
    verify_each: bool = False,
    before: Hook | None = None,
    after: Hook | None = None,
) -> list[PassTiming]:
    """Runs passes over `module` in place, and verifies the outcome once; how long each pass took.

    With `verify_each` the module is verified after every pass instead. `before` and `after` are
    called around each pass. A pass's diagnostic (`UserError`, or xDSL's `DiagnosticException` other
    than a failed verification) passes through; anything else becomes `PassCrash`.
    """
    timings: list[PassTiming] = []
    for index, each in enumerate(passes):
        if before is not None:
            before(each, module)
        start = time.perf_counter()
        try:
            with _no_collection():
                each.apply(ctx, module)
                if verify_each:
                    verify_module(module)
        except UserError:
            raise
        except Exception as error:
            if isinstance(error, DiagnosticException) and not isinstance(error, VerifyException):
                raise
            raise PassCrash(f"pass '{each.name}'", index, error) from error
        timings.append(PassTiming(each.name, time.perf_counter() - start))
        if after is not None:
            after(each, module)
    if passes and not verify_each:
        try:
            with _no_collection():
                verify_module(module)
        except VerifyError as error:
            raise PassCrash("the pipeline", None, error) from error
    return timings
