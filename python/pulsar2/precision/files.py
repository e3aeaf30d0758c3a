"""What a precision analysis leaves in the folder `quant/debug`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import numpy_helper

from pulsar2.console.tables import table_text
from pulsar2.driver.tensors import write_tensors
from pulsar2.files import publishing, write_text
from pulsar2.precision.advice import Advice
from pulsar2.precision.analysis import Analysis
from pulsar2.precision.html import Proposal, report_html
from pulsar2.precision.table import COLUMNS, mermaid, table_rows

Tensors = Mapping[str, npt.NDArray[Any]]


def write_table(analysis: Analysis, folder: Path) -> Path:
    """The Quant Precision Table as text."""
    path = folder / "precision_analysis_table.txt"
    write_text(path, table_text(analysis.title, COLUMNS, table_rows(analysis.layers)))
    return path


def write_graph(analysis: Analysis, folder: Path) -> Path:
    """The graph in mermaid's language, coloured by similarity."""
    path = folder / "precision_analysis.mmd"
    write_text(path, mermaid(analysis))
    return path


def write_report(
    analysis: Analysis,
    advices: Sequence[Advice],
    proposal: Proposal,
    facts: Sequence[tuple[str, str]],
    folder: Path,
) -> Path:
    """The page."""
    path = folder / "precision_analysis.html"
    write_text(path, report_html(analysis, advices, proposal, facts))
    return path


def write_sample(folder: Path, inputs: Tensors, expected: Tensors, quantized: Tensors) -> None:
    """A sample with the float and the quantized outputs for it.

    That is `test_data_set_0`, in the form of ONNX's test data, and `io`, as raw bytes.
    """
    with publishing(folder / "test_data_set_0") as temporary:
        kinds = {"input": inputs, "output": expected, "quantized_output": quantized}
        for kind, tensors in kinds.items():
            for index, (name, array) in enumerate(tensors.items()):
                proto = numpy_helper.from_array(np.ascontiguousarray(array), name)
                (temporary / f"{kind}_{index}.pb").write_bytes(proto.SerializeToString())
    for kind, tensors in {"input": inputs, "float": expected, "quantized": quantized}.items():
        write_tensors(folder / "io" / kind, tensors)
