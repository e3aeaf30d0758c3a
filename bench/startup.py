"""Start-up time of the commands, against a bare Python and against importing what they stand on."""

from __future__ import annotations

import sys

from .measure import SCRIPTS, interleaved, run_process
from .report import Section

_HELP = "pulsar2 build --help"


def measure_startup(repeats: int) -> tuple[Section, float]:
    """The table, and the seconds of the help of `pulsar2 build`."""
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "python -c 'import xdsl.xdsl_opt_main'": [
            sys.executable,
            "-c",
            "import xdsl.xdsl_opt_main",
        ],
        "ax-opt --list-passes": [SCRIPTS / "ax-opt", "--list-passes"],
        "pulsar2 version": [SCRIPTS / "pulsar2", "version"],
        _HELP: [SCRIPTS / "pulsar2", "build", "--help"],
    }
    seconds = interleaved(
        {name: lambda command=command: run_process(command) for name, command in commands.items()},
        repeats,
    )
    bare = seconds["python -c pass"]
    section = Section("Start-up", ("command", "ms", "ratio to bare Python"))
    for name, value in seconds.items():
        section.add(name, value * 1e3, value / bare)
    return section, seconds[_HELP]
