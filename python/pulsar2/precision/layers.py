"""Which tensor of a quantized graph stands for which tensor of the float graph."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import Float32Type, ModuleOp
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, BlockArgument, Operation, SSAValue

from pulsar2.dialects.onnx import OnnxOp
from pulsar2.dialects.onnx.control_flow import used_values
from pulsar2.dialects.onnx.types import element_of, static_shape_of
from pulsar2.dialects.quant import CastOp, ConstantOp, DCastOp, QCastOp, RequantizeOp
from pulsar2.dialects.quant.types import UniformPerAxisType, UniformType, storage_name, uniform_of
from pulsar2.locations import node_name, tensor_name
from pulsar2.lowering.quant.constants import is_constant_like
from pulsar2.lowering.quant.layers import operators_of
from pulsar2.onnx_export import main_function, tensor_names
from pulsar2.onnx_import import INPUT_NAMES
from pulsar2.quant_axmodel.schema import ax_type

_CASTS = (QCastOp, DCastOp, RequantizeOp, CastOp)


@dataclass(frozen=True)
class Layer:
    """One operation of the quantized graph, and what it computes.

    `operator` and `kind` are its name and type; `tensor` is the name of the result in the quantized
    graph and `float_name` that of the float tensor it stands for, of shape `shape`; `sources` are
    the tensors of the quantized graph that it reads. `type` is how the result is quantized, None
    where it is not, and `data_type` its name. `weights` is how constant weights are stored, ''
    where it has none.
    """

    operator: str
    kind: str
    tensor: str
    float_name: str
    shape: tuple[int, ...]
    float_type: str
    type: UniformType | None
    data_type: str
    sources: tuple[str, ...]
    weights: str

    @property
    def has_weights(self) -> bool:
        """Whether the operation multiplies by constant weights."""
        return bool(self.weights)


@dataclass(frozen=True)
class Layers:
    """The layers that can be compared, in program order.

    `inputs` maps the tensors of the quantized graph that stand for the float graph's inputs to
    these; `floats` maps each tensor that can be compared, those included, to its float tensor.
    """

    layers: tuple[Layer, ...]
    inputs: Mapping[str, str]
    floats: Mapping[str, str]


def compared_layers(
    quantized: ModuleOp, names: Mapping[str, str], float_inputs: Collection[str]
) -> Layers:
    """The layers of a quantized module.

    `names` are those of `float_names`, and `float_inputs` the float graph's inputs. What prepares
    these at run time is no layer: the float graph has nothing like it.
    """
    function = main_function(quantized)
    block = function.body.block
    floats: dict[SSAValue, str] = {}
    arguments = tensor_names(function, INPUT_NAMES, "input", len(block.args))
    inputs: dict[str, str] = {}
    for name, argument in zip(arguments, block.args, strict=True):
        if name in names:
            floats[argument] = names[name]
            inputs[name] = names[name]
    layers: list[Layer] = []
    for op in block.ops:
        if is_constant_like(op) or isinstance(op, ReturnOp):
            continue
        for result in op.results:
            found = _float_of(result, names, floats)
            if found is None or not tensor_name(result) or static_shape_of(result.type) is None:
                continue
            floats[result] = found
            if found in float_inputs and not any(v in floats for v in op.operands):
                inputs[tensor_name(result)] = found
                continue
            layers.append(_layer(op, result, found))
    return Layers(tuple(layers), inputs, {_name(v, arguments): f for v, f in floats.items()})


def _name(value: SSAValue, arguments: Sequence[str]) -> str:
    if isinstance(value, BlockArgument):
        return arguments[value.index]
    return tensor_name(value)


def _float_of(
    value: SSAValue, names: Mapping[str, str], known: Mapping[SSAValue, str]
) -> str | None:
    """The float tensor that a result stands for: by its name, or by what casts change alone."""
    found = names.get(tensor_name(value))
    if found is not None:
        return found
    for use in value.uses:
        if isinstance(use.operation, _CASTS):
            found = names.get(tensor_name(use.operation.results[0]))
            if found is not None:
                return found
    owner = value.owner
    return known.get(owner.operands[0]) if isinstance(owner, _CASTS) else None


def _layer(op: Operation, result: SSAValue, float_name: str) -> Layer:
    type_ = uniform_of(result)
    kind = ax_type(op) or (op.op_type if isinstance(op, OnnxOp) else op.name)
    element = element_of(result.type)
    shape = static_shape_of(result.type)
    assert shape is not None
    read = [v for v in dict.fromkeys(used_values(op)) if not _is_constant(v)]
    stored = [
        v
        for v in op.operands
        if isinstance(v.owner, ConstantOp) and isinstance(element_of(v.type), _QUANTIZED)
    ]
    weights = next((type_name(element_of(v.type)) for v in stored), "")
    return Layer(
        node_name(op),
        kind,
        tensor_name(result),
        float_name,
        shape,
        "FP32" if type_ is not None else type_name(element),
        type_,
        type_name(element),
        tuple(filter(None, (tensor_name(v) for v in read))),
        weights,
    )


_QUANTIZED = (UniformType, UniformPerAxisType)


def _is_constant(value: SSAValue) -> bool:
    return isinstance(value.owner, Operation) and is_constant_like(value.owner)


def type_name(element: Attribute | None) -> str:
    """How users call an element type: U8, S16, FP32."""
    if isinstance(element, UniformType | UniformPerAxisType):
        return storage_name(element.storage).upper().replace("I", "S")
    if isinstance(element, Float32Type):
        return "FP32"
    text = str(element)
    return "BOOL" if text == "i1" else text.replace("si", "i").replace("i", "S").replace("uS", "U")


def float_names(before: ModuleOp, after: ModuleOp) -> dict[str, str]:
    """What the tensors of a calibrated module are called in that without its pre-processing.

    `before` is the float graph, and `after` the same one with operations in front of it, and
    behind it, for what comes in and goes out at run time.
    """
    old, new = main_function(before), main_function(after)
    pairs = list(_pairs(old, new))
    found: dict[str, str] = {}
    for first, second in pairs:
        for a, b in zip(first.results, second.results, strict=True):
            found[tensor_name(b)] = tensor_name(_numbers_of(a))
    arguments = tensor_names(old, INPUT_NAMES, "input", len(old.body.block.args))
    inputs = tensor_names(new, INPUT_NAMES, "input", len(new.body.block.args))
    places = dict(pairs)
    for name, argument in zip(arguments, old.body.block.args, strict=True):
        stands = name
        for use in argument.uses:
            other = places.get(use.operation) if isinstance(use.operation, OnnxOp) else None
            if other is not None:
                value = other.operands[use.index]
                if isinstance(value.owner, Operation):
                    stands = tensor_name(value)
                break
        else:
            stands = name if name in inputs else ""
        found[stands] = name
    found.pop("", None)
    return found


def _numbers_of(value: SSAValue) -> SSAValue:
    """The float tensor of the numbers that the quantized form of a tensor holds.

    In a graph that is quantized already that is what comes from the DequantizeLinear behind it: a
    QuantizeLinear may clip on purpose, in the place of a Relu.
    """
    readers = [use.operation for use in value.uses if isinstance(use.operation, OnnxOp)]
    if not isinstance(element_of(value.type), Float32Type):
        chosen = [r for r in readers if r.op_type == "DequantizeLinear"]
        return chosen[0].results[0] if chosen else value
    if readers and all(r.op_type == "QuantizeLinear" for r in readers):
        behind = _numbers_of(readers[0].results[0])
        return behind if isinstance(element_of(behind.type), Float32Type) else value
    return value


def _pairs(before: FuncOp, after: FuncOp) -> Iterator[tuple[OnnxOp, OnnxOp]]:
    """Each operator of `before` and the same one in `after`, which has others around them."""
    wanted = iter(operators_of(before))
    op = next(wanted, None)
    for other in operators_of(after):
        if op is None:
            return
        if (op.op_type, node_name(op)) == (other.op_type, node_name(other)):
            yield op, other
            op = next(wanted, None)
