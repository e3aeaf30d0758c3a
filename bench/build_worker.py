"""One build in a process of its own; the last line that it prints is JSON: the stages' seconds, and
those of the whole call.

    python -m bench.build_worker CONFIG

It does what `pulsar2 build --config CONFIG` does after reading its command line.
"""

from __future__ import annotations

import json
import sys
import time

from pulsar2.config.load import load_build_config
from pulsar2.diagnostics import UserError
from pulsar2.driver.build import build


def main(config: str) -> int:
    start = time.perf_counter()
    try:
        result = build(load_build_config(config))
    except UserError as error:
        print(json.dumps({"error": str(error)}))
        return 1
    whole = time.perf_counter() - start
    print(json.dumps({"seconds": result.seconds, "whole": whole}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
