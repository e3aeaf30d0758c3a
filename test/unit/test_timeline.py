"""trace.json, the HTML report and the picture of a timeline."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from program_maker import CV, SDMA, TENG, add, copy, dense, fill, program

from pulsar2 import _kernels
from pulsar2.program import DType, Operand, Program, Space
from pulsar2.timeline import OcmBlock, Timeline, picture, report_html, trace_json

TIMING = dict.fromkeys(_kernels.timing_keys(), 10.0) | {"clock_mhz": 100.0}
OCM = [dense(Space.OCM, 64 * i, (64,)) for i in range(8)]
X, P, Y, S = (dense(s, 0, (64,)) for s in (Space.INPUT, Space.PARAM, Space.OUTPUT, Space.SWAP))


def _program() -> Program:
    """Every kind of DDR traffic, and an addition."""
    jobs = [
        copy(SDMA, X, OCM[0], label="ld:Add_0_0"),
        copy(SDMA, P, OCM[1], label="ld:Add_0_1"),
        copy(SDMA, OCM[0], S, label="st:Swap_1_0"),
        copy(SDMA, S, OCM[3], label="ld:Swap_1_1"),
        add(OCM[1], OCM[3], OCM[2], 3),
        copy(SDMA, OCM[2], Y, 4, label="st:</script><b>&_2_0"),
    ]
    jobs[4].label = "Add_0_2"
    return program(jobs)


@pytest.fixture(scope="module")
def timeline() -> Timeline:
    return Timeline.of(_program().encode(), TIMING)


def test_figures(timeline: Timeline) -> None:
    assert timeline.cycles == timeline.end[-1]
    assert timeline.microseconds(250) == 2.5
    assert timeline.traffic_by_kind == {
        "ld:input": 64,
        "ld:param": 64,
        "ld:ddr_swap": 64,
        "st:ddr_swap": 64,
        "st:output": 64,
    }
    assert timeline.busy[SDMA] > timeline.busy[TENG] > timeline.busy[0] == 0
    add_cost = next(o for o in timeline.operators if o.name == "Add")
    assert (add_cost.jobs, add_cost.ddr_bytes, add_cost.macs) == (3, 128, 0)
    assert [o.name for o in timeline.operators] == ["Add", "Swap", "</script><b>&"]
    assert timeline.operators[1].bound == "transfer"


def test_ocm_blocks(timeline: Timeline) -> None:
    end = timeline.end.tolist()
    start = timeline.start.tolist()
    assert timeline.ocm_blocks == [
        OcmBlock(0, 64, start[0], end[2], 0),
        OcmBlock(64, 128, start[1], end[4], 1),
        OcmBlock(192, 256, start[3], end[4], 3),
        OcmBlock(128, 192, start[4], end[5], 4),
    ]
    assert timeline.ocm_peak == 192


def test_ocm_blocks_of_interleaved_writes() -> None:
    even = Operand(Space.OCM, DType.U8, 0, (32,), (2,))
    jobs = [
        copy(SDMA, X, Y),
        fill(TENG, even, 1),
        fill(CV, even._replace(address=1), 1, 1),
        copy(SDMA, OCM[0], Y, 2),
        fill(TENG, dense(Space.OCM, 0, (32,)), 1, 3),  # overwrites the first half
    ]
    timeline = Timeline.of(program(jobs).encode(), TIMING)
    start, end = timeline.start.tolist(), timeline.end.tolist()
    whole = [b for b in timeline.ocm_blocks if b.writer != 4]
    assert [(b.low, b.high, b.start, b.end) for b in whole] == [
        (0, 63, start[1], end[3]),
        (63, 64, start[2], end[3]),
    ]
    assert timeline.ocm_blocks[-1] == OcmBlock(0, 32, start[4], end[4], 4)


def test_no_byte_counts_twice() -> None:
    """A read that strides over bytes of others does not keep them when these are written anew."""
    column = Operand(Space.OCM, DType.U8, 0, (64,), (4,))
    jobs = [
        copy(SDMA, X, OCM[0]),
        copy(SDMA, P, OCM[1], 0),
        fill(TENG, OCM[2], 1),
        fill(TENG, OCM[3], 1),
        copy(CV, column, dense(Space.SWAP, 0, (64,)), 1, 3),
        fill(TENG, dense(Space.OCM, 1, (1,)), 1, 3),
        fill(TENG, dense(Space.OCM, 66, (2,)), 1, 3),
        copy(SDMA, OCM[0], Y, 5),
    ]
    made = program(jobs)
    made.ocm_bytes = 256
    timeline = Timeline.of(made.encode(), TIMING)
    alive = np.zeros((256, timeline.cycles), int)
    for block in timeline.ocm_blocks:
        alive[block.low : block.high, block.start : block.end] += 1
    assert alive.max() == 1
    assert timeline.ocm_peak == alive.sum(axis=0).max() <= 256


def test_what_bounds(timeline: Timeline) -> None:
    assert list(timeline.shares) == ["conv", "teng", "cv", "sdma", "DDR"]
    assert timeline.shares["conv"] == timeline.shares["cv"] == 0
    assert timeline.shares["DDR"] == pytest.approx(5 * 64 / (10 * timeline.cycles))
    assert timeline.bound == f"sdma ({timeline.busy[SDMA]:.0%} of the time)"


def test_trace(timeline: Timeline) -> None:
    trace = json.loads(trace_json(timeline))
    events = trace["traceEvents"]
    tracks = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    assert tracks == {0: "conv0", 1: "conv1", 2: "teng2", 3: "cv3", 4: "sdma4"}
    tasks = [e for e in events if e["ph"] == "X"]
    assert len(tasks) == 6
    load, addition = tasks[0], tasks[4]
    assert (load["name"], load["tid"], load["cname"]) == ("ld:Add_0_0", 4, "good")
    assert load["args"]["inputs"] == ["x ddr_input:[0:64]"]
    assert load["args"]["outputs"] == ["y ocm_base:[0:64]"]
    assert [t["args"]["cname"] for t in tasks] == [
        "ld:input",
        "ld:param",
        "st:ddr_swap",
        "ld:ddr_swap",
        "",
        "st:output",
    ]
    assert addition["cat"] == "ld:Swap_1_1"
    assert addition["args"]["dep_by"] == [tasks[5]["name"]]
    assert addition["args"]["index"] == 4
    assert addition["args"]["starts"] == timeline.start[4]
    assert addition["args"]["dur"] == timeline.end[4] - timeline.start[4]
    assert addition["ts"] == addition["args"]["starts"] / 100
    assert trace["otherData"]["max_cycle"] == timeline.cycles


def test_picture(timeline: Timeline) -> None:
    image = Image.open(io.BytesIO(picture(timeline, "A title")))
    assert image.format == "PNG"
    assert image.width == 1600
    colours = {c for _, c in image.convert("RGB").getcolors(1 << 16) or []}
    for colour in ((0x2C, 0xA2, 0x5F), (0xE6, 0xB8, 0x00), (0xF2, 0x8E, 0x2B)):
        assert any(sum(abs(a - b) for a, b in zip(c, colour, strict=True)) < 12 for c in colours)
    assert picture(timeline, "A title") == picture(timeline, "A title")


def test_empty_program() -> None:
    empty = Timeline.of(Program("AX650", "NPU1", []).encode(), TIMING)
    assert (empty.cycles, empty.ocm_peak, empty.busy) == (0, 0, [])
    assert json.loads(trace_json(empty))["otherData"]["max_cycle"] == 0
    assert picture(empty, "nothing").startswith(b"\x89PNG")
    assert "nothing" in report_html(empty, "nothing")


def test_report_is_one_file(timeline: Timeline) -> None:
    page = report_html(timeline, "a < b & c")
    assert "<title>a &lt; b &amp; c</title>" in page
    assert page.count("</script>") == 1  # the label's own does not end the script
    assert not re.search(r"""(src|href)\s*=|https?://|@import|url\(""", page)


# A browser without a screen may never draw a frame, so the page draws when a timer says so.
_FRAMES = """
<script>
window.onerror = message => { document.title = "RESULT " + JSON.stringify({ error: message }); };
window.requestAnimationFrame = draw => setTimeout(draw, 0);
</script>
"""

_PROBE = """
<script>
window.addEventListener("load", () => setTimeout(() => {
  const canvas = document.getElementById("units"), box = canvas.getBoundingClientRect();
  const result = { title: document.title, rows: document.querySelectorAll("tbody tr").length };
  const point = (type, x, y) => canvas.dispatchEvent(new PointerEvent(type, {
    clientX: box.left + x, clientY: box.top + y, pointerId: 1, bubbles: true }));
  point("pointermove", 70, 4 * TRACK + 10);
  result.tip = document.getElementById("tip").textContent;
  canvas.dispatchEvent(new WheelEvent("wheel", { clientX: box.left + 300, deltaY: -500 }));
  result.zoomed = view.to - view.from < end;
  document.getElementById("reset").click();
  result.reset = view.to - view.from === end;
  const search = document.getElementById("search");
  search.value = "swap"; search.dispatchEvent(new Event("input"));
  result.found = document.getElementById("found").textContent;
  result.matching = document.querySelectorAll("tbody tr").length;
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  result.painted = pixels.some(v => v !== 0);
  document.title = "RESULT " + JSON.stringify(result);
}, 10));
</script>
"""


def _chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((p for p in map(shutil.which, names) if p), None)


@pytest.mark.skipif(_chromium() is None, reason="needs a Chromium")
def test_report_in_a_browser(timeline: Timeline, tmp_path: Path) -> None:
    page = report_html(timeline, "Sample")
    page = page.replace("<head>", "<head>" + _FRAMES).replace("</body>", _PROBE + "</body>")
    file = tmp_path / "report.html"
    file.write_text(page, encoding="utf-8")
    done = subprocess.run(
        [
            str(_chromium()),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--dump-dom",
            "--virtual-time-budget=1000",
            file.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=300,
    )
    match = re.search(r"<title>RESULT (.*?)</title>", done.stdout, re.S)
    assert match, done.stdout[:500] + done.stderr[-500:]
    result = json.loads(match.group(1).replace("&lt;", "<").replace("&amp;", "&"))
    assert "error" not in result, result
    assert result["rows"] == 3
    assert result["tip"].startswith("ld:Add_0_0   (job 0, copy on sdma4)")
    assert "reads ddr_input:[0:64]\nwrites ocm_base:[0:64]" in result["tip"]
    assert result["zoomed"]
    assert result["reset"]
    assert (result["found"], result["matching"]) == ("2 jobs", 1)
    assert result["painted"]
