"""A transformer encoder as exporters spell it out, against ONNX Runtime: every idiom at once."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_models import Outcome, check, pipeline
from onnx_sketch import Sketch

_TOKENS, _WIDTH, _HEADS = 5, 16, 2
_HEAD = _WIDTH // _HEADS


class Encoder:
    """Writes down the parts of an encoder layer, with random weights."""

    def __init__(self, seed: int = 0):
        self.sketch = Sketch()
        self._random = np.random.default_rng(seed)

    def weight(self, *shape: int) -> np.ndarray:
        return self._random.normal(0, 0.3, shape).astype(np.float32)

    def linear(self, x: str, inputs: int, outputs: int) -> str:
        product = self.sketch("MatMul", x, self.weight(inputs, outputs))
        return self.sketch("Add", self.weight(outputs), product)

    def layer_norm(self, x: str) -> str:
        s = self.sketch
        v = s("Sub", x, s.mean(x, [-1]))
        root = s("Sqrt", s("Add", s.mean(s("Pow", v, 2.0), [-1]), 1e-12))
        return s("Add", s("Mul", s("Div", v, root), self.weight(_WIDTH)), self.weight(_WIDTH))

    def rms_norm(self, x: str) -> str:
        s = self.sketch
        inverse = s("Reciprocal", s("Sqrt", s("Add", s.mean(s("Mul", x, x), [-1]), 1e-6)))
        return s("Mul", self.weight(_WIDTH), s("Mul", x, inverse))

    def heads(self, x: str) -> str:
        """[1, T, W] to [1, H, T, W / H], by a shape that the graph computes."""
        s = self.sketch
        shape = s("Shape", x)
        tokens = s("Unsqueeze", s("Gather", shape, np.array(1)), np.array([0]))
        parts = [np.array([1]), np.array([_HEADS]), np.array([_HEAD])]
        target = s("Concat", parts[0], tokens, *parts[1:], axis=0)
        return s("Transpose", s("Reshape", x, target), perm=[0, 2, 1, 3])

    def rotated(self, x: str) -> str:
        """Rotary embedding: x * cos + (-second half, first half) * sin."""
        s = self.sketch
        angles = np.outer(np.arange(_TOKENS), 0.5 ** np.arange(_HEAD // 2)).astype(np.float32)
        angles = np.concatenate([angles, angles], axis=1)
        bounds = [np.array([n]) for n in (0, _HEAD // 2, _HEAD, 3)]
        first = s("Slice", x, bounds[0], bounds[1], bounds[3])
        second = s("Slice", x, bounds[1], bounds[2], bounds[3])
        turned = s("Concat", s("Neg", second), first, axis=-1)
        return s("Add", s("Mul", x, np.cos(angles)), s("Mul", turned, np.sin(angles)))

    def attention(self, x: str, *, rotary: bool, mask: str | None) -> str:
        s = self.sketch
        q, k, v = (self.heads(self.linear(x, _WIDTH, _WIDTH)) for _ in range(3))
        if rotary:
            q, k = self.rotated(q), self.rotated(k)
        scores = s("MatMul", q, s("Transpose", k, perm=[0, 1, 3, 2]))
        scores = s("Div", scores, float(np.sqrt(_HEAD)))
        if mask is not None:
            scores = s("Add", scores, mask)
        y = s("MatMul", s("Softmax", scores, axis=-1), v)
        y = s("Transpose", y, perm=[0, 2, 1, 3])
        y = s("Reshape", y, np.array([1, _TOKENS, _WIDTH]))
        return self.linear(y, _WIDTH, _WIDTH)

    def gelu(self, x: str) -> str:
        s = self.sketch
        gate = s("Add", s("Erf", s("Div", x, float(np.sqrt(2)))), 1.0)
        return s("Mul", s("Mul", x, gate), 0.5)

    def optimized(self, inputs: dict[str, list[int]], output: str) -> Outcome:
        return check(self.sketch.model(inputs, output), pipeline(), rtol=1e-4)


def test_an_encoder_of_bert() -> None:
    e = Encoder()
    x = e.layer_norm(e.sketch("Add", "x", e.attention("x", rotary=False, mask="mask")))
    y = e.linear(e.gelu(e.linear(x, _WIDTH, 32)), 32, _WIDTH)
    y = e.layer_norm(e.sketch("Add", x, y))
    shapes = {"x": [1, _TOKENS, _WIDTH], "mask": [1, 1, 1, _TOKENS]}
    operators = e.optimized(shapes, y).operators
    assert operators == {
        "MatMul": 8,
        "Add": 9,
        "Reshape": 4,
        "Transpose": 4,
        "Softmax": 1,
        "LayerNormalization": 2,
        "Gelu": 1,
    }


@pytest.mark.parametrize("gated", [False, True])
def test_a_layer_of_llama(gated: bool) -> None:
    e = Encoder(1)
    x = e.sketch("Add", "x", e.attention(e.rms_norm("x"), rotary=True, mask=None))
    normed = e.rms_norm(x)
    up = e.linear(normed, _WIDTH, 32)
    y = e.sketch("Mul", up, e.sketch("Sigmoid", up))
    if gated:
        y = e.sketch("Mul", y, e.linear(normed, _WIDTH, 32))
    y = e.sketch("Add", x, e.linear(y, 32, _WIDTH))
    operators = e.optimized({"x": [1, _TOKENS, _WIDTH]}, y).operators
    assert operators["RMSNormalization"] == 2
    assert operators["Swish"] == 1
    assert operators["Neg"] == 2
    # Rotation: two products for queries and two for keys; the scale is in the weights or tables.
    assert operators["Mul"] == 4 + gated
    assert not {"Shape", "Gather", "Div", "Sqrt", "Sigmoid", "Pow"} & set(operators)
