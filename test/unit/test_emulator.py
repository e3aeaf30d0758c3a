"""The emulator as Python sees it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from program_maker import TENG, add_program, dense

from pulsar2 import _kernels
from pulsar2.diagnostics import UserError
from pulsar2.emulator import Emulator
from pulsar2.program import OPCODES, Job, Space

X = np.arange(64, dtype=np.uint8).reshape(1, 64)
P = np.arange(0, 192, 3, dtype=np.uint8)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("order", [None, 1, 2])
def test_runs(threads: int, order: int | None) -> None:
    emulator = Emulator(add_program().encode(), P, threads)
    assert [(t.name, t.shape, t.dtype) for t in emulator.inputs] == [("x", (1, 64), np.uint8)]
    for step in range(3):
        x = X + np.uint8(step)
        y = emulator.run({"x": x}, order=order)["y"]
        expected = np.minimum(x[0].astype(int) + P, 255)
        np.testing.assert_array_equal(y[0], expected)
    assert emulator.read(Space.OCM, 64, 64) == P.tobytes()
    assert not len(emulator.job_nanoseconds)


def test_profiles() -> None:
    emulator = Emulator(add_program().encode(), P)
    emulator.run({"x": X}, profile=True)
    assert emulator.job_nanoseconds.shape == (4,)
    assert emulator.job_nanoseconds.min() >= 0


def test_refuses_wrong_inputs() -> None:
    emulator = Emulator(add_program().encode(), P)
    with pytest.raises(UserError, match=r"no input 'xx'.*did you mean 'x'.*\n.*'x' is missing"):
        emulator.run({"xx": X})
    with pytest.raises(UserError, match=r"'x' is int16\[1, 64\] \(expected uint8\[1, 64\]\)"):
        emulator.run({"x": X.astype(np.int16)})


def test_refuses_wrong_parameters_and_spaces() -> None:
    code = add_program().encode()
    with pytest.raises(_kernels.ProgramError, match="64 bytes of parameters, got 3"):
        Emulator(code, b"abc")
    emulator = Emulator(code, P)
    with pytest.raises(ValueError, match="outside"):
        emulator.read(Space.OCM, 4090, 64)


@pytest.mark.parametrize("threads", [1, 2])
def test_names_the_job_whose_operands_do_not_fit(threads: int) -> None:
    program = add_program()
    wrong = Job(
        TENG,
        OPCODES["softmax"].code,
        (dense(Space.OCM, 0, (4, 4)), dense(Space.OCM, 256, (4, 4))),
        (7,),
        (1,),
        "bad_axis",
    )
    program = dataclasses.replace(program, jobs=[*program.jobs, wrong])
    with pytest.raises(_kernels.ProgramError, match=r"job 4 \(bad_axis\) on teng2: softmax"):
        Emulator(program.encode(), P, threads).run({"x": X})
