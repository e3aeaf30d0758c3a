"""The benchmark of the frontend: its graphs, its table and its chart."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import onnx

from bench.frontend import chart, measure_frontend, write_docs
from bench.synthetic import synthetic_graph
from pulsar2.context import make_context
from pulsar2.driver.float_check import FloatModel, difference
from pulsar2.onnx_import import import_onnx
from pulsar2.pipeline import parse_passes, run_passes


def test_synthetic_graphs_keep_their_meaning(tmp_path: Path) -> None:
    proto = synthetic_graph(120)
    path = tmp_path / "synthetic.onnx"
    onnx.save(proto, path)
    context = make_context()
    module = import_onnx(proto, context)
    run_passes(context, module, parse_passes("optimize"))
    feeds = {"x": np.random.default_rng(1).normal(size=(1, 16, 8, 8)).astype(np.float32)}
    got = FloatModel.of(module, context).run(feeds)
    for name, wanted in FloatModel(path).run(feeds).items():
        assert difference(got[name], wanted) == ""


def test_time_grows_no_faster_than_n_log_n(tmp_path: Path) -> None:
    section = measure_frontend(2, (250, 1000))
    nodes, *_, growth = section.rows[-1]
    assert int(nodes or 0) >= 1000
    # Quadratic growth would be 3.2.
    assert float(growth or 0) < 2

    pictures = tmp_path / "images"
    pictures.mkdir()
    page = tmp_path / "frontend.md"
    page.write_text(
        "before\n<!-- python -m bench.frontend --docs docs -->\nold\n<!-- end -->\nafter\n"
    )
    write_docs(tmp_path, section)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "| 1,0" in text
    root = ElementTree.fromstring((pictures / "frontend-scaling.svg").read_text())
    assert len(root.findall("{*}polyline")) == 4
    assert chart(section).startswith("<svg")
