"""When every job of a program runs: trace.json, an HTML report, a picture.

`Timeline.of(program_bytes, timing)` replays a program with the cost model; `trace_json`,
`report_html` and `picture` show the outcome.
"""

from pulsar2.timeline.html import report_html
from pulsar2.timeline.model import KINDS, OperatorCost, Timeline
from pulsar2.timeline.occupancy import OcmBlock
from pulsar2.timeline.picture import picture
from pulsar2.timeline.trace import trace_json

__all__ = [
    "KINDS",
    "OcmBlock",
    "OperatorCost",
    "Timeline",
    "picture",
    "report_html",
    "trace_json",
]
