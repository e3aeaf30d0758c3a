"""What lies in OCM, from when to when."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pulsar2.program import OPCODES_BY_CODE, Job, Space, is_packed, operand_extent


class OcmBlock(NamedTuple):
    """Bytes [low, high) of OCM that hold data from `start`, when job `writer` begins to write them,
    to `end`, when the last job that reads them has ended."""

    low: int
    high: int
    start: int
    end: int
    writer: int


@dataclass
class _Piece:
    """A range of OCM that holds something, with all its bytes in one state."""

    high: int
    start: int
    end: int
    writer: int


class _Map:
    """Disjoint pieces by their first byte."""

    def __init__(self) -> None:
        self._lows: list[int] = []
        self._pieces: dict[int, _Piece] = {}

    def put(self, low: int, piece: _Piece) -> None:
        insort(self._lows, low)
        self._pieces[low] = piece

    def take(self, low: int, high: int) -> list[tuple[int, _Piece]]:
        """Cuts the pieces at both ends, removes those within [low, high) and returns them."""
        for edge in (low, high):
            index = bisect_left(self._lows, edge) - 1
            if index >= 0:
                begin = self._lows[index]
                piece = self._pieces[begin]
                if piece.high > edge:
                    self.put(edge, _Piece(piece.high, piece.start, piece.end, piece.writer))
                    piece.high = edge
        first, last = bisect_left(self._lows, low), bisect_left(self._lows, high)
        taken = [(begin, self._pieces.pop(begin)) for begin in self._lows[first:last]]
        del self._lows[first:last]
        return taken

    def all(self) -> list[tuple[int, _Piece]]:
        return [(low, self._pieces[low]) for low in self._lows]


def ocm_blocks(
    jobs: Sequence[Job], start: npt.NDArray[np.int64], end: npt.NDArray[np.int64]
) -> list[OcmBlock]:
    """The blocks of a replayed program, in the order in which they end.

    A view counts with all bytes from its first to its last. Where several jobs write parts of one
    tensor that lie between each other, what the first of them covers is its block, and the others
    add what lies beyond. No byte is in two blocks at once: a block ends at the latest when another
    begins in its place.
    """
    contents = _Map()
    blocks: list[OcmBlock] = []

    def close(low: int, piece: _Piece, latest: int | None = None) -> None:
        end = piece.end if latest is None else min(piece.end, latest)
        if end > piece.start:
            blocks.append(OcmBlock(low, piece.high, piece.start, end, piece.writer))

    begins: list[int] = start.tolist()
    ends: list[int] = end.tolist()
    order: list[int] = np.argsort(start, kind="stable").tolist()
    for index in order:
        job = jobs[index]
        written = OPCODES_BY_CODE[job.opcode].output
        for position, operand in enumerate(job.operands):
            if operand.space != Space.OCM or position == written:
                continue
            low, high = operand.address, operand.address + operand_extent(operand)
            for begin, piece in contents.take(low, high):
                piece.end = max(piece.end, ends[index])
                contents.put(begin, piece)
        target = job.operands[written]
        if target.space != Space.OCM:
            continue
        low, high = target.address, target.address + operand_extent(target)
        at = low
        for begin, piece in contents.take(low, high):
            if is_packed(target):
                close(begin, piece, begins[index])
                continue
            # What lies between the rows written may be of the same tensor: it stays.
            if at < begin:
                contents.put(at, _Piece(begin, begins[index], ends[index], index))
            piece.end = max(piece.end, ends[index])
            contents.put(begin, piece)
            at = piece.high
        if at < high:
            contents.put(at, _Piece(high, begins[index], ends[index], index))
    for low, piece in contents.all():
        close(low, piece)
    return _merged(blocks)


def _merged(blocks: list[OcmBlock]) -> list[OcmBlock]:
    """Puts pieces of one block together that only reads have cut."""
    blocks.sort(key=lambda b: (b.writer, b.start, b.low))
    merged: list[OcmBlock] = []
    for block in blocks:
        last = merged[-1] if merged else None
        if last is not None and (last.writer, last.start, last.end, last.high) == (
            block.writer,
            block.start,
            block.end,
            block.low,
        ):
            merged[-1] = last._replace(high=block.high)
        else:
            merged.append(block)
    merged.sort(key=lambda b: (b.end, b.start, b.low))
    return merged
