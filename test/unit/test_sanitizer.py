"""The schedule sanitizer: every kind of mistake is found, and what it finds is so."""

from __future__ import annotations

import dataclasses
import random

import pytest
from program_maker import (
    CONV0,
    CV,
    EUS,
    SDMA,
    TENG,
    add,
    add_program,
    copy,
    dense,
    fill,
    program,
)

from pulsar2 import _kernels
from pulsar2.program import OPCODES, DType, Job, Operand, Program, Space

OCM = [dense(Space.OCM, 64 * i, (64,)) for i in range(8)]
X, P, Y = (dense(s, 0, (64,)) for s in (Space.INPUT, Space.PARAM, Space.OUTPUT))


def findings(p: Program) -> list[tuple[str, int, int, str, int, int]]:
    found = _kernels.sanitize(p.encode())
    return [(f.kind, f.job, f.other, f.space, f.begin, f.end) for f in found]


def test_clean_program() -> None:
    assert findings(add_program()) == []


def test_race_between_write_and_read() -> None:
    p = add_program()
    p.jobs[2].waits = (0,)  # no longer waits for the second load
    assert findings(p) == [("race", 2, 1, "ocm", 64, 128)]
    (finding,) = _kernels.sanitize(p.encode())
    assert finding.message == (
        "job 2 on teng2 and job 1 (ld:p) on sdma4 are not ordered, but share bytes of "
        "ocm:[64:128], and one writes them"
    )


def test_race_between_writes() -> None:
    p = program([fill(TENG, OCM[0], 1), fill(CV, dense(Space.OCM, 32, (64,)), 2)])
    assert ("race", 1, 0, "ocm", 32, 64) in findings(p)


def test_race_of_a_write_with_an_earlier_read() -> None:
    p = add_program()
    # Overwrites the first operand of the addition, which it does not wait for.
    p.jobs.append(fill(CV, OCM[0], 0, 1))
    assert findings(p) == [("race", 4, 2, "ocm", 0, 64)]


def test_reads_do_not_race() -> None:
    p = add_program()
    p.jobs.append(copy(CV, OCM[0], OCM[5], 0))
    assert findings(p) == []


def test_order_through_other_units() -> None:
    jobs = [
        copy(SDMA, X, OCM[0]),
        copy(CV, OCM[0], OCM[1], 0),
        copy(TENG, OCM[1], OCM[2], 1),
        fill(CV, OCM[0], 3),
        copy(SDMA, OCM[2], Y, 2),
        # Comes after the load by way of sdma's queue, after the first copy by way of teng.
        copy(SDMA, P, OCM[1]),
    ]
    assert findings(program(jobs)) == []


def test_unwritten_bytes() -> None:
    jobs = [
        fill(TENG, dense(Space.OCM, 0, (48,)), 1),
        copy(SDMA, OCM[0], Y, 0),
    ]
    assert findings(program(jobs)) == [("unwritten", 1, -1, "ocm", 48, 64)]


def test_input_bytes_that_belong_to_no_tensor() -> None:
    p = program([copy(SDMA, X, Y)])
    p.input_bytes = 128
    p.jobs.append(copy(SDMA, dense(Space.INPUT, 64, (64,)), OCM[0]))
    assert findings(p) == [("unwritten", 1, -1, "input", 64, 128)]


def test_output_gap() -> None:
    p = program([copy(SDMA, dense(Space.INPUT, 0, (60,)), dense(Space.OUTPUT, 0, (60,)))])
    assert findings(p) == [("output-gap", -1, -1, "output", 60, 64)]


@pytest.mark.parametrize("target", [X, P])
def test_writes_into_read_only_segments(target: Operand) -> None:
    p = program([copy(SDMA, X, Y), fill(TENG, target, 0)])
    assert [f[:2] for f in findings(p)] == [("read-only", 1)]


def test_unreachable_spaces() -> None:
    p = program([copy(SDMA, X, Y), copy(TENG, X, OCM[0])])
    assert [f[:2] for f in findings(p)] == [("unreachable", 1)]
    one = dense(Space.PARAM, 0, (1, 1, 1, 1))
    mult = dense(Space.OCM, 64, (1,), DType.F32)
    params = (1, 1, 0, 0, 1, 1, 1, 0, 0, 0, 0, 255)
    conv = Job(CONV0, OPCODES["conv"].code, (one, one, one._replace(space=Space.OCM), mult), params)
    p = program([copy(SDMA, X, Y), fill(TENG, mult, 0), conv])
    assert [f[:2] for f in findings(p)].count(("unreachable", 2)) == 2


def test_in_place_work() -> None:
    jobs = [
        copy(SDMA, X, OCM[0]),
        copy(SDMA, P, OCM[1]),
        add(OCM[0], OCM[1], OCM[1], 1),
        copy(SDMA, OCM[1], Y, 2),
    ]
    assert findings(program(jobs)) == []
    # A middle part of a reduction adds to the sums where they lie.
    factor, sums = dense(Space.OCM, 0, (8, 8)), dense(Space.OCM, 128, (8, 8), DType.S32)
    first = Job(CONV0, OPCODES["matmul_sums"].code, (factor, factor, sums), (0,), (0,))
    middle = Job(CONV0, OPCODES["matmul_sums"].code, (factor, factor, sums, sums), (1,))
    assert findings(program([jobs[0], first, middle, copy(SDMA, OCM[0], Y)])) == []
    apart = sums._replace(address=132)
    middle = Job(CONV0, OPCODES["matmul_sums"].code, (factor, factor, apart, sums), (1,))
    found = findings(program([jobs[0], first, middle, copy(SDMA, OCM[0], Y)]))
    assert found == [("self-overlap", 2, -1, "ocm", 132, 384)]
    shifted = dense(Space.OCM, 96, (64,))
    jobs[2] = add(OCM[0], OCM[1], shifted, 1)
    assert findings(program(jobs)) == [("self-overlap", 2, -1, "ocm", 96, 128)]


def test_useless_waits_are_notes() -> None:
    p = add_program()
    p.jobs[2].waits = (0, 1)
    (note,) = _kernels.sanitize(p.encode())
    assert (note.kind, note.job, note.other, note.is_note) == ("useless-wait", 2, 0, True)
    p = add_program()
    p.jobs[3].waits = (0, 2)
    assert findings(p) == [("useless-wait", 3, 0, "ocm", 0, 0)]


def test_interleaved_views_share_no_byte() -> None:
    even = Operand(Space.OCM, DType.U8, 0, (32,), (2,))
    odd = even._replace(address=1)
    jobs = [
        fill(TENG, even, 1),
        fill(CV, odd, 2),
        copy(SDMA, OCM[0], Y, 0, 1),
    ]
    assert findings(program(jobs)) == []
    jobs[1] = fill(CV, odd._replace(address=4), 2)
    assert ("race", 1, 0, "ocm", 4, 63) in findings(program(jobs))


def test_four_bit_views_share_bytes() -> None:
    low = Operand(Space.OCM, DType.U4, 0, (4,), (1,))
    jobs = [copy(SDMA, X, Y), fill(TENG, low, 1), fill(CV, low._replace(address=2), 1)]
    assert findings(program(jobs)) == []
    jobs[1] = fill(TENG, low._replace(shape=(5,)), 1)
    assert findings(program(jobs)) == [("race", 2, 1, "ocm", 2, 3)]


def test_limit() -> None:
    jobs = [fill((TENG, CV)[i % 2], OCM[0], i) for i in range(50)]
    assert len(_kernels.sanitize(program(jobs).encode(), limit=7)) == 7


def test_refuses_accesses_outside_a_space() -> None:
    p = program([fill(TENG, dense(Space.OCM, 4090, (64,)), 1)])
    with pytest.raises(_kernels.ProgramError, match=r"job 0 on teng2: .* ocm:\[4090:4154\]"):
        _kernels.sanitize(p.encode())


# Random programs against brute force.


def _bytes(operand: Operand) -> set[tuple[int, int]]:
    offsets = [0]
    for n, stride in zip(operand.shape, operand.strides, strict=True):
        offsets = [o + i * stride for o in offsets for i in range(n)]
    size = 4 if operand.dtype == DType.F32 else 1
    return {(operand.space, operand.address + o + b) for o in offsets for b in range(size)}


def _random_program(rng: random.Random, inner: int = 1) -> Program:
    """Copies and fills of random views, of elements that are runs of `inner` bytes."""

    def view() -> Operand:
        rank = rng.randint(1, 3)
        shape = tuple(rng.randint(1, 4) for _ in range(rank))
        order = rng.sample(range(rank), rank)
        strides, step = [0] * rank, rng.choice((1, 1, 2, 4))
        for d in order:
            strides[d] = step
            step *= shape[d] + rng.choice((0, 0, 1))
        space = rng.choice((Space.OCM, Space.OCM, Space.OCM, Space.SWAP))
        address = rng.randrange(0, 100) * inner + (rng.choice((0, 0, 1)) if inner > 1 else 0)
        if inner == 1:
            return Operand(space, DType.U8, address, shape, tuple(strides))
        wide = tuple(s * inner for s in strides)
        return Operand(space, DType.U8, address, (*shape, inner), (*wide, 1))

    jobs: list[Job] = []
    for index in range(rng.randint(2, 12)):
        waits = sorted(rng.sample(range(index), min(index, rng.choice((0, 1, 1, 2)))))
        y = view()
        eu = rng.choice((TENG, CV, SDMA))
        if eu == SDMA or rng.random() < 0.6:
            x = view()
            jobs.append(copy(eu, x, y._replace(shape=x.shape, strides=x.strides), *waits))
        else:
            jobs.append(fill(eu, y, 0, *waits))
    p = program(
        [copy(SDMA, X, Y), *(dataclasses.replace(j, waits=[w + 1 for w in j.waits]) for j in jobs)]
    )
    p.ocm_bytes = p.swap_bytes = 1 << 20
    return p


def _brute_force(p: Program) -> tuple[set[tuple[int, int]], set[int], set[int]]:
    """Racing pairs (later, earlier); jobs that read unwritten bytes; that overlap themselves."""
    after: list[set[int]] = []
    last: dict[int, int] = {}
    for index, job in enumerate(p.jobs):
        before: set[int] = set()
        for other in (*job.waits, *([last[job.eu]] if job.eu in last else [])):
            before |= after[other] | {other}
        after.append(before)
        last[job.eu] = index
    touched = [([_bytes(o) for o in j.operands[:-1]], _bytes(j.operands[-1])) for j in p.jobs]
    races: set[tuple[int, int]] = set()
    for b, (b_reads, b_writes) in enumerate(touched):
        for a, (a_reads, a_writes) in enumerate(touched[:b]):
            reads_a, reads_b = set().union(*a_reads), set().union(*b_reads)
            shared = (a_writes & b_writes) | (a_writes & reads_b) | (reads_a & b_writes)
            if shared and a not in after[b]:
                races.add((b, a))
    written = {(int(Space.INPUT), i) for i in range(64)}
    unwritten: set[int] = set()
    overlapping: set[int] = set()
    for index, (reads, writes) in enumerate(touched):
        job = p.jobs[index]
        for operand, bytes_read in zip(job.operands, reads, strict=False):
            if bytes_read - written:
                unwritten.add(index)
            same = operand[:5] == job.operands[-1][:5]
            if not same and bytes_read & writes:
                overlapping.add(index)
        written |= writes
    return races, unwritten, overlapping


@pytest.mark.parametrize(("inner", "count"), [(1, 1500), (97, 100), (256, 40)])
def test_random_programs_against_brute_force(inner: int, count: int) -> None:
    rng = random.Random(7)
    clean = 0
    for _ in range(count):
        p = _random_program(rng, inner)
        races, unwritten, overlapping = _brute_force(p)
        found = _kernels.sanitize(p.encode())
        named = {(f.job, f.other) for f in found if f.kind == "race"}
        assert named <= races
        assert bool(named) == bool(races)
        assert {f.job for f in found if f.kind == "unwritten"} == unwritten
        assert {f.job for f in found if f.kind == "self-overlap"} == overlapping
        clean += not races
    assert count / 15 < clean < count * 14 / 15


def test_useless_waits_against_brute_force() -> None:
    rng = random.Random(8)
    for _ in range(300):
        jobs: list[Job] = []
        for index in range(rng.randint(3, 15)):
            waits = sorted(rng.sample(range(index), min(index, rng.randint(0, 4))))
            eu = rng.choice((TENG, CV))
            jobs.append(fill(eu, dense(Space.OCM, 64 * index, (64,)), 0, *waits))
        p = Program("T", "M", list(EUS), jobs, ocm_bytes=1024)
        after: list[set[int]] = []
        last: dict[int, int] = {}
        expected: set[tuple[int, int]] = set()
        for index, job in enumerate(jobs):
            direct = {*job.waits, *([last[job.eu]] if job.eu in last else [])}
            closure = set[int]().union(*(after[o] for o in direct)) if direct else set[int]()
            queue = last.get(job.eu)
            expected |= {(index, w) for w in job.waits if w in closure or w == queue}
            after.append(closure | direct)
            last[job.eu] = index
        found = {(f.job, f.other) for f in _kernels.sanitize(p.encode())}
        assert found == expected
