"""C++ core of pulsar2: kernels, emulator, cost model, observers.

The docstrings of the extension module itself say what each function takes and raises.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
from typing_extensions import Buffer

_Array = npt.NDArray[Any]
_I32 = npt.NDArray[np.int32]
_I64 = npt.NDArray[np.int64]

class ProgramError(ValueError):
    """The bytes are not a valid program."""

class Finding:
    """One thing that is wrong with a schedule; see `sanitize`."""

    @property
    def kind(self) -> str: ...
    @property
    def job(self) -> int: ...
    @property
    def other(self) -> int: ...
    @property
    def space(self) -> str: ...
    @property
    def begin(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def is_note(self) -> bool: ...
    @property
    def message(self) -> str: ...

class JobCosts(TypedDict):
    """Arrays with one entry per job; see `job_costs`."""

    cycles: _I64
    compute_cycles: _I64
    port_cycles: _I64
    macs: _I64
    ddr_read: _I64
    ddr_write: _I64
    ddr_bytes: _I64

class Emulator:
    """A loaded program; `pulsar2.emulator` wraps it."""

    def __init__(self, program: Buffer, params: Buffer, threads: int = 1) -> None: ...
    def run(
        self,
        inputs: Sequence[_Array],
        outputs: Sequence[_Array],
        shuffle: int | None = None,
        profile: bool = False,
    ) -> None: ...
    def read(self, space: int, address: int, nbytes: int) -> bytes: ...
    @property
    def job_nanoseconds(self) -> _I64: ...
    @property
    def tensors(self) -> list[tuple[str, int, tuple[int, ...], bool]]: ...

class KernelState:
    """What a kernel keeps between calls for one job."""

    def __init__(self) -> None: ...

class MinMaxObserver:
    """The least and greatest of a stream of f32 numbers; mergeable."""

    def __init__(self) -> None: ...
    def observe(self, values: npt.NDArray[np.float32]) -> bool: ...
    def merge(self, other: MinMaxObserver) -> None: ...
    @property
    def count(self) -> int: ...
    @property
    def min(self) -> float: ...
    @property
    def max(self) -> float: ...

def program_version() -> int: ...
def check_program(data: Buffer) -> None: ...
def sanitize(program: Buffer, limit: int = 1000) -> list[Finding]: ...
def unit_kinds() -> dict[int, list[int]]: ...
def timing_keys() -> list[str]: ...
def job_costs(program: Buffer, timing: Mapping[str, float]) -> JobCosts: ...
def replay(
    eu: _I32,
    cycles: _I64,
    ddr_bytes: _I64,
    wait_offsets: _I64,
    waits: _I32,
    ddr_rate: float,
) -> tuple[_I64, _I64]: ...
def replay_program(program: Buffer, timing: Mapping[str, float]) -> tuple[_I64, _I64]: ...
def run_kernel(
    opcode: int,
    operands: Sequence[tuple[_Array, float, int]],
    params: Sequence[int | float],
    threads: int = 1,
    isa: str | None = None,
    state: KernelState | None = None,
) -> None: ...
def kernel_table() -> list[
    tuple[int, str, list[tuple[str, bool, bool]], list[tuple[str, bool]]]
]: ...
def supported_isas() -> list[str]: ...
def evaluate_function(
    name: str, x: npt.NDArray[np.float32], y: npt.NDArray[np.float32] | None = None
) -> npt.NDArray[np.float64]: ...
