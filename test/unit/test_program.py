"""The program format: Python against the C++ core, and against its documentation."""

from __future__ import annotations

import re
import time
from pathlib import Path

import numpy as np
import pytest
from program_maker import CONV0, CV, EUS, SDMA, add_program, copy, dense

from pulsar2 import _kernels
from pulsar2.program import (
    IO,
    OPCODES,
    OPCODES_BY_CODE,
    DType,
    Job,
    Operand,
    Program,
    Space,
)

DOCUMENT = Path(__file__).parents[2] / "docs" / "program-format.md"


def test_job_table_is_that_of_the_core() -> None:
    kinds = _kernels.unit_kinds()
    table = _kernels.kernel_table()
    assert [entry[0] for entry in table] == sorted(OPCODES_BY_CODE)
    for code, name, operands, params in table:
        op = OPCODES[name]
        assert op.code == code
        required = [(n, n == "y", False) for n in op.operands]
        assert operands == required + [(n, False, True) for n in op.optional]
        assert params == [tuple(p) for p in op.params]
        assert sorted(kinds[code]) == sorted(op.eus)


def test_job_table_is_that_of_the_document() -> None:
    rows = re.findall(
        r"^\| (\d+) \| (\w+) \| ([^|]*)\| ([^|]*)\| ([^|]*)\|$", DOCUMENT.read_text(), re.M
    )
    assert len(rows) == len(OPCODES)
    for code, name, units, operands, params in rows:
        op = OPCODES[name]
        assert op.code == int(code)
        assert units.split() == [kind.name.lower() for kind in op.eus]
        assert re.sub(r"\[.*", "", operands).split() == list(op.operands)
        assert tuple(re.findall(r"\[(\w+):", operands)) == op.optional
        words = re.findall(r"(\w+)( \(f\))?", params)
        assert [(n, bool(f)) for n, f in words] == [tuple(p) for p in op.params]


def _rich_program() -> Program:
    x = Operand(Space.OCM, DType.S16, 128, (1, 3, 8, 8), (0, 128, 16, 2), 0.12345, -7)
    unary = Job(2, OPCODES["unary"].code, (x, x._replace(address=1024, strides=(384, 128, 16, 2))),
                (4, 0.2, 0.5, -5, 9), (0,), "Conv_0 ä")  # fmt: skip
    return Program(
        "AX650",
        "NPU1",
        list(EUS),
        [copy(SDMA, dense(Space.INPUT, 0, (64,)), dense(Space.OCM, 64, (64,))), unary],
        ocm_bytes=4096,
        input_bytes=64,
        output_bytes=8,
        param_bytes=1 << 40,
        swap_bytes=5,
        ios=[IO("x", 0, 64, DType.U8, (64,), False), IO("ÿ", 4, 4, DType.F32, (), True)],
    )


def test_round_trip() -> None:
    program = _rich_program()
    code = program.encode()
    again = Program.decode(code)
    assert again.encode() == code
    assert (again.target, again.npu_mode, again.eus, again.ios) == (
        program.target,
        program.npu_mode,
        program.eus,
        program.ios,
    )
    assert again.param_bytes == 1 << 40
    job, original = again.jobs[1], program.jobs[1]
    assert (job.eu, job.opcode, job.label, list(job.waits)) == (2, 7, "Conv_0 ä", [0])
    assert [o[:5] for o in job.operands] == [o[:5] for o in original.operands]
    assert job.operands[0].scale == np.float32(0.12345)
    assert job.params == (4, float(np.float32(0.2)), 0.5, -5, 9)
    assert again.eu_name(job.eu) == "teng2"


def test_encoding_names_the_job_with_a_value_out_of_range() -> None:
    program = add_program()
    program.jobs[2].params = (0, 0, 1 << 31)
    with pytest.raises(ValueError, match="job 2"):
        program.encode()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda code: code[:50], "truncated"),
        (lambda code: code[:-1], "truncated"),
        (lambda code: code + b"x", "1 bytes after the end"),
        (lambda code: b"?" + code[1:], "wrong magic"),
        (lambda code: code[:8] + b"\1" + code[9:], "version 1; this library reads version 3"),
        (lambda code: code[:200] + bytes([code[200] ^ 1]) + code[201:], "corrupt: CRC"),
    ],
)
def test_damaged_bytes(change, message: str) -> None:
    with pytest.raises(_kernels.ProgramError, match=message):
        Program.decode(change(_rich_program().encode()))


def test_wrong_programs() -> None:
    program = add_program()
    program.ddr_limit = 999_999
    with pytest.raises(_kernels.ProgramError, match="DDR limit of 999999 bytes per second"):
        Program.decode(program.encode())
    program = add_program()
    program.jobs[1].eu = CONV0
    with pytest.raises(_kernels.ProgramError, match=r"job 1 \(ld:p\) on conv0: 'copy' does not"):
        Program.decode(program.encode())
    program = add_program()
    params = (0, 0, 0, 2, 2, 4, 4, 0.0, 0.0, 0, 0, 0, 0)
    x, y = (dense(Space.OCM, 64 * i, (1, 1, n, n)) for i, n in enumerate((2, 4)))
    program.jobs.append(Job(CV, OPCODES["resize"].code, (x, y), params))
    Program.decode(program.encode())
    program.jobs[-1].params = (1, *params[1:])
    with pytest.raises(_kernels.ProgramError, match="a cv unit repeats elements"):
        Program.decode(program.encode())
    program = add_program()
    program.jobs[2].waits = (3,)
    with pytest.raises(_kernels.ProgramError, match=r"job 2 on teng2: waits for job 3.*a cycle"):
        Program.decode(program.encode())
    program.jobs[3].waits = ()
    with pytest.raises(_kernels.ProgramError, match=r"job 2 on teng2: waits for job 3, .*later"):
        Program.decode(program.encode())
    program = add_program()
    program.jobs[3].waits = (3,)
    with pytest.raises(_kernels.ProgramError, match=r"job 3 .*waits for itself"):
        Program.decode(program.encode())


def test_replay_of_a_program() -> None:
    timing = dict.fromkeys(_kernels.timing_keys(), 10.0)
    start, end = _kernels.replay_program(add_program().encode(), timing)
    costs = _kernels.job_costs(add_program().encode(), timing)
    # 64 bytes at 10 a cycle after a launch of 10 cycles; loads in a row, then the addition.
    assert costs["cycles"].tolist() == [17, 17, 30, 17]
    assert costs["port_cycles"].tolist() == [7, 7, 20, 7]
    assert costs["ddr_bytes"].tolist() == [64, 64, 0, 64]
    assert start.tolist() == [0, 17, 34, 64]
    assert end.tolist() == [17, 34, 64, 81]


def test_timing_tables_are_checked() -> None:
    code = add_program().encode()
    timing = dict.fromkeys(_kernels.timing_keys(), 10.0)
    with pytest.raises(KeyError, match="timing lacks 'clock_mhz'"):
        _kernels.job_costs(code, {k: v for k, v in timing.items() if k != "clock_mhz"})
    with pytest.raises(KeyError, match="unknown number 'warp'"):
        _kernels.job_costs(code, {**timing, "warp": 9.0})
    with pytest.raises(ValueError, match="'port_bytes' must be positive"):
        _kernels.job_costs(code, {**timing, "port_bytes": 0.0})


def _replay(eu: list[int], cycles: list[int], ddr: list[int], waits: list[list[int]], rate: float):
    offsets = np.cumsum([0, *(len(w) for w in waits)]).astype(np.int64)
    flat = np.array([w for ws in waits for w in ws], np.int32)
    start, end = _kernels.replay(
        np.array(eu, np.int32), np.array(cycles), np.array(ddr), offsets, flat, rate
    )
    return start.tolist(), end.tolist()


def test_replay_shares_the_ddr() -> None:
    # Two jobs that need 10 bytes a cycle each, of 10 there are: both take twice as long.
    assert _replay([0, 1], [100, 100], [1000, 1000], [[], []], 10.0) == ([0, 0], [200, 200])
    # One that needs 2 gets them; the other the 8 that are left, and all once it is alone.
    start, end = _replay([0, 1], [50, 100], [100, 1000], [[], []], 10.0)
    assert (start, end) == ([0, 0], [50, 110])
    # A job without DDR bytes is not slowed.
    assert _replay([0, 1, 2], [100, 100, 100], [1000, 1000, 0], [[]] * 3, 10.0)[1] == [
        200,
        200,
        100,
    ]


def test_replay_respects_queues_and_waits() -> None:
    start, end = _replay([0, 0, 1, 1], [10, 20, 30, 5], [0] * 4, [[], [], [0], [1]], 1.0)
    assert start == [0, 10, 10, 40]
    assert end == [10, 30, 40, 45]
    with pytest.raises(_kernels.ProgramError, match="deadlock: job 0 on unit 0"):
        _replay([0, 1], [1, 1], [0, 0], [[1], [0]], 1.0)


def test_encodes_fast() -> None:
    view = dense(Space.OCM, 0, (1, 32, 8, 8))
    jobs = [
        Job(2, 5, (view, view, view), (0, 0, 255), (i - 1,) if i else (), f"Add_{i}")
        for i in range(50_000)
    ]
    program = Program("AX650", "NPU1", list(EUS), jobs, ocm_bytes=4096)
    begin = time.perf_counter()
    code = program.encode()
    took = time.perf_counter() - begin
    _kernels.check_program(code)
    assert took < 3.0  # about 0.3 s on an idle machine
