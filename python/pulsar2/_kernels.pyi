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

    def __init__(
        self, program: Buffer, params: Buffer | npt.NDArray[np.uint8], threads: int = 1
    ) -> None: ...
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

class TensorObserver:
    """What is kept of a stream of f32 tensors."""

class MinMaxObserver(TensorObserver):
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

class ChannelObserver(TensorObserver):
    """The greatest magnitude of each channel of a stream of f32 tensors [.., channels, inner]."""

    def __init__(self, channels: int, inner: int) -> None: ...
    def observe(self, values: npt.NDArray[np.float32]) -> bool: ...
    def merge(self, other: ChannelObserver) -> None: ...
    @property
    def maxima(self) -> npt.NDArray[np.float32]: ...

class HistogramObserver(TensorObserver):
    """Counts of f32 numbers in bins of equal width; mergeable."""

    def __init__(self) -> None: ...
    def observe(self, values: npt.NDArray[np.float32], isa: str | None = None) -> bool: ...
    def merge(self, other: HistogramObserver) -> None: ...
    def forget_zeros(self, count: int) -> None: ...
    def percentile_range(self, fraction: float) -> tuple[float, float]: ...
    def mse_range(self, levels: int) -> tuple[float, float]: ...
    def kl_range(self, levels: int) -> tuple[float, float]: ...
    @property
    def count(self) -> int: ...
    @property
    def min(self) -> float: ...
    @property
    def max(self) -> float: ...
    @property
    def exponent(self) -> int: ...
    @property
    def counts(self) -> npt.NDArray[np.int64]: ...

class ObserverSet:
    """Observers of the tensors of a model, and the sizes of these."""

    def __init__(self, observers: Sequence[TensorObserver], sizes: Sequence[int]) -> None: ...
    def observe(self, index: int, values: npt.NDArray[np.float32]) -> int: ...
    @property
    def address(self) -> int: ...

class ScaleReader:
    """A sum of products that reads an activation, for a search."""

    def __init__(
        self,
        x: npt.NDArray[np.float32],
        weight: npt.NDArray[np.float32],
        bias: npt.NDArray[np.float32] | None,
        scales: npt.NDArray[np.float32],
        bounds: tuple[float, float],
        weight_limit: int,
    ) -> None: ...
    @property
    def scales(self) -> npt.NDArray[np.float32]: ...

def search_scales(
    readers: Sequence[ScaleReader],
    range: tuple[float, float],
    integers: tuple[int, int],
    *,
    fixed_range: bool,
    exact_input: bool,
    own_error: bool,
    rounds: int,
) -> tuple[float, float]: ...
def program_version() -> int: ...
def check_program(data: Buffer) -> None: ...
def sanitize(program: Buffer, limit: int = 1000) -> list[Finding]: ...
def unit_kinds() -> dict[int, list[int]]: ...
def timing_keys() -> list[str]: ...
def job_costs(program: Buffer, timing: Mapping[str, float]) -> JobCosts: ...
def assign_offsets(
    begins: _I64, ends: _I64, sizes: _I64, capacity: int, effort: int
) -> _I64 | None: ...
def conflict_waits(
    of_job: _I64,
    keys: _I64,
    addresses: _I64,
    itemsizes: _I64,
    writes: _I64,
    of_access: _I64,
    shapes: _I64,
    strides: _I64,
    buffers: _I64,
    lows: _I64,
    highs: _I64,
) -> tuple[_I64, _I32]: ...
def prune_waits(queues: _I32, offsets: _I64, waits: _I32) -> tuple[_I64, _I32]: ...
def assign_units(
    kinds: _I32,
    cycles: _I64,
    ddr_bytes: _I64,
    wait_offsets: _I64,
    waits: _I32,
    units: _I32,
    ddr_rate: float,
    effort: int,
) -> tuple[_I32, _I32, _I64, _I64, list[tuple[str, int]]]: ...
def order_jobs(
    kinds: _I32,
    cycles: _I64,
    ddr_bytes: _I64,
    wait_offsets: _I64,
    waits: _I32,
    units: _I32,
    ddr_rate: float,
    sizes: _I64,
    use_offsets: _I64,
    uses: _I32,
    limit: int,
    not_before: _I32,
    priority: _I64,
) -> tuple[_I32, _I32, _I64, _I64]: ...
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
