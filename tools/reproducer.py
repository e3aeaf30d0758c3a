"""The reproducer of a crash: the module before the pass that failed, and the command to run."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from xdsl.passes import ModulePass

from pulsar2.context import AxContext
from pulsar2.ir import parse_module, print_module, weight_keys
from pulsar2.pass_options import pass_text
from pulsar2.pipeline import PassCrash, run_passes


def write_reproducer(
    folder: Path,
    text: str,
    name: str,
    context: AxContext,
    passes: Sequence[ModulePass],
    index: int | None,
    *,
    verify_each: bool,
    has_weights: bool,
) -> str:
    """Writes `reproducer.mlir` and the weights that it needs into `folder`; the command to run it.

    `text` is the input of the failed run, `name` its file and `context` a fresh one with the same
    weights. `index` is the pass that failed, None when that is not known: the passes are run again,
    with verification after each, to find it and the module before it. Where that does not succeed,
    the command starts from the input.
    """
    count = _failing(text, name, context, passes) if index is None else index
    remaining, before = list(passes), text
    if count:
        module = parse_module(text, context, name).module
        run_passes(context, module, passes[:count])
        remaining, before = list(passes[count:]), print_module(module)
    options: list[str] = []
    if remaining:
        options += ["-p", ",".join(pass_text(p) for p in remaining)]
    if remaining and (verify_each or index is None):
        options.append("--verify-each")
    keys = [k for k in weight_keys(before) if k in context.weights]
    if has_weights and keys:
        file = folder / "reproducer.safetensors"
        context.weights.save(file, keys)
        options += ["--weights", str(file)]
    path = folder / "reproducer.mlir"
    command = shlex.join(["ax-opt", str(path), *options])
    path.write_text(f"// {command}\n{before}", encoding="utf-8")
    return command


def _failing(text: str, name: str, context: AxContext, passes: Sequence[ModulePass]) -> int | None:
    """The first pass that leaves invalid IR behind; None if that is not seen again."""
    try:
        module = parse_module(text, context, name).module
        run_passes(context, module, passes, verify_each=True)
    except PassCrash as error:
        return error.index
    except Exception:
        # The input itself is what crashes.
        return None
    return None
