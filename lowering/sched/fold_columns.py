"""`sched-fold-columns`: convolutions of few channels compute several columns at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp
from xdsl.rewriter import Rewriter

from pulsar2.context import AxContext
from pulsar2.dialects.sched.attrs import EuKind, Space
from pulsar2.dialects.sched.job import LayerOp
from pulsar2.dialects.sched.program import ProgramOp
from pulsar2.lowering.analysis.fold import foldings
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.sched.folded_conv import Part
from pulsar2.lowering.sched.plan_tiles import machine_of
from pulsar2.lowering.sched.units import preferred_unit
from pulsar2.targets import load_target
from pulsar2.timing import work_costs
from pulsar2.weights import WeightStore

_WORTH = 0.95
"""What folding has to leave of the time at most, to be done."""
_JOBS = 32
"""Jobs that a layer becomes at most, for all that is known before it is cut."""


@dataclass(frozen=True)
class SchedFoldColumns(AxPass):
    """Lets convolutions of few channels compute neighbouring columns of the output side by side.

    The pixels of a row lie one after another, channel by channel, so p of them are one pixel of p
    times the channels. A convolution with p copies of the filters, each at its own column of a
    wider kernel and zero elsewhere, computes the same sums, and fills more of the multiplier array.
    Columns of the input may be taken together too, where their channels leave input lanes idle; and
    where no two columns of the output read the same input, they may be groups, without zeros
    between. Output channels beyond a multiple of the lanes may be folded apart from the others.

    The way of least time is taken, the loading of the larger weights counted in. Channels are
    folded apart where the conv units have more to do than any other class of units, since that
    takes jobs and copies; these count, and the input, if it does not fit into OCM. Where other
    bytes lie between the pixels, as in the operand of a concatenation, or beside other channels,
    the convolution writes a buffer of its own, and a copy brings it there.

    Needs: layers whose places are not decided. Leaves: the same, over fewer and deeper pixels.

    ```
    sched.layer "conv"(%x, %w, %y, ..) [.., <ui8 [1, 8, 64, 64] : ..>, ..] <stride_w = 1, ..>
    // becomes
    sched.layer "conv"(%x, %w4, %y, ..) [.., <ui8 [1, 32, 64, 16] : ..>, ..] <stride_w = 4, ..>
    ```
    """

    name = "sched-fold-columns"

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        for op in module.ops:
            if isinstance(op, ProgramOp):
                _fold_program(op, ctx.weights)


def _fold_program(program: ProgramOp, weights: WeightStore) -> None:
    layers = [op for op in program.body.block.ops if isinstance(op, LayerOp)]
    costs = _Costs(program, [layer for layer in layers if _may_fold(layer)])
    chosen = {layer: costs.fastest(ways) for layer, ways in costs.ways.items()}
    if costs.waits_for_conv(layers, chosen):
        chosen = {
            layer: costs.fastest([chosen[layer], *costs.split[layer]]) for layer in costs.ways
        }
    for layer, way in chosen.items():
        if way != costs.ways[layer][0]:
            Rewriter.replace_op(layer, [op for part in way for op in part.build(weights)], [])
    for buffer in list(program.buffers()):
        if buffer.where is Space.PARAM and buffer.result.first_use is None:
            buffer.detach()
            buffer.erase()


def _may_fold(layer: LayerOp) -> bool:
    """Whether the layer is a convolution whose output's channels lie side by side."""
    if layer.kernel.data != "conv" or layer.tiling is not None:
        return False
    y = layer.view(2)
    item = y.element.itemsize
    return (
        layer.buffer(1).where is Space.PARAM
        and dict(layer.params.data)["dil_w"] == 1
        and y.shape[3] > 1
        and y.strides[1] == item
        and y.strides[3] >= y.shape[1] * item
    )


Way = tuple[Part, ...]
"""A convolution in parts, which together have all of its output channels."""


class _Costs:
    """The ways to compute convolutions of a program, and their cycles.

    `ways` of each are as it is and folded, `split` those in two parts of which the second is
    folded.
    """

    def __init__(self, program: ProgramOp, layers: Sequence[LayerOp]):
        self._target = load_target(program.target.data)
        self._units = self._target.mode(program.npu_mode.data).units
        self._machine = machine_of(program, self._target)
        self.ways = {layer: self._ways(layer) for layer in layers}
        self.split = {layer: self._split(layer) for layer in layers}
        tried = [way for each in (self.ways, self.split) for ways in each.values() for way in ways]
        self._cycles = self._measure(list(dict.fromkeys(part for way in tried for part in way)))

    def _ways(self, layer: LayerOp) -> list[Way]:
        whole = Part(layer, (0, layer.view(2).shape[1]))
        return [(whole,), *((part,) for part in self._folded(whole))]

    def _split(self, layer: LayerOp) -> list[Way]:
        lanes, channels = self._machine.lanes_out, layer.view(2).shape[1]
        rest = channels % lanes
        if channels < lanes or not 0 < rest <= lanes // 2 or dict(layer.params.data)["group"] != 1:
            return []
        full, others = Part(layer, (0, channels - rest)), Part(layer, (channels - rest, channels))
        return [(full, part) for part in self._folded(others)]

    def _folded(self, part: Part) -> Iterator[Part]:
        lanes_in = int(self._target.timing["conv_lanes_in"])
        lanes_out = self._machine.lanes_out
        for fold in foldings(part.rows, lanes_in, lanes_out, merges=part.merges):
            yield Part(part.layer, part.channels, fold)

    def _measure(self, parts: Sequence[Part]) -> dict[Part, float]:
        """Cycles of parts on all units of their classes, and of their weights' way from DDR."""
        copied = [part for part in parts if part.is_copied]
        layers = [LayerOp("conv", p.layer.buffer_list, p.views(), p.params) for p in parts]
        layers += [LayerOp("copy", [p.layer.buffer(2)] * 2, [p.own, p.target]) for p in copied]
        kinds = [EuKind.CONV] * len(parts) + [EuKind.CV] * len(copied)
        costs = work_costs(layers, kinds, self._target)
        cycles: dict[Part, float] = {}
        for part, layer, cost in zip(parts, layers, costs, strict=False):
            loading = layer.view(1).nbytes / self._machine.ddr_rate
            cycles[part] = cost.compute / self._units["conv"] + loading
        for part, cost in zip(copied, costs[len(parts) :], strict=True):
            cycles[part] += cost.cycles / self._units["cv"]
        for layer in layers:
            layer.erase()
        return cycles

    def fastest(self, ways: Sequence[Way]) -> Way:
        """The first of the ways, unless another is clearly faster."""
        least = min(ways, key=self._time)
        return least if self._time(least) < _WORTH * self._time(ways[0]) else ways[0]

    def _time(self, way: Way) -> float:
        """Cycles of the parts, and of reading the input once more for each but the first."""
        x, _, y = way[0].layer.view_list[:3]
        again = min(y.shape[2], _JOBS) * self._machine.launch / self._units["conv"]
        if x.nbytes + y.nbytes > self._machine.ocm_bytes:
            again += x.nbytes / self._machine.ddr_rate
        return sum(self._cycles[part] for part in way) + (len(way) - 1) * again

    def waits_for_conv(self, layers: Sequence[LayerOp], chosen: Mapping[LayerOp, Way]) -> bool:
        """Whether the conv units have more to do than any other class of units."""
        kinds = [preferred_unit(layer) for layer in layers]
        busy = dict.fromkeys(self._units, 0.0)
        for layer, kind, cost in zip(
            layers, kinds, work_costs(layers, kinds, self._target), strict=True
        ):
            way = chosen.get(layer)
            busy[kind.value] += (
                cost.compute / self._units[kind.value] if way is None else self._time(way)
            )
        return max(busy, key=lambda unit: busy[unit]) == "conv"
