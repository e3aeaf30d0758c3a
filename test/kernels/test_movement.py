"""Operations that move bytes: copy and fill."""

from __future__ import annotations

import numpy as np
import pytest
from golden import Operand
from harness import (
    BOOL,
    F16,
    F32,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    check,
    fill_random,
    seeds,
    shapes,
    strided,
)
from hypothesis import given
from hypothesis import strategies as st

ANY = [U8, I8, U16, I16, I32, U32, I64, F16, F32, BOOL]


@given(shape=shapes(0, 6, 7), dtype=st.sampled_from(ANY), reverse=st.booleans(), seed=seeds)
def test_copy(shape, dtype, reverse, seed):
    rng = np.random.default_rng(seed)
    x = fill_random(rng, strided(rng, shape, dtype))
    if reverse and shape:
        x = x[::-1]
    check("copy", [Operand(x), Operand(strided(rng, shape, dtype))], [], seed)


@pytest.mark.parametrize("dtype", [U8, U16, F32])
@pytest.mark.parametrize("shape", [(3, 40, 50), (70, 33, 31), (1, 224, 224)])
def test_copy_to_and_from_channels_last(shape, dtype):
    rng = np.random.default_rng(7)
    planar = fill_random(rng, np.zeros(shape, dtype))
    pixels = np.zeros((*shape[1:], shape[0] + 5), dtype)[..., : shape[0]].transpose(2, 0, 1)
    check("copy", [Operand(planar), Operand(pixels)], [])
    pixels[...] = planar
    check("copy", [Operand(pixels), Operand(np.zeros(shape, dtype))], [])


def test_copy_of_a_broadcast():
    x = np.broadcast_to(np.arange(7, dtype=np.uint8)[:, None], (7, 9))
    check("copy", [Operand(x), Operand(np.zeros((7, 9), np.uint8))], [])


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        (U8, 255),
        (I8, -128),
        (U16, 65535),
        (I16, -5),
        (I32, -7),
        (U32, 9),
        (I64, -3),
        (BOOL, 1),
        (F32, 1.5),
        (F16, 0x3C00),
    ],
)
@given(shape=shapes(0, 6), seed=seeds)
def test_fill(dtype, value, shape, seed):
    rng = np.random.default_rng(seed)
    check("fill", [Operand(strided(rng, shape, dtype))], [value], seed)
