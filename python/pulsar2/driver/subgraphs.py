"""`compiler.sub_configs`: subgraphs with options of their own, and what is in force in each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from xdsl.dialects.builtin import IntegerAttr, ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp

from pulsar2.axmodel import CompiledModel, TensorInfo
from pulsar2.config.compiler import CompilerConfig
from pulsar2.driver.container import link
from pulsar2.driver.part import NpuPart, Part
from pulsar2.lowering.quant.partition import NPU, RANGE_INDEX, TensorRange, device_of
from pulsar2.program import IO, NUMPY_DTYPES


@dataclass
class SubgraphOptions:
    """The options in force in each NPU subgraph, once the subgraphs are known.

    `functions` are the quantized functions of the subgraphs that are checked, as modules.
    """

    config: CompilerConfig
    by_name: dict[str, CompilerConfig] = field(default_factory=dict[str, CompilerConfig])
    functions: dict[str, ModuleOp] = field(default_factory=dict[str, ModuleOp])

    @property
    def ranges(self) -> list[TensorRange]:
        """The subgraphs that the configuration asks for."""
        return [
            TensorRange(
                tuple(sub.start_tensor_names),
                tuple(sub.end_tensor_names),
                sub.enable_slice_mode if "enable_slice_mode" in sub.model_fields_set else None,
                sub.ddr_bw_limit if "ddr_bw_limit" in sub.model_fields_set else None,
                sub.enable_tile_mode if "enable_tile_mode" in sub.model_fields_set else None,
            )
            for sub in self.config.sub_configs
        ]

    def take(self, module: ModuleOp) -> None:
        """Looks at the subgraphs of a partitioned module."""
        self.functions.clear()
        for function in module.ops:
            if not isinstance(function, FuncOp) or function.sym_visibility is None:
                continue
            if device_of(function) != NPU:
                continue
            name = function.sym_name.data
            index = function.attributes.get(RANGE_INDEX)
            self.by_name[name] = self.config
            if isinstance(index, IntegerAttr):
                sub = self.config.sub_configs[index.value.data]
                self.by_name[name] = self.config.of_subgraph(sub)
            if self.config.sub_configs and self.by_name[name].check:
                self.functions[name] = _alone(function)

    def with_traces(self) -> set[str]:
        """The names of the subgraphs whose schedule is written down."""
        return {name for name, config in self.by_name.items() if config.npu_perf}


def _alone(function: FuncOp) -> ModuleOp:
    """A module in which `function` is the whole model."""
    copy = function.clone()
    copy.sym_name = StringAttr("main")
    copy.sym_visibility = None
    for key in [k for k in copy.attributes if k.startswith("ax.") and not k.endswith("_names")]:
        del copy.attributes[key]
    return ModuleOp([copy])


def models_of(part: Part) -> Iterator[tuple[str, CompiledModel]]:
    """Each NPU subgraph of a part as a model by itself, whose tensors are the subgraph's."""
    for each in part.subgraphs:
        if isinstance(each, NpuPart):
            ios = each.program.program.ios
            alone = replace(
                part,
                subgraphs=(each,),
                aliases=(),
                inputs=tuple(_tensor(io) for io in ios if not io.is_output),
                outputs=tuple(_tensor(io) for io in ios if io.is_output),
            )
            yield each.name, link([{1: alone}]).model


def _tensor(io: IO) -> TensorInfo:
    return TensorInfo(io.name, NUMPY_DTYPES[io.dtype], io.shape)
