"""Quantized types: their text gives back the same f32 bits, and their verifier refuses nonsense."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from xdsl.parser import Parser
from xdsl.utils.exceptions import ParseError, VerifyException

from pulsar2.context import make_context
from pulsar2.dialects.quant.types import (
    STORAGE_TYPES,
    UniformPerAxisType,
    UniformType,
    f32_text,
    storage_range,
)

POSITIVE = st.floats(
    min_value=float(np.finfo(np.float32).tiny) / 2**20,
    max_value=float(np.finfo(np.float32).max),
    width=32,
    allow_subnormal=True,
    exclude_min=False,
).filter(lambda v: v > 0)


@given(POSITIVE)
def test_f32_text_reads_back(value: float) -> None:
    text = f32_text(value)
    assert "." in text
    assert np.float32(float(text)) == np.float32(value)


def reparsed(text: str) -> object:
    ctx = make_context()
    ctx.load_registered_dialect("quant")
    return Parser(ctx, text).parse_type()


@given(POSITIVE, st.sampled_from(sorted(STORAGE_TYPES)), st.data())
def test_uniform_type_round_trip(scale: float, storage: str, data: st.DataObject) -> None:
    low, high = storage_range(STORAGE_TYPES[storage])
    type_ = UniformType(storage, scale, data.draw(st.integers(low, high)))
    assert reparsed(str(type_)) == type_


@given(
    st.lists(POSITIVE, min_size=1, max_size=70),
    st.sampled_from(["i8", "u8", "i4"]),
    st.integers(0, 3),
    st.data(),
)
def test_per_axis_type_round_trip(
    scales: list[float], storage: str, axis: int, data: st.DataObject
) -> None:
    low, high = storage_range(STORAGE_TYPES[storage])
    points = [data.draw(st.integers(low, high)) for _ in scales]
    ctx = make_context()
    type_ = UniformPerAxisType.of(storage, axis, scales, points, ctx.weights)
    again = reparsed(str(type_))
    assert again == type_
    assert isinstance(again, UniformPerAxisType)
    np.testing.assert_array_equal(again.scales(ctx.weights), np.float32(scales))
    np.testing.assert_array_equal(again.zero_points(ctx.weights), points)
    assert again.on_axis(axis + 1).axis == axis + 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("!quant.uniform<u8:f32, 0.0>", "positive finite"),
        ("!quant.uniform<u8:f32, -1.0>", "positive finite"),
        ("!quant.uniform<u8:f32, 1.0:256>", "outside u8's range"),
        ("!quant.uniform<i8:f32, 1.0:-129>", "outside i8's range"),
        ("!quant.uniform<i8:f32:0, {1.0, 0.0}>", "positive finite"),
        ("!quant.uniform<i8:f32:0, {}>", "1 to 64 scales"),
        ("!quant.uniform<i8:f32:-1, {1.0}>", "axis is 0 or more"),
        (
            '!quant.uniform<i8:f32:0, #ax.weight<"000102030405060708090a0b0c0d0e0f", '
            "tensor<2x2xf32>>>",
            "the scales are a tensor<?xf32>",
        ),
    ],
)
def test_nonsense_is_refused(text: str, message: str) -> None:
    with pytest.raises((VerifyException, ParseError), match=message.replace("?", r"\?")):
        reparsed(text)


def test_unknown_storage_is_refused() -> None:
    with pytest.raises(ParseError, match="'f8' is not one of"):
        reparsed("!quant.uniform<f8:f32, 1.0>")
