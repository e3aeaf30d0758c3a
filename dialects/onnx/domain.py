"""Operators of the domain `ai.pulsar2`: those that the chips have and ONNX has not.

Each has an ONNX schema (which its verifier and the importer go by), its result type, a numpy
definition, and a form in ONNX's own operators, in which it is exported: any runtime executes it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
import onnx.helper
from onnx.defs import OpSchema
from xdsl.dialects.builtin import i64
from xdsl.ir import SSAValue, TypeAttribute
from xdsl.utils.exceptions import VerifyException

from pulsar2.dialects.onnx.op import PURE, Attr, Input, OnnxOp
from pulsar2.dialects.onnx.schema import OpSpec, spec_of
from pulsar2.dialects.onnx.types import element_of, static_shape_of, tensor_type

if TYPE_CHECKING:
    from pulsar2.dialects.onnx.builder import OpBuilder

Array = npt.NDArray[Any]

DOMAIN = "ai.pulsar2"
VERSION = 1
"""The domain, and the only version of it."""

_FLOAT = {"T": ["tensor(float)"]}


def _schema(
    name: str,
    doc: str,
    inputs: dict[str, str],
    types: dict[str, list[str]],
    attributes: dict[str, Any],
) -> OpSchema:
    """A schema of one output of type `T`. An attribute is given by its default.

    One whose default is a Python type has none, and is required (`list`: of integers).
    """
    parameter = OpSchema.FormalParameter
    made: list[OpSchema.Attribute] = []
    for attribute, default in attributes.items():
        if default is list:
            kind = OpSchema.AttrType.INTS
            made.append(OpSchema.Attribute(attribute, kind, "", required=True))
        else:
            proto = onnx.helper.make_attribute(attribute, default)
            made.append(OpSchema.Attribute(attribute, proto, ""))
    return OpSchema(
        name,
        DOMAIN,
        VERSION,
        doc,
        inputs=[parameter(n, t) for n, t in inputs.items()],
        outputs=[parameter("Y", "T")],
        type_constraints=[(n, t, "") for n, t in types.items()],
        attributes=made,
    )


class DomainOp(OnnxOp):
    """An operator of `ai.pulsar2`."""

    name = ""
    own = True
    traits = PURE
    schema: ClassVar[OpSchema]

    @classmethod
    def spec(cls) -> OpSpec:
        return spec_of(cls.schema)

    @abstractmethod
    def result_shape(self, shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
        """The shape of the result for operands of these shapes; ValueError where they misfit."""

    @abstractmethod
    def compute(self, operands: Sequence[Array]) -> Array:
        """The result, f32, for operands as arrays: what the operator means."""

    def own_types(self) -> Sequence[TypeAttribute]:
        element = element_of(self.operands[0].type)
        shapes = [static_shape_of(v.type) for v in self.operands]
        result = self.results[0].type
        known = [s for s in shapes if s is not None]
        if len(known) < len(shapes) or not isinstance(element, TypeAttribute):
            return [result] if isinstance(result, TypeAttribute) else []
        return [tensor_type(element, self.result_shape(known))]

    def verify_structure(self) -> None:
        shapes = [static_shape_of(v.type) for v in self.operands]
        known = [s for s in shapes if s is not None]
        if len(known) < len(shapes):
            return
        try:
            wanted = self.result_shape(known)
        except ValueError as error:
            raise VerifyException(f"{self.name} {error}") from None
        got = static_shape_of(self.results[0].type)
        if got is not None and got != wanted:
            raise VerifyException(f"{self.name} has a result of {list(wanted)}, not {list(got)}")


def _expect(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


class SpatialTransformer(DomainOp):
    """Samples pictures X [N, C, H, W] on a grid that theta [N, 2, 3] maps: a spatial transformer.

    ```
    %y = onnx.SpatialTransformer(%x, %theta) {output_size = array<i64: 8, 8>}
         : (tensor<1x3x16x16xf32>, tensor<1x2x3xf32>) -> tensor<1x3x8x8xf32>
    ```

    Y [N, C, output_size] is `GridSample(X, AffineGrid(theta, ..))` of ONNX, with `border_value`
    outside of the picture; `interpolation` is `bilinear` or `nearest`.
    """

    name = "onnx.SpatialTransformer"
    op_type = "SpatialTransformer"
    schema = _schema(
        "SpatialTransformer",
        "Samples X [N, C, H, W] on the grid that theta [N, 2, 3] maps.",
        {"X": "T", "theta": "T"},
        _FLOAT,
        {
            "output_size": list,
            "interpolation": "bilinear",
            "border_value": 0.0,
            "align_corners": 0,
        },
    )

    x = Input(0)
    theta = Input(1)
    output_size = Attr[tuple[int, ...]]("output_size")
    interpolation = Attr[str]("interpolation")
    border_value = Attr[float]("border_value")
    align_corners = Attr[int]("align_corners")

    def result_shape(self, shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
        x, theta = shapes
        _expect(len(x) == 4, f"takes pictures of 4 dimensions, got {list(x)}")
        _expect(theta == (x[0], 2, 3), f"takes a theta of [{x[0]}, 2, 3], got {list(theta)}")
        size = self.output_size
        _expect(len(size) == 2 and min(size) > 0, f"has an output_size of {list(size)}")
        _expect(
            self.interpolation in ("bilinear", "nearest"),
            f"has the interpolation '{self.interpolation}' (one of bilinear, nearest)",
        )
        return (*x[:2], *size)

    def expansion(self, builder: OpBuilder) -> SSAValue:
        shape = static_shape_of(self.x.type)
        assert shape is not None
        size = builder.constant(np.array([*shape[:2], *self.output_size], np.int64))
        corners = {"align_corners": self.align_corners}
        grid = builder.op("AffineGrid", [self.theta, size], corners).result
        mode = "linear" if self.interpolation == "bilinear" else "nearest"
        sampling = {"mode": mode, "padding_mode": "zeros", **corners}
        if not self.border_value:
            return builder.op("GridSample", [self.x, grid], sampling).result
        border = builder.constant(np.array(self.border_value, np.float32))
        above = builder.op("Sub", [self.x, border]).result
        sampled = builder.op("GridSample", [above, grid], sampling).result
        return builder.op("Add", [sampled, border]).result

    def compute(self, operands: Sequence[Array]) -> Array:
        x, theta = (np.asarray(a, np.float32) for a in operands)
        height, width = self.output_size
        base = base_grid(height, width, bool(self.align_corners))
        grid = np.einsum("hwk,nck->nhwc", base, theta)
        return _sample(
            x, grid, self.interpolation, float(self.border_value), bool(self.align_corners)
        )


def base_grid(height: int, width: int, align_corners: bool) -> Array:
    """The places [height, width, (column, row, 1)] that theta maps to those of the picture."""
    rows, columns = (_grid_line(n, align_corners) for n in (height, width))
    parts = np.broadcast_arrays(columns, rows[:, None], np.float32(1))
    return np.stack(parts, axis=-1)


def _grid_line(count: int, align_corners: bool) -> Array:
    """Coordinates in [-1, 1] of `count` pixels: of their corners' span, or of their centres."""
    if align_corners:
        return np.linspace(-1, 1, count, dtype=np.float32)
    return (2 * np.arange(count, dtype=np.float32) + 1) / np.float32(count) - 1


def _sample(x: Array, grid: Array, how: str, border: float, align_corners: bool) -> Array:
    """The values of `x` [N, C, H, W] at `grid` [N, h, w, (column, row)]."""
    sizes = np.array([x.shape[3], x.shape[2]], np.float32)
    scaled = (grid + 1) / 2 * (sizes - 1) if align_corners else ((grid + 1) * sizes - 1) / 2
    if how == "nearest":
        return _pick(x, np.rint(scaled), border)
    low = np.floor(scaled)
    part = (scaled - low)[:, None]
    result = np.zeros((*x.shape[:2], *grid.shape[1:3]), np.float32)
    for right in (0, 1):
        for down in (0, 1):
            weight = (part[..., 0] if right else 1 - part[..., 0]) * (
                part[..., 1] if down else 1 - part[..., 1]
            )
            result += weight * _pick(x, low + np.array([right, down], np.float32), border)
    return result


def _pick(x: Array, places: Array, border: float) -> Array:
    """`x` at whole places [N, h, w, (column, row)]; the border value outside."""
    columns, rows = places[..., 0].astype(np.int64), places[..., 1].astype(np.int64)
    inside = (columns >= 0) & (columns < x.shape[3]) & (rows >= 0) & (rows < x.shape[2])
    batch = np.arange(len(x)).reshape(-1, 1, 1)
    taken = x[batch, :, np.where(inside, rows, 0), np.where(inside, columns, 0)]
    return np.where(inside[:, None], np.moveaxis(taken, -1, 1), np.float32(border))


class Bevpool(DomainOp):
    """Pools picture features into a bird's eye view, weighted by depth.

    ```
    %y = onnx.Bevpool(%depth, %features, %d, %f, %b) {bev_size = array<i64: 1, 1, 8, 8>}
         : (tensor<1x4x2x2xf32>, tensor<1x2x2x3xf32>, tensor<9xi64>, tensor<9xi64>, tensor<9xi64>)
         -> tensor<1x3x1x8x8xf32>
    ```

    For depth [N, D, H, W] and features [N, H, W, C], both flattened but for C, and three lists of P
    places, Y [B, C, Z, Y, X] of `bev_size` (B, Z, Y, X) is zero plus, for each p,
    `depth[ranks_depth[p]] * features[ranks_feat[p]]` at cell `ranks_bev[p]`, in the order of p.
    """

    name = "onnx.Bevpool"
    op_type = "Bevpool"
    schema = _schema(
        "Bevpool",
        "Adds up depth times features at the cells of a bird's eye view.",
        {
            "depth": "T",
            "features": "T",
            "ranks_depth": "I",
            "ranks_feat": "I",
            "ranks_bev": "I",
        },
        {**_FLOAT, "I": ["tensor(int32)", "tensor(int64)"]},
        {"bev_size": list},
    )

    bev_size = Attr[tuple[int, ...]]("bev_size")

    def result_shape(self, shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
        depth, features, *ranks = shapes
        _expect(len(depth) == 4, f"takes a depth of 4 dimensions, got {list(depth)}")
        _expect(
            len(features) == 4 and features[:3] == (depth[0], *depth[2:]),
            f"takes features of [{depth[0]}, {depth[2]}, {depth[3]}, C], got {list(features)}",
        )
        _expect(
            len(ranks[0]) == 1 and ranks[0] == ranks[1] == ranks[2],
            f"takes three lists of equal length, got {[list(r) for r in ranks]}",
        )
        size = self.bev_size
        _expect(len(size) == 4 and min(size) > 0, f"has a bev_size of {list(size)}")
        return (size[0], features[3], *size[1:])

    def expansion(self, builder: OpBuilder) -> SSAValue:
        depth, features, ranks_depth, ranks_feat, ranks_bev = self.operands
        shape = static_shape_of(features.type)
        assert shape is not None
        channels = shape[3]
        cells = int(np.prod(self.bev_size))

        def shaped(value: SSAValue, *sizes: int) -> SSAValue:
            return builder.op(
                "Reshape", [value, builder.constant(np.array(sizes, np.int64))]
            ).result

        weights = builder.op("Gather", [shaped(depth, -1, 1), ranks_depth], {"axis": 0}).result
        taken = builder.op("Gather", [shaped(features, -1, channels), ranks_feat], {"axis": 0})
        products = builder.op("Mul", [weights, taken.result]).result
        places = shaped(builder.op("Cast", [ranks_bev], {"to": i64}).result, -1, 1)
        empty = builder.constant(np.zeros((cells, channels), np.float32))
        pooled = builder.op("ScatterND", [empty, places, products], {"reduction": "add"}).result
        view = shaped(pooled, *self.bev_size, channels)
        return builder.op("Transpose", [view], {"perm": (0, 4, 1, 2, 3)}).result

    def compute(self, operands: Sequence[Array]) -> Array:
        depth, features, ranks_depth, ranks_feat, ranks_bev = operands
        rows = np.asarray(features, np.float32).reshape(-1, features.shape[3])
        products = np.asarray(depth, np.float32).reshape(-1, 1)[ranks_depth] * rows[ranks_feat]
        pooled = np.zeros((int(np.prod(self.bev_size)), rows.shape[1]), np.float32)
        np.add.at(pooled, ranks_bev, products)
        return pooled.reshape(*self.bev_size, -1).transpose(0, 4, 1, 2, 3)


class InverseSigmoid(DomainOp):
    """log(max(x', eps) / max(1 - x', eps)) of each element, with x' = x clipped to [0, 1].

    ```
    %y = onnx.InverseSigmoid(%x) {eps = 1.0e-05 : f32} : (tensor<4xf32>) -> tensor<4xf32>
    ```
    """

    name = "onnx.InverseSigmoid"
    op_type = "InverseSigmoid"
    schema = _schema(
        "InverseSigmoid",
        "The inverse of Sigmoid, within bounds.",
        {"X": "T"},
        _FLOAT,
        {"eps": 1e-5},
    )

    x = Input(0)
    eps = Attr[float]("eps")

    def result_shape(self, shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
        _expect(0 < self.eps < 0.5, f"has an eps of {self.eps}, not between 0 and 0.5")
        return shapes[0]

    def expansion(self, builder: OpBuilder) -> SSAValue:
        zero, one, eps = (builder.constant(np.array(v, np.float32)) for v in (0.0, 1.0, self.eps))
        clipped = builder.op("Clip", [self.x, zero, one]).result
        rest = builder.op("Sub", [one, clipped]).result
        upper, lower = (builder.op("Max", [v, eps]).result for v in (clipped, rest))
        return builder.op("Log", [builder.op("Div", [upper, lower]).result]).result

    def compute(self, operands: Sequence[Array]) -> Array:
        clipped = np.clip(np.asarray(operands[0], np.float32), 0, 1)
        eps = np.float32(self.eps)
        return np.log(np.maximum(clipped, eps) / np.maximum(1 - clipped, eps))


DOMAIN_OPS: dict[str, type[DomainOp]] = {
    c.op_type: c for c in (SpatialTransformer, Bevpool, InverseSigmoid)
}
"""The operators of the domain, by name."""


@cache
def reference_operators() -> list[Any]:
    """The operators for `onnx.reference.ReferenceEvaluator(model, new_ops=..)`."""
    from onnx.reference.op_run import OpRun

    def run_of(cls: type[DomainOp]) -> Any:
        def _run(self: Any, *operands: Array, **attributes: Any) -> tuple[Array]:
            given = {n: np.asarray(v).tolist() for n, v in attributes.items()}
            op = cls.create(attributes=cls.typed_attributes(given))
            return (op.compute(operands),)

        return type(
            cls.op_type,
            (OpRun,),
            {"op_domain": DOMAIN, "op_schema": cls.schema, "_run": _run},
        )

    return [run_of(cls) for cls in DOMAIN_OPS.values()]
