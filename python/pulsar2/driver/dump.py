"""`--debug.dump_ir`: the module after each stage, and how `ax-opt` carries on from it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from loguru import logger
from xdsl.dialects.builtin import ModuleOp

from pulsar2.context import AxContext
from pulsar2.files import make_folder, write_text
from pulsar2.ir.text import print_module, weight_keys
from pulsar2.lowering.quant.load_ranges import ranges_by_name
from pulsar2.onnx_export import main_function
from pulsar2.pass_text import quote_word

_DUMPED = re.compile(r"\d+_\w+\.(mlir|safetensors|json)")


class Dump:
    """Writes `<n>_<stage>.mlir` and `.safetensors` into a folder, and `pipelines.txt`.

    Line n of `pipelines.txt` is what `ax-opt -p` needs to get from file n to file n + 1.
    """

    def __init__(self, folder: Path, ctx: AxContext):
        self._folder = folder
        self._ctx = ctx
        self._count = 0
        self._pipelines: list[str] = []

    def write(self, stage: str, module: ModuleOp, pipeline: str) -> None:
        """Writes the module as it is after `stage`, which `pipeline` brought about."""
        self._count += 1
        if self._count == 1:
            self._clear()
        else:
            self._pipelines.append(pipeline)
        path = self._path(stage, "mlir")
        text = print_module(module)
        write_text(path, text)
        save_weights(self._ctx, text, path.with_suffix(".safetensors"))
        write_text(self._folder / "pipelines.txt", "".join(f"{p}\n" for p in self._pipelines))
        logger.info("dump ir after [{}] to [{}]", stage, path)

    def write_calibrated(self, module: ModuleOp) -> None:
        """As `write` after calibration, with the ranges in a file that a pass can read."""
        path = self._folder / f"{self._count + 1}_calibrate.json"
        ranges = ranges_by_name(main_function(module)) or {}
        write_text(path, json.dumps(ranges, indent=1) + "\n")
        self.write("calibrate", module, f"quant-load-ranges{{file={quote_word(str(path))}}}")

    def write_observed(self, stage: str, module: ModuleOp, channels: str) -> None:
        """As `write` after channels were observed, with these in a file that a pass can read."""
        path = self._folder / f"{self._count + 1}_{stage}.json"
        write_text(path, channels)
        self.write(stage, module, f"quant-load-statistics{{file={quote_word(str(path))}}}")

    def write_noise(self, module: ModuleOp, noise: str) -> None:
        """As `write` after noise was measured, with it in a file that a pass can read."""
        path = self._folder / f"{self._count + 1}_noise.json"
        write_text(path, noise)
        self.write("noise", module, f"quant-load-noise{{file={quote_word(str(path))}}}")

    def write_decided(self, module: ModuleOp, decisions: str) -> None:
        """As `write` after decisions for layers, with these in a file that a pass can read."""
        path = self._folder / f"{self._count + 1}_decide.json"
        write_text(path, decisions)
        self.write("decide", module, f"quant-load-decisions{{file={quote_word(str(path))}}}")

    def _path(self, stage: str, suffix: str) -> Path:
        return self._folder / f"{self._count}_{stage}.{suffix}"

    def _clear(self) -> None:
        """Removes the dumps of an earlier build."""
        for old in make_folder(self._folder).iterdir():
            if _DUMPED.fullmatch(old.name):
                old.unlink()


def save_weights(ctx: AxContext, text: str, path: Path) -> None:
    """Writes the weights that the text of a module refers to."""
    ctx.weights.save(path, weight_keys(text))
