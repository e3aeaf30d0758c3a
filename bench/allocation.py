"""Offset assignment on hard instances: `python -m bench.allocation [FILE.csv ...]`.

Files have the form of google/minimalloc's benchmarks: a header `id,lower,upper,size`, a buffer a
line, alive in [lower, upper), and the capacity in the file's name (`K.1048576.csv`). Without files,
rectangles cut into pieces are put together again: instances without a free byte.
"""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pulsar2.lowering.analysis.allocate import assign_offsets

COLUMNS = (["id", "lower", "upper", "size"], ["buffer", "start", "end", "size"])
"""Headers of files, the older one last."""


@dataclass(frozen=True)
class Instance:
    """Buffers alive in [begin, end), and the bytes that they have to fit in."""

    name: str
    begins: list[int]
    ends: list[int]
    sizes: list[int]
    capacity: int


class Row(NamedTuple):
    """What became of one instance, and in how many seconds of this process."""

    name: str
    buffers: int
    found: bool
    seconds: float


def read_instance(path: Path) -> Instance:
    """The instance in a file; ValueError where it is not of the form."""
    name, _, capacity = path.stem.rpartition(".")
    if not capacity.isdigit():
        raise ValueError(f"{path}: the name says no capacity (NAME.CAPACITY.csv)")
    with path.open(newline="") as file:
        lines = csv.reader(file)
        if next(lines, None) not in COLUMNS:
            raise ValueError(f"{path}: the header is not {','.join(COLUMNS[0])}")
        rows = [[int(word) for word in line[1:]] for line in lines if line]
    begins, ends, sizes = (list(column) for column in zip(*rows, strict=True))
    return Instance(name, begins, ends, sizes, int(capacity))


def cut_rectangle(
    seed: int, count: int, steps: int = 256, capacity: int = 1024
) -> tuple[list[int], list[int], list[int], int]:
    """Begins, ends and sizes of `count` pieces of a rectangle of time x memory, and its height."""
    rng = np.random.default_rng(seed)
    pieces = [(0, steps, 0, capacity)]
    while len(pieces) < count:
        areas = np.array([(e - b) * (h - low) for b, e, low, h in pieces], float)
        index = int(rng.choice(len(pieces), p=areas / areas.sum()))
        begin, end, low, high = pieces.pop(index)
        if end - begin > 1 and (high - low < 2 or rng.random() < 0.5):
            at = int(rng.integers(begin + 1, end))
            pieces += [(begin, at, low, high), (at, end, low, high)]
        else:
            at = int(rng.integers(low + 1, high))
            pieces += [(begin, end, low, at), (begin, end, at, high)]
    order: list[int] = rng.permutation(count).tolist()
    begins = [pieces[i][0] for i in order]
    ends = [pieces[i][1] for i in order]
    sizes = [pieces[i][3] - pieces[i][2] for i in order]
    return begins, ends, sizes, capacity


def measure(instances: Iterable[Instance]) -> list[Row]:
    """Looks for offsets of every instance, with the effort of a compilation."""
    rows: list[Row] = []
    for each in instances:
        start = time.process_time()
        offsets = assign_offsets(each.begins, each.ends, each.sizes, each.capacity)
        seconds = time.process_time() - start
        rows.append(Row(each.name, len(each.sizes), offsets is not None, seconds))
    return rows


def main(words: list[str]) -> None:
    """Prints a table of the files named, or of instances made here."""
    if words:
        instances = [read_instance(Path(word)) for word in words]
    else:
        made = [(count, seed) for count in (50, 100, 200, 400) for seed in range(5)]
        instances = [
            Instance(f"cut {count} #{seed}", *cut_rectangle(seed, count)) for count, seed in made
        ]
    print("| instance | buffers | offsets | seconds |\n| --- | --- | --- | --- |")
    for row in measure(instances):
        found = "found" if row.found else "none found"
        print(f"| {row.name} | {row.buffers} | {found} | {row.seconds:.2f} |")


if __name__ == "__main__":
    main(sys.argv[1:])
