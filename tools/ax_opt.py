"""`ax-opt`: passes over the text of the IR, for compiler engineers."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pulsar2.diagnostics import Diagnostic, UserError
from pulsar2.tools.command import WRONG_USAGE, ToolParser

if TYPE_CHECKING:
    import argparse

    from xdsl.dialects.builtin import ModuleOp
    from xdsl.passes import ModulePass

    from pulsar2.context import AxContext
    from pulsar2.driver.guard import Crash
    from pulsar2.ir import ParsedModule
    from pulsar2.pipeline import Hook

_SPLIT = "// -----"
_SPLIT_LINE = re.compile(rf"^{_SPLIT}[ \t]*(?:\n|\Z)", re.MULTILINE)

_EPILOG = """\
Exit codes: 0 done, 1 mistake in the input, 2 wrong usage, 70 bug in pulsar2.

  ax-opt -p 'optimize,quantize{activation=S8}' model.mlir --weights model.safetensors
  ax-opt --pass-pipeline='builtin.module(sched-allocate)' --print-ir-after-all jobs.mlir
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs `ax-opt`. Exit code: 0, 1 for a mistake in the input, 2 for wrong usage, 70 for bugs."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    args = _parser().parse_args(words)
    if args.version:
        from pulsar2.version import version

        print(f"ax-opt {version()}")
        return 0
    from pulsar2.driver.guard import guarded

    return guarded(lambda crash: _Run(args, crash).run(), words, "ax-opt")


def _parser() -> argparse.ArgumentParser:
    parser = ToolParser("ax-opt", "Runs passes over pulsar2's IR.", _EPILOG)
    add = parser.add_argument
    add("input", nargs="?", default="-", help="file of IR text, - for standard input (default)")
    add("-o", "--output", default="-", metavar="FILE", help="where to write (default: -)")
    passes = parser.add_mutually_exclusive_group()
    passes.add_argument(
        "-p", "--passes", default="", metavar="PASSES", help="passes, as in 'a,b{k=1}'"
    )
    passes.add_argument(
        "--pass-pipeline",
        default="",
        metavar="PIPELINE",
        help="passes, as in 'builtin.module(a,b{k=1})'",
    )
    add("--list-passes", action="store_true", help="list passes and pipelines with their docs")
    add("--weights", action="append", default=[], metavar="FILE", help="weights of the IR")
    add("--weights-out", metavar="FILE", help="write the weights that the outcome refers to")
    add("--split-input-file", action="store_true", help=f"treat parts between '{_SPLIT}' apart")
    add("--verify-diagnostics", action="store_true", help="check expected-error comments, strictly")
    add("--verify-each", action="store_true", help="verify after every pass, not only at the end")
    for when in ("before", "after"):
        text = f"print the IR {when} these passes to standard error"
        add(f"--print-ir-{when}", action="append", default=[], metavar="PASS,..", help=text)
        text = f"print the IR {when} every pass"
        add(f"--print-ir-{when}-all", action="store_true", help=text)
    add("--mlir-timing", action="store_true", help="print where the time went to standard error")
    add("--mlir-print-debuginfo", action="store_true", help="print locations")
    add("--mlir-print-op-generic", action="store_true", help="print the generic form")
    add("--allow-unregistered-dialect", action="store_true", help="accept unknown operations")
    add("--version", action="store_true", help="print the version and exit")
    return parser


@dataclass(frozen=True)
class _Part:
    """A part of the input: its text, its file's name, and how many lines stand before it there."""

    text: str
    name: str
    line: int


@dataclass
class _Run:
    """One invocation."""

    args: argparse.Namespace
    crash: Crash
    passes: list[ModulePass] = field(default_factory=list["ModulePass"])
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    outputs: list[str] = field(default_factory=list[str])

    def run(self) -> int:
        args = self.args
        if args.list_passes:
            from pulsar2.tools.list_passes import list_passes

            print(list_passes())
            return 0
        with self._timed("Start"):
            if not self._understand_passes():
                return WRONG_USAGE
            text, name = _read(args.input)
            context = self._context()
        problems = [p for part in _parts(text, name, args) for p in self._part(context, part)]
        for problem in problems:
            print(problem, file=sys.stderr)
        if args.mlir_timing:
            self._print_timing()
        if problems:
            return 1
        if args.weights_out:
            from pulsar2.ir import weight_keys

            context.weights.save(args.weights_out, weight_keys("".join(self.outputs)))
        _write(args.output, f"{_SPLIT}\n".join(self.outputs))
        return 0

    @contextmanager
    def _timed(self, what: str) -> Generator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self._add_time(what, time.perf_counter() - start)

    def _add_time(self, what: str, seconds: float) -> None:
        self.seconds[what] = self.seconds.get(what, 0.0) + seconds

    def _understand_passes(self) -> bool:
        """Reads what names passes; prints what is wrong with it, and returns whether nothing is."""
        text = self.args.passes or self.args.pass_pipeline
        named = _names(self.args.print_ir_before) | _names(self.args.print_ir_after)
        if not text and not named:
            return True
        from pulsar2.pipeline import parse_passes

        try:
            self.passes = parse_passes(text)
            missing = sorted(named - {p.name for p in self.passes})
            if missing:
                ran = ", ".join(dict.fromkeys(p.name for p in self.passes)) or "none"
                raise UserError(
                    Diagnostic(f"cannot print the IR at '{m}': it does not run", accepted=f"{ran}")
                    for m in missing
                )
        except UserError as error:
            for diagnostic in error.diagnostics:
                print(f"ax-opt: error: {diagnostic}", file=sys.stderr)
            return False
        return True

    def _context(self) -> AxContext:
        from pulsar2.context import make_context

        context = make_context()
        context.allow_unregistered = self.args.allow_unregistered_dialect
        for path in self.args.weights:
            context.weights.load(path)
        return context

    def _part(self, context: AxContext, part: _Part) -> list[str]:
        """Handles one part of the input; what is to be told of it, none if it went as it should."""
        from pulsar2.tools.expected import Found, check_expected

        parsed: list[ParsedModule] = []
        diagnostics = self._process(context, part, parsed)
        found = [Found.of(d, parsed[0] if parsed else None) for d in diagnostics]
        if self.args.verify_diagnostics:
            return check_expected(part.text, part.name, part.line, found)
        return [each.render(part.name) for each in found]

    def _process(
        self, context: AxContext, part: _Part, parsed: list[ParsedModule]
    ) -> Sequence[Diagnostic]:
        """Parses, verifies and rewrites one part, and keeps its text; the errors found in it.

        What was parsed goes into `parsed`, so that it is known when an error ends the work.
        """
        from xdsl.utils.exceptions import DiagnosticException

        from pulsar2.ir import VerifyError, parse_module, print_module, verify_module
        from pulsar2.pipeline import PassCrash, run_passes

        args = self.args
        self.crash.reproducer = lambda folder: self._reproduce(folder, part, None)
        try:
            with self._timed("Parser"):
                parsed.append(parse_module(part.text, context, part.name, part.line))
            module = parsed[0].module
            with self._timed("Verifier"):
                verify_module(module)
            timings = run_passes(
                context,
                module,
                self.passes,
                verify_each=args.verify_each,
                before=self._printer("before"),
                after=self._printer("after"),
            )
        except (UserError, VerifyError) as error:
            return error.diagnostics
        except PassCrash as crash:
            if args.verify_diagnostics and isinstance(crash.error, VerifyError):
                return crash.error.diagnostics
            index = crash.index
            self.crash.reproducer = lambda folder: self._reproduce(folder, part, index)
            raise
        except DiagnosticException as error:
            return [Diagnostic(str(error))]
        for timing in timings:
            self._add_time(timing.name, timing.seconds)
        with self._timed("Output"):
            self.outputs.append(
                print_module(
                    module,
                    locations=args.mlir_print_debuginfo,
                    generic=args.mlir_print_op_generic,
                )
            )
        self.crash.reproducer = None
        return []

    def _reproduce(self, folder: Path, part: _Part, index: int | None) -> str:
        from pulsar2.tools.reproducer import write_reproducer

        return write_reproducer(
            folder,
            part.text,
            part.name,
            self._context(),
            self.passes,
            index,
            verify_each=self.args.verify_each,
            has_weights=bool(self.args.weights),
        )

    def _printer(self, when: str) -> Hook | None:
        every = getattr(self.args, f"print_ir_{when}_all")
        names = _names(getattr(self.args, f"print_ir_{when}"))
        if not every and not names:
            return None

        def show(each: ModulePass, module: ModuleOp) -> None:
            from pulsar2.ir import print_module

            if every or each.name in names:
                text = print_module(
                    module,
                    locations=self.args.mlir_print_debuginfo,
                    generic=self.args.mlir_print_op_generic,
                )
                title = f"IR Dump {when.capitalize()} {each.name}"
                print(f"// -----// {title} //----- //\n{text}", file=sys.stderr)

        return show

    def _print_timing(self) -> None:
        total = sum(self.seconds.values())
        print("===- Execution time report -===", file=sys.stderr)
        print("  wall (s)    share  what", file=sys.stderr)
        for what, seconds in [*self.seconds.items(), ("Total", total)]:
            share = 100 * seconds / total
            print(f"{seconds:10.4f}  {share:6.1f}%  {what}", file=sys.stderr)


def _names(lists: Sequence[str]) -> set[str]:
    """The names in options such as `a,b`."""
    return {name.strip() for text in lists for name in text.split(",")}


def _parts(text: str, name: str, args: argparse.Namespace) -> Iterator[_Part]:
    line = 0
    for part in _SPLIT_LINE.split(text) if args.split_input_file else [text]:
        yield _Part(part, name, line)
        line += part.count("\n") + 1


def _read(path: str) -> tuple[str, str]:
    """The text of the input, and the name to show for it."""
    name = "<stdin>" if path == "-" else path
    try:
        data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        return data.decode().replace("\r\n", "\n"), name
    except UnicodeDecodeError:
        raise UserError.of("this is no UTF-8 text", name) from None
    except OSError as error:
        raise UserError.of(f"cannot read: {error.strerror}", name) from None


def _write(path: str, text: str) -> None:
    if path == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    from pulsar2.files import write_text

    write_text(path, text)


if __name__ == "__main__":
    sys.exit(main())
