"""Runs programs of the virtual NPU, bit for bit, on the host.

The work is done by the C++ core (`pulsar2._kernels.Emulator`); this gives it names, shapes and
types, and tells a caller plainly what does not fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pulsar2.diagnostics import Diagnostics, nearest
from pulsar2.program import NUMPY_DTYPES, DType, Space

AnyArray = npt.NDArray[np.generic]


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of a program: packed, row-major."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]


class Emulator:
    """A loaded program.

    `program` are the bytes of a program, `params` those of its parameter segment. The program stays
    loaded from run to run, and so do weights that kernels have repacked. With `threads` > 1,
    independent jobs and the loops of large ones share that many threads; results are the same.

    Raises `pulsar2._kernels.ProgramError` (a ValueError) when the bytes are not a valid program, or
    the parameters not of its size.
    """

    def __init__(self, program: bytes, params: bytes | npt.NDArray[np.uint8], threads: int = 1):
        from pulsar2 import _kernels

        self._core = _kernels.Emulator(program, params, threads)
        tensors = [
            (TensorInfo(name, tuple(shape), NUMPY_DTYPES[DType(dtype)]), is_output)
            for name, dtype, shape, is_output in self._core.tensors
        ]
        self.inputs: tuple[TensorInfo, ...] = tuple(t for t, is_output in tensors if not is_output)
        self.outputs: tuple[TensorInfo, ...] = tuple(t for t, is_output in tensors if is_output)

    def run(
        self, inputs: Mapping[str, AnyArray], *, order: int | None = None, profile: bool = False
    ) -> dict[str, AnyArray]:
        """Runs the program on arrays by input name; arrays by output name.

        `order` seeds a random order of the jobs among those that queues and waits allow; without it
        they run in the program's order. `profile` adds up the wall-clock time of each job. Raises
        `UserError` when an input is missing, unknown, or not of the right shape and type.
        """
        sources = self._check(inputs)
        results = [np.empty(t.shape, t.dtype) for t in self.outputs]
        self._core.run(sources, results, order, profile)
        return {t.name: array for t, array in zip(self.outputs, results, strict=True)}

    def read(self, space: Space, address: int, nbytes: int) -> bytes:
        """Bytes of a space as the last run left them."""
        return self._core.read(int(space), address, nbytes)

    @property
    def job_nanoseconds(self) -> npt.NDArray[np.int64]:
        """Wall-clock time of each job, summed over the profiled runs; empty before the first."""
        return self._core.job_nanoseconds

    def _check(self, inputs: Mapping[str, AnyArray]) -> list[AnyArray]:
        problems = Diagnostics()
        names = [t.name for t in self.inputs]
        for name in inputs:
            if name not in names:
                hint = nearest(name, names)
                accepted = f"inputs: {', '.join(names)}"
                problems.error(
                    f"there is no input '{name}'",
                    accepted=f"{accepted}; {hint}" if hint else accepted,
                )
        sources: list[AnyArray] = []
        for tensor in self.inputs:
            array = inputs.get(tensor.name)
            if array is None:
                problems.error(f"input '{tensor.name}' is missing")
                continue
            if array.dtype != tensor.dtype or array.shape != tensor.shape:
                problems.error(
                    f"input '{tensor.name}' is {array.dtype}{list(array.shape)}",
                    accepted=f"expected {tensor.dtype}{list(tensor.shape)}",
                )
                continue
            sources.append(np.ascontiguousarray(array))
        problems.raise_if_any()
        return sources
