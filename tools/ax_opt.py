"""`ax-opt`: passes over the text of the IR, for compiler engineers."""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pulsar2.diagnostics import UserError

if TYPE_CHECKING:
    from xdsl.dialects.builtin import ModuleOp
    from xdsl.passes import ModulePass

    from pulsar2.context import AxContext
    from pulsar2.ir import ParsedModule
    from pulsar2.pipeline import Hook, PassCrash, PassTiming
    from pulsar2.tools.expected import Found

EXIT_USER, EXIT_USAGE, EXIT_BUG = 1, 2, 70
_SPLIT = "// -----"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs `ax-opt`; its exit code: 0, 1 for a mistake in the input, 2 for wrong usage, 70 for a bug."""
    args = _parser().parse_args(arguments)
    try:
        return _Run(args).run()
    except UserError as error:
        for diagnostic in error.diagnostics:
            print(f"ax-opt: error: {diagnostic}", file=sys.stderr)
        return EXIT_USER
    except BrokenPipeError:
        return EXIT_USER


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ax-opt",
        description="Runs passes over pulsar2's IR.",
        epilog="Exit codes: 0 done, 1 mistake in the input, 2 wrong usage, 70 bug in pulsar2.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("input", nargs="?", default="-", help="file of IR text, - for standard input (default)")
    add("-o", "--output", default="-", metavar="FILE", help="where to write (default: -)")
    add("-p", "--passes", default="", metavar="PASSES", help="passes, as in 'a,b{k=1}'")
    add(
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
    add("--verify-each", action="store_true", help="verify after every pass")
    add("--print-ir-before", action="append", default=[], metavar="PASS", help="print IR to stderr")
    add("--print-ir-after", action="append", default=[], metavar="PASS", help="print IR to stderr")
    add("--print-ir-before-all", action="store_true", help="print IR before every pass")
    add("--print-ir-after-all", action="store_true", help="print IR after every pass")
    add("--mlir-timing", action="store_true", help="print the time of each pass to stderr")
    add("--mlir-print-debuginfo", action="store_true", help="print locations")
    add("--mlir-print-op-generic", action="store_true", help="print the generic form")
    add("--allow-unregistered-dialect", action="store_true", help="accept unknown operations")
    add("--version", action="store_true", help="print the version and exit")
    return parser


@dataclass
class _Run:
    """One invocation."""

    args: argparse.Namespace
    timings: list[PassTiming] = field(default_factory=list["PassTiming"])
    outputs: list[str] = field(default_factory=list[str])

    def run(self) -> int:
        args = self.args
        if args.version:
            from pulsar2.version import version

            print(f"ax-opt {version()}")
            return 0
        if args.list_passes:
            print(list_passes())
            return 0
        passes = self._passes()
        text, name = _read(args.input)
        context = self._context()
        failed = False
        parts = text.split(_SPLIT) if args.split_input_file else [text]
        line = 0
        for part in parts:
            failed |= not self._part(context, part, name, line, passes)
            line += part.count("\n")
        if args.mlir_timing:
            self._print_timing()
        if failed:
            return EXIT_USER
        _write(args.output, f"{_SPLIT}\n".join(self.outputs))
        if args.weights_out:
            _write_weights(context, "".join(self.outputs), args.weights_out)
        return 0

    def _passes(self) -> list[ModulePass]:
        args = self.args
        if args.passes and args.pass_pipeline:
            _usage("give either -p or --pass-pipeline")
        text = args.passes or args.pass_pipeline
        if not text:
            return []
        from pulsar2.lowering.pipelines import PASSES
        from pulsar2.pipeline import parse_passes

        for name in [*args.print_ir_before, *args.print_ir_after]:
            if name not in PASSES:
                _usage(f"--print-ir: unknown pass '{name}'")
        try:
            return parse_passes(text)
        except UserError as error:
            for diagnostic in error.diagnostics:
                print(f"ax-opt: error: {diagnostic}", file=sys.stderr)
            raise SystemExit(EXIT_USAGE) from None

    def _context(self) -> AxContext:
        from pulsar2.context import make_context

        context = make_context()
        context.allow_unregistered = self.args.allow_unregistered_dialect
        for path in self.args.weights:
            context.weights.load(path)
        return context

    def _part(
        self, context: AxContext, text: str, name: str, line: int, passes: list[ModulePass]
    ) -> bool:
        """Handles one part of the input; whether it went as it should."""
        from pulsar2.tools.expected import check_expected

        found = self._process(context, text, name, line, passes)
        if self.args.verify_diagnostics:
            problems = check_expected(text, name, line, found)
        else:
            problems = [each.render(name) for each in found]
        for problem in problems:
            print(problem, file=sys.stderr)
        return not problems

    def _process(
        self, context: AxContext, text: str, name: str, line: int, passes: list[ModulePass]
    ) -> list[Found]:
        """Parses, verifies and rewrites one part, and keeps its text; the errors found in it."""
        from xdsl.utils.exceptions import PassFailedException

        from pulsar2.ir import VerifyError, parse_module, print_module, verify_module
        from pulsar2.pipeline import PassCrash, run_passes
        from pulsar2.tools.expected import Found

        args = self.args
        parsed: ParsedModule | None = None
        try:
            parsed = parse_module(text, context, name, line)
            verify_module(parsed.module)
            self.timings += run_passes(
                context,
                parsed.module,
                passes,
                verify_each=args.verify_each,
                before=self._printer("before"),
                after=self._printer("after"),
                keep_text=True,
            )
        except (UserError, VerifyError) as error:
            return [Found.of(d, parsed) for d in error.diagnostics]
        except PassFailedException as error:
            return [Found(str(error), None, "")]
        except PassCrash as crash:
            _report_crash(crash, context)
            raise SystemExit(EXIT_BUG) from None
        self.outputs.append(
            print_module(
                parsed.module,
                locations=args.mlir_print_debuginfo,
                generic=args.mlir_print_op_generic,
            )
        )
        return []

    def _printer(self, when: str) -> Hook | None:
        every = getattr(self.args, f"print_ir_{when}_all")
        names = set(getattr(self.args, f"print_ir_{when}"))
        if not every and not names:
            return None

        def show(each: ModulePass, module: ModuleOp) -> None:
            from pulsar2.ir import print_module

            if every or each.name in names:
                text = print_module(module, locations=self.args.mlir_print_debuginfo)
                title = f"IR Dump {when.capitalize()} {each.name}"
                print(f"// -----// {title} //----- //\n{text}", file=sys.stderr)

        return show

    def _print_timing(self) -> None:
        total = sum(t.seconds for t in self.timings) or 1e-9
        print("===- Pass execution timing report -===", file=sys.stderr)
        print("  wall (s)      share  pass", file=sys.stderr)
        for timing in self.timings:
            share = 100 * timing.seconds / total
            print(f"{timing.seconds:10.4f}  {share:8.1f}%  {timing.name}", file=sys.stderr)
        print(f"{sum(t.seconds for t in self.timings):10.4f}  {100:8.1f}%  total", file=sys.stderr)


def _usage(message: str) -> None:
    print(f"ax-opt: error: {message}", file=sys.stderr)
    raise SystemExit(EXIT_USAGE)


def _read(path: str) -> tuple[str, str]:
    """The text of the input, and the name to show for it."""
    if path == "-":
        return sys.stdin.read(), "<stdin>"
    try:
        return Path(path).read_text(), path
    except (OSError, UnicodeDecodeError) as error:
        raise UserError.of(f"cannot read the input: {error}", path) from None


def _write(path: str, text: str) -> None:
    if path == "-":
        sys.stdout.write(text)
        return
    from pulsar2.files import write_text

    write_text(path, text)


def _write_weights(context: AxContext, text: str, path: str) -> None:
    """Writes the weights whose keys the printed IR mentions."""
    keys = set(re.findall(r'#ax\.weight<"([0-9a-f]{32})"|<"([0-9a-f]{32})", tensor', text))
    context.weights.save(path, {a or b for a, b in keys})


def _report_crash(crash: PassCrash, context: AxContext) -> None:
    """Writes what is needed to see the crash again, and says how."""
    import traceback

    folder = Path(tempfile.mkdtemp(prefix="ax-opt-crash-"))
    reproducer, weights = folder / "reproducer.mlir", folder / "weights.safetensors"
    if crash.before is not None:
        reproducer.write_text(f"// ax-opt -p '{crash.remaining}' --weights {weights.name}\n{crash.before}")
    context.weights.save(weights)
    (folder / "traceback.txt").write_text(
        "".join(traceback.format_exception(crash.error))
    )
    print(f"ax-opt: internal error: {crash}", file=sys.stderr)
    print(
        f"This is a bug in pulsar2. To see it again:\n"
        f"  ax-opt {reproducer} -p '{crash.remaining}' --weights {weights}\n"
        f"The traceback is in {folder / 'traceback.txt'}",
        file=sys.stderr,
    )


def list_passes() -> str:
    """Every pass with the first line of its documentation and its options, and every pipeline."""
    import dataclasses
    import inspect

    from pulsar2.lowering.pipelines import PASSES, PIPELINES, load_pass

    lines = ["Passes:"]
    for name in PASSES:
        pass_class = load_pass(name)
        summary = inspect.cleandoc(pass_class.__doc__ or "").partition("\n\n")[0]
        lines.append(f"  {name}\n      {' '.join(summary.split())}")
        for option in dataclasses.fields(pass_class):
            lines.append(f"      - {option.name.replace('_', '-')} (default: {option.default})")
    lines.append("Pipelines:")
    for name, pipeline in PIPELINES.items():
        lines.append(f"  {name}\n      {pipeline.summary}: {', '.join(pipeline.passes)}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
