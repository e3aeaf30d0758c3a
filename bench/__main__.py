"""``python -m bench``: every measure of the project in one run, as ratios where there is a peer.

Run it from the repository's root, on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from loguru import logger
from rich.console import Console

from .accuracy import measure_accuracy, prepare
from .agreement import measure_agreements
from .builds import ROOT, TRAINED, build_network, build_section
from .calibration import measure_calibration
from .checks import oracle_tests, same_bytes, sanitizer_section
from .emulation import measure_emulation
from .frontend import measure_frontend
from .measure import machine
from .networks import NETWORKS
from .published import published_section
from .report import Report, Section, print_section, write_json, write_markdown
from .schedules import schedule_section
from .startup import measure_startup
from .targets import Measured, targets

_THREADS = (1, 2)
_WIDTH = 160


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--networks",
        default=",".join(NETWORKS),
        help="networks beside the trained one, by comma; of: %(default)s",
    )
    parser.add_argument("--repeats", type=int, default=5, help="runs per median (default: 5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures as JSON")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables")
    arguments = parser.parse_args(words)
    arguments.networks = [name for name in arguments.networks.split(",") if name]
    unknown = [name for name in arguments.networks if name not in NETWORKS]
    if unknown:
        parser.error(f"unknown networks {', '.join(unknown)}; there are {', '.join(NETWORKS)}")
    if arguments.repeats < 5:
        parser.error("a median takes at least 5 runs")
    return arguments


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print, write; 1 when a target is missed."""
    arguments = _arguments(words)
    prepare()
    logger.remove()
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    report = Report(machine())
    console.print(", ".join(f"{key} {value}" for key, value in report.machine.items()))
    console.print(f"medians of {arguments.repeats} runs; both sides of a ratio take turns\n")

    def show(section: Section) -> None:
        report.sections.append(section)
        print_section(section, console)

    with tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT / "build") as temporary:
        folder = Path(temporary)
        startup_section, help_seconds = measure_startup(arguments.repeats)
        show(startup_section)
        show(measure_frontend(arguments.repeats, (500, 2000, 5000)))
        others = [name for name in arguments.networks if name != TRAINED]
        builds = [build_network(name, folder) for name in (TRAINED, *others)]
        show(build_section(builds))
        trained = builds[0]
        if trained.error:
            console.print(f"The trained network is not built: {trained.error}")
            return 1
        done = [build for build in builds if not build.error]
        emulation_section, seconds = measure_emulation(done, folder, _THREADS, arguments.repeats)
        show(emulation_section)
        show(measure_calibration(done, max(_THREADS), arguments.repeats)[0])
        schedules_section, schedules = schedule_section(arguments.networks, folder)
        show(schedules_section)
        latency_section, latency_errors = published_section(folder)
        show(latency_section)
        accuracy_section, accuracy = measure_accuracy(trained)
        show(accuracy_section)
        findings_section, findings = sanitizer_section(done)
        show(findings_section)
        agreement_section, agreements = measure_agreements(done)
        show(agreement_section)
        same, equal, stages = same_bytes(trained, folder)
        measured = Measured(
            trained,
            accuracy,
            seconds[trained.name, 1],
            findings,
            oracle_tests(),
            help_seconds,
            same,
            (equal, stages),
            agreements,
            schedules,
            latency_errors,
        )
    report.targets = targets(measured)
    print_section(report.targets_section(), console)
    if arguments.json:
        write_json(report, arguments.json)
    if arguments.markdown:
        write_markdown(report, arguments.markdown)
    return 0 if all(target.reached for target in report.targets) else 1


if __name__ == "__main__":
    sys.exit(main())
