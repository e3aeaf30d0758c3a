"""Runs the named pipelines of a build, one after the other, on one module."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from pulsar2.context import AxContext
from pulsar2.driver.dump import Dump, save_weights
from pulsar2.driver.guard import Crash
from pulsar2.ir import print_module
from pulsar2.pass_text import quote_word
from pulsar2.pipeline import PassTiming, parse_passes, run_passes

PassDone = Callable[[PassTiming, ModuleOp], None]
T = TypeVar("T")


class Stopwatch:
    """Takes down how many seconds each stage of a build takes, called with its name and work."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def __call__(self, stage: str, work: Callable[[], T]) -> T:
        start = time.perf_counter()
        result = work()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start
        return result


class Stages:
    """The stages of one build.

    `dump`, when that is asked for, writes the module after each stage. While a stage runs, `crash`
    knows how to write the module it began with, and the command that repeats it. The time that each
    stage takes goes into `seconds`.
    """

    def __init__(
        self,
        module: ModuleOp,
        ctx: AxContext,
        crash: Crash,
        dump: Dump | None,
        seconds: dict[str, float],
    ):
        self.module = module
        self.ctx = ctx
        self.seconds = seconds
        self._crash = crash
        self.dump = dump

    def run(
        self, pipeline: str, options: Mapping[str, str] | None = None, done: PassDone | None = None
    ) -> None:
        """Runs a named pipeline; `done` is told of each pass that ended."""
        text = pipeline_text(pipeline, options or {})
        start = time.perf_counter()
        before = self.module.clone()
        self._crash.reproducer = self.reproducer(before, text)
        started = start

        def begin(_: ModulePass, __: ModuleOp) -> None:
            nonlocal started
            started = time.perf_counter()

        def end(each: ModulePass, module: ModuleOp) -> None:
            if done is not None:
                done(PassTiming(each.name, time.perf_counter() - started), module)

        run_passes(self.ctx, self.module, parse_passes(text), before=begin, after=end)
        self._crash.reproducer = None
        spent = time.perf_counter() - start
        self.seconds[pipeline] = self.seconds.get(pipeline, 0.0) + spent
        if self.dump is not None:
            self.dump.write(pipeline, self.module, text)

    def reproducer(self, module: ModuleOp, pipeline: str) -> Callable[[Path], str]:
        """Writes `module` into a folder, and says how `ax-opt` runs `pipeline` on it."""
        return lambda folder: _reproduce(folder, module, self.ctx, pipeline)


def pipeline_text(pipeline: str, options: Mapping[str, str]) -> str:
    """A named pipeline with options as `ax-opt -p` takes it."""
    if not options:
        return pipeline
    return f"{pipeline}{{{' '.join(f'{k}={v}' for k, v in options.items())}}}"


def quoted(*texts: str) -> str:
    """Texts as the value of a pipeline's option."""
    return ",".join(quote_word(t) for t in texts)


def _reproduce(folder: Path, module: ModuleOp, ctx: AxContext, pipeline: str) -> str:
    path = folder / "reproducer.mlir"
    text = print_module(module)
    path.write_text(text, encoding="utf-8")
    weights = path.with_suffix(".safetensors")
    save_weights(ctx, text, weights)
    return shlex.join(["ax-opt", "-p", pipeline, str(path), "--weights", str(weights)])
