"""`ax-translate`: between the IR and the files around it, ONNX models and program bytes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pulsar2.diagnostics import Diagnostic, UserError
from pulsar2.tools.command import ToolParser

if TYPE_CHECKING:
    from onnx import ModelProto
    from xdsl.dialects.builtin import ModuleOp

    from pulsar2.context import AxContext
    from pulsar2.driver.guard import Crash

_EPILOG = """\
Exit codes: 0 done, 1 mistake in the input, 2 wrong usage, 70 bug in pulsar2.

  ax-translate --import-onnx model.onnx -o model.mlir --weights-out model.safetensors
  ax-translate --export-onnx model.mlir --weights model.safetensors -o model.onnx
  ax-translate --disassemble compiled.axmodel -o jobs.mlir --weights-out jobs.safetensors
  ax-translate --assemble jobs.mlir --weights jobs.safetensors -o program.bin
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs `ax-translate`; its exit code: 0, 1 for a mistake in the input, 2, or 70 for a bug."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = _parser()
    args = parser.parse_args(words)
    if args.version:
        from pulsar2.version import version

        print(f"ax-translate {version()}")
        return 0
    if args.translation is None:
        parser.error("say what to translate: --import-onnx, --export-onnx, ...")
    from pulsar2.driver.guard import guarded

    def command(crash: Crash) -> int:
        TRANSLATIONS[args.translation](args)
        return 0

    return guarded(command, words, "ax-translate")


def _parser() -> argparse.ArgumentParser:
    parser = ToolParser(
        "ax-translate", "Translates between pulsar2's IR and the files around it.", _EPILOG
    )
    kinds = parser.add_mutually_exclusive_group()

    def kind(flag: str, help: str) -> None:
        kinds.add_argument(
            flag, dest="translation", action="store_const", const=flag.removeprefix("--"), help=help
        )

    kind("--import-onnx", "an ONNX model into the onnx dialect")
    kind("--export-onnx", "the onnx dialect into an ONNX model")
    quant = "the quant dialect, or a quant_axmodel.onnx,"
    kind("--export-qlinear", f"{quant} into an ONNX model of integer operators")
    kind("--export-qdq", f"{quant} into float operators between Quantize/DequantizeLinear")
    kind("--assemble", "a chip's dialect into the bytes of a program")
    kind("--disassemble", "a program, or those of a compiled model, into its chip's dialect")
    add = parser.add_argument
    add("input", nargs="?", default="-", help="file to read, - for standard input (default)")
    add("-o", "--output", default="-", metavar="FILE", help="where to write (default: -)")
    add("--weights", action="append", default=[], metavar="FILE", help="weights of the IR")
    add("--weights-out", metavar="FILE", help="write the weights that the IR refers to")
    add("--input-shapes", default="", metavar="SHAPES", help="as in 'x:1x3x224x224;y:1x8'")
    add("--program", default="", metavar="NAME", help="which program to assemble, of several")
    add("--params", metavar="FILE", help="parameter segment of a program to disassemble")
    add("--params-out", metavar="FILE", help="write the parameter segment of the program")
    add("--mlir-print-op-generic", action="store_true", help="print the generic form")
    add("--version", action="store_true", help="print the version and exit")
    return parser


def _import_onnx(args: argparse.Namespace) -> None:
    from pulsar2.config.shapes import parse_input_shapes
    from pulsar2.context import make_context
    from pulsar2.onnx_import import import_onnx

    context = make_context()
    shapes = parse_input_shapes(args.input_shapes)
    model = args.input if args.input != "-" else _model_from(_read_bytes("-"))
    _write_module(args, context, import_onnx(model, context, input_shapes=shapes))


def _model_from(data: bytes) -> ModelProto:
    import onnx
    from google.protobuf.message import DecodeError

    try:
        return onnx.load_model_from_string(data)
    except DecodeError:
        raise UserError.of("this is not an ONNX model", "<stdin>") from None


def _export_onnx(args: argparse.Namespace) -> None:
    from pulsar2.onnx_export import export_onnx, save_onnx

    module, context = _read_module(args)
    if args.output == "-":
        _write_bytes("-", export_onnx(module, context).SerializeToString(deterministic=True))
        return
    from pulsar2.files import publishing

    target = Path(args.output)
    with publishing(target.parent) as folder:
        save_onnx(module, context, folder / target.name)


def _export_qlinear(args: argparse.Namespace) -> None:
    from pulsar2.quant_export import export_qlinear

    module, context = _read_quantized(args)
    model = export_qlinear(module, context)
    _write_bytes(args.output, model.SerializeToString(deterministic=True))


def _export_qdq(args: argparse.Namespace) -> None:
    from pulsar2.quant_export import export_qdq

    module, context = _read_quantized(args)
    model = export_qdq(module, context)
    _write_bytes(args.output, model.SerializeToString(deterministic=True))


def _assemble(args: argparse.Namespace) -> None:
    from pulsar2.assemble import assemble
    from pulsar2.dialects.chips.base import ChipProgramOp

    module, context = _read_module(args)
    programs = {op.sym_name.data: op for op in module.ops if isinstance(op, ChipProgramOp)}
    if not programs:
        raise UserError.of("the module has no program of a chip's dialect", args.input)
    known = ", ".join(programs)
    if args.program and args.program not in programs:
        raise UserError.of(f"there is no program '{args.program}'", args.input, f"one of {known}")
    if not args.program and len(programs) > 1:
        raise UserError.of(
            f"there are {len(programs)} programs", args.input, f"--program with one of {known}"
        )
    done = assemble(programs[args.program or known], context.weights)
    _write_bytes(args.output, done.code)
    if args.params_out:
        _write_bytes(args.params_out, done.params.tobytes())


def _disassemble(args: argparse.Namespace) -> None:
    import numpy as np
    from xdsl.dialects.builtin import ModuleOp

    from pulsar2.axmodel import decode_axmodel
    from pulsar2.context import make_context
    from pulsar2.disassemble import decode_program, disassemble, disassemble_model
    from pulsar2.program_codec import MAGIC

    context = make_context()
    where = "<stdin>" if args.input == "-" else args.input
    data = _read_bytes(args.input)
    if not data.startswith(MAGIC):
        try:
            model = decode_axmodel(data)
        except UserError as error:
            raise UserError(
                Diagnostic(d.message, where, d.accepted) for d in error.diagnostics
            ) from None
        _write_module(args, context, disassemble_model(model, context.weights))
        return
    program = decode_program(data, where)
    params = None
    if args.params:
        params = np.frombuffer(_read_bytes(args.params), np.uint8)
        if len(params) != program.param_bytes:
            raise UserError.of(
                f"the program has {program.param_bytes} bytes of parameters, not {len(params)}",
                args.params,
            )
    name = args.program or "program"
    _write_module(args, context, ModuleOp([disassemble(program, name, context.weights, params)]))


TRANSLATIONS: dict[str, Callable[[argparse.Namespace], None]] = {
    "import-onnx": _import_onnx,
    "export-onnx": _export_onnx,
    "export-qlinear": _export_qlinear,
    "export-qdq": _export_qdq,
    "assemble": _assemble,
    "disassemble": _disassemble,
}
"""What `ax-translate --<name>` does."""


def _read_quantized(args: argparse.Namespace) -> tuple[ModuleOp, AxContext]:
    """As `_read_module`, and a quant_axmodel.onnx too."""
    if Path(args.input).suffix != ".onnx":
        return _read_module(args)
    from pulsar2.context import make_context
    from pulsar2.quant_axmodel import read_quant_axmodel

    context = make_context()
    return read_quant_axmodel(args.input, context), context


def _read_module(args: argparse.Namespace) -> tuple[ModuleOp, AxContext]:
    """The module in the input, verified, and the context with its weights."""
    from pulsar2.context import make_context
    from pulsar2.ir import VerifyError, parse_module, verify_module

    name = "<stdin>" if args.input == "-" else args.input
    try:
        text = _read_bytes(args.input).decode()
    except UnicodeDecodeError:
        raise UserError.of("this is not the text of a module", name) from None
    context = make_context()
    for path in args.weights:
        context.weights.load(path)
    parsed = parse_module(text, context, name)
    try:
        verify_module(parsed.module)
    except VerifyError as error:
        raise UserError(parsed.locate(d) for d in error.diagnostics) from None
    return parsed.module, context


def _write_module(args: argparse.Namespace, context: AxContext, module: ModuleOp) -> None:
    """Writes text with its locations, and the weights that it refers to."""
    from pulsar2.ir import print_module, weight_keys

    text = print_module(module, generic=args.mlir_print_op_generic)
    keys = weight_keys(text)
    if args.weights_out:
        context.weights.save(args.weights_out, keys)
    elif keys:
        print(
            f"ax-translate: warning: {len(keys)} weights were not written (--weights-out does)",
            file=sys.stderr,
        )
    _write_bytes(args.output, text.encode())


def _read_bytes(path: str) -> bytes:
    if path == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UserError.of(f"cannot read: {error.strerror}", path) from None


def _write_bytes(path: str, data: bytes) -> None:
    if path == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    from pulsar2.files import write_bytes

    write_bytes(path, data)


if __name__ == "__main__":
    sys.exit(main())
