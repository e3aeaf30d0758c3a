"""``python -m bench.large``: peak memory of import, optimization, export and calibration of a large
model.

A model of so many GiB of weights is made on disk, and each way of reading it runs in a process of
its own. ``--docs docs`` writes the table into docs/frontend.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx.helper as oh
from onnx import StringStringEntryProto, TensorProto
from rich.console import Console

from pulsar2.calibration.dataset import Sample

from .builds import ROOT
from .frontend import replace_table
from .measure import run_process
from .report import Section, print_section

_WIDTH, _ROWS = 4096, 4
_MARK = "python -m bench.large --docs docs"
_GIB = float(1 << 30)


def write_model(path: Path, gibibytes: float) -> int:
    """A chain of matrix products whose weights lie beside it; how many bytes they are."""
    layers = round(gibibytes * _GIB / (_WIDTH * _WIDTH * 4))
    random = np.random.default_rng(0)
    size = _WIDTH * _WIDTH * 4
    nodes, weights = [], []
    with path.with_name("weights.bin").open("wb") as file:
        for layer in range(layers):
            weight = random.standard_normal((_WIDTH, _WIDTH), np.float32) / np.float32(_WIDTH**0.5)
            file.write(weight.data)
            entries = {"location": "weights.bin", "offset": layer * size, "length": size}
            weights.append(
                TensorProto(
                    name=f"w{layer}",
                    data_type=TensorProto.FLOAT,
                    dims=weight.shape,
                    data_location=TensorProto.EXTERNAL,
                    external_data=[
                        StringStringEntryProto(key=k, value=str(v)) for k, v in entries.items()
                    ],
                )
            )
            source = "x" if layer == 0 else f"r{layer - 1}"
            nodes.append(oh.make_node("MatMul", [source, f"w{layer}"], [f"m{layer}"], f"mm{layer}"))
            nodes.append(oh.make_node("Relu", [f"m{layer}"], [f"r{layer}"], f"relu{layer}"))
    graph = oh.make_graph(
        nodes,
        "large",
        [oh.make_tensor_value_info("x", TensorProto.FLOAT, [1, _ROWS, _WIDTH])],
        [oh.make_tensor_value_info(f"r{layers - 1}", TensorProto.FLOAT, None)],
        weights,
    )
    model = oh.make_model(graph, opset_imports=[oh.make_opsetid("", 18)], ir_version=10)
    path.write_bytes(model.SerializeToString())
    return layers * size


def work(path: Path, scratch: Path, way: str) -> None:
    """Imports, optimizes and exports the model, and prints the peak of anonymous memory in bytes.

    The way `calibrated` calibrates it instead of exporting it; `scaled` multiplies every weight, so
    that none is as the file has it; `files` does so too, with `save_tensors_data`.
    """
    from pulsar2.calibration.calibrate import calibrate
    from pulsar2.context import make_context
    from pulsar2.dialects.onnx.constant import Constant
    from pulsar2.onnx_export import main_function, save_onnx
    from pulsar2.onnx_import import import_onnx
    from pulsar2.pipeline import parse_passes, run_passes

    peak = _Peak()
    context = make_context()
    if way == "files":
        context.weights.keep_in(scratch)
    module = import_onnx(path, context)
    if way in ("scaled", "files"):
        for op in list(main_function(module).body.block.ops):
            if isinstance(op, Constant):
                doubled = Constant.of(op.array(context.weights) * 2, context.weights, op.location)
                op.result.replace_all_uses_with(doubled.result)
                block = op.parent_block()
                assert block is not None
                block.insert_op_before(doubled, op)
                block.erase_op(op)
    run_passes(context, module, parse_passes("optimize"))
    if way == "calibrated":
        calibrate(module, context, _samples(), threads=1)
    else:
        save_onnx(module, context, scratch / "optimized.onnx")
    print(f"peak {peak.stop()}")


def _samples() -> list[Sample]:
    random = np.random.default_rng(0)
    return [
        Sample(str(i), {"x": random.standard_normal((1, _ROWS, _WIDTH), np.float32)})
        for i in range(2)
    ]


class _Peak:
    """The most anonymous memory that this process had: pages of mapped files do not count."""

    def __init__(self) -> None:
        self._done = threading.Event()
        self._most = 0
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._done.wait(0.02):
            for line in Path("/proc/self/status").read_text().splitlines():
                if line.startswith("RssAnon:"):
                    self._most = max(self._most, int(line.split()[1]) * 1024)

    def stop(self) -> int:
        self._done.set()
        self._thread.join()
        return self._most


_WAYS = {
    "as it is": "weights as the file has them",
    "calibrated": "weights as the file has them, calibrated instead of exported",
    "scaled": "every weight changed",
    "files": "every weight changed, save_tensors_data",
}


def measure_large(gibibytes: float) -> Section:
    """Peak memory and seconds of each way."""
    section = Section(
        f"A model of {gibibytes:g} GiB of weights: import, optimize, export",
        ("weights", "peak memory, GiB", "of the weights", "s"),
        notes=["memory of the process besides mapped files"],
    )
    with tempfile.TemporaryDirectory(prefix="large-", dir=ROOT / "build") as temporary:
        folder = Path(temporary)
        size = write_model(folder / "large.onnx", gibibytes)
        for way, text in _WAYS.items():
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                begin = time.perf_counter()
                command = [sys.executable, "-m", "bench.large", "--work", way]
                done = run_process([*command, folder / "large.onnx", scratch], ROOT)
                if done.code:
                    raise RuntimeError(done.output)
                peak = int(done.output.rsplit("peak ", 1)[1])
                section.add(text, peak / _GIB, peak / size, time.perf_counter() - begin)
    return section


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print, write; 1 when more memory than the weights' is taken to read them."""
    parser = argparse.ArgumentParser(prog="python -m bench.large", description=__doc__)
    parser.add_argument("--gib", type=float, default=2.2, help="GiB of weights (default: 2.2)")
    parser.add_argument("--docs", type=Path, metavar="FOLDER", help="write the table")
    parser.add_argument("--work", choices=_WAYS, help=argparse.SUPPRESS)
    parser.add_argument("paths", nargs="*", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args(words)
    if arguments.work:
        work(*arguments.paths, arguments.work)
        return 0
    section = measure_large(arguments.gib)
    print_section(section, Console())
    if arguments.docs:
        replace_table(arguments.docs / "frontend.md", _MARK, section)
    shares = [float(row[2] or 0) for row in section.rows]
    return 0 if max(shares) < 1.5 and shares[0] < 0.5 else 1


if __name__ == "__main__":
    sys.exit(main())
