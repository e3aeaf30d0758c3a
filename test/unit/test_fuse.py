"""Slices of fused layers: every row is computed once, in time, and held as long as it is needed."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pulsar2.lowering.analysis.fuse import FusedLayer, plan_slices, plan_strips


def conv(tensor: int, result: int, height: int, kernel: int, stride: int) -> FusedLayer:
    """A convolution of a square image."""
    pad = kernel // 2
    out = (height + 2 * pad - kernel) // stride + 1
    params: dict[str, int | float] = {
        "stride_h": stride,
        "stride_w": stride,
        "pad_top": pad,
        "pad_left": pad,
        "dil_h": 1,
        "dil_w": 1,
        "group": 1,
        "bias_mode": 0,
        "has_wzp": 0,
        "has_sums": 0,
        "clamp_lo": 0,
        "clamp_hi": 255,
    }
    shapes = ((1, 4, height, height), (4, 4, kernel, kernel), (1, 4, out, out), (4,))
    return FusedLayer("conv", shapes, (tensor, -1, result, -1), params, 2)


def draw_chain(data: st.DataObject) -> list[FusedLayer]:
    height = data.draw(st.integers(6, 30))
    layers: list[FusedLayer] = []
    for index in range(data.draw(st.integers(2, 4))):
        kernel = data.draw(st.sampled_from([1, 3, 5]))
        stride = data.draw(st.sampled_from([1, 1, 2]))
        if height < kernel:
            break
        layers.append(conv(index, index + 1, height, kernel, stride))
        height = layers[-1].height
    return layers


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_rows_are_computed_once_and_held_while_needed(data: st.DataObject) -> None:
    layers = draw_chain(data)
    inner = frozenset(layer.result for layer in layers[:-1])
    tiles = data.draw(st.integers(1, layers[-1].height))
    slices = plan_slices(layers, inner, tiles)
    for index, layer in enumerate(layers):
        rows = [r for s in slices for r in range(*s.computed[index])]
        if layer.result not in inner:
            assert rows == list(range(layer.height))
        else:
            # Rows that no window reaches need not be computed.
            assert rows == list(range(len(rows)))
            assert len(rows) <= layer.height
    for number, each in enumerate(slices):
        for index, layer in enumerate(layers):
            begin, end = each.computed[index]
            if begin == end or layer.tensors[0] not in inner:
                continue
            need = layer.input_rows(0, (begin, end))
            held = each.held[layer.tensors[0]]
            assert held[0] <= need[0]
            assert need[1] <= held[1]
            # What is held and was not computed now was held before.
            fresh = each.computed[index - 1]
            if held[0] < fresh[0]:
                before = slices[number - 1].held[layer.tensors[0]]
                assert before[0] <= held[0]
                assert before[1] == fresh[0]


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_strips_cover_the_result_and_hold_what_they_read(data: st.DataObject) -> None:
    layers = draw_chain(data)
    inner = frozenset(layer.result for layer in layers[:-1])
    strips = plan_strips(layers, inner, data.draw(st.integers(1, layers[-1].width)))
    columns = [c for strip in strips for c in range(*strip.computed[-1])]
    assert columns == list(range(layers[-1].width))
    for strip in strips:
        for index, layer in enumerate(layers[1:], start=1):
            need = layer.input_columns(0, strip.computed[index])
            held = strip.held[layer.tensors[0]]
            assert held[0] <= need[0]
            assert need[1] <= held[1]
            assert held == strip.computed[index - 1]


@given(st.integers(1, 8), st.integers(1, 5))
def test_folded_columns_are_columns_of_the_tensor(columns: int, ratio: int) -> None:
    folded = FusedLayer("unary", ((1, 4, 6, columns * ratio),) * 2, (0, 1), {}, 1, (ratio, 1))
    for end in range(1, columns * ratio + 1):
        held = folded.of_tensor(0, (0, end))
        assert folded.of_view(0, held)[1] >= end
        assert folded.of_view(0, (held[0], held[1] - 1))[1] < end
