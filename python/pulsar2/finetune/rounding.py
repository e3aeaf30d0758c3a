"""Quantizers of torch: what rounds in the forward pass and what is learned in the backward pass.

Scales are learned as factors `exp(t)` of the scales at the start: a step of the optimizer is then a
share of a scale, however large that is. With Adam, which divides each gradient by its size, the
gradient scale of LSQ would change nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from pulsar2.finetune.sites import Integers, Site
from pulsar2.lowering.quant.parameters import weight_max

torch: Any = import_module("torch")

STRETCH = 1.2, -0.1
"""The rectified sigmoid is clip(sigmoid(v / T) * 1.2 - 0.1, 0, 1): it reaches 0 and 1."""
LAST_TEMPERATURE = 0.01
"""Of the sigmoid, at the end; it begins at 1."""


class _StraightThrough(torch.autograd.Function):
    """`clip(rne(x / s), low, high) * s`, with the gradients of LSQ for x and s.

    What is inside of the clip gets its gradient as if nothing were rounded, what is outside none.
    """

    @staticmethod
    def forward(ctx: Any, x: Any, scale: Any, low: int, high: int) -> Any:
        steps = x / scale
        rounded = torch.round(steps).clamp_(low, high)
        inside = (steps >= low) & (steps <= high)
        ctx.save_for_backward(steps, rounded, inside, scale)
        return rounded * scale

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        steps, rounded, inside, scale = ctx.saved_tensors
        of_x = grad * inside
        of_scale = None
        if ctx.needs_input_grad[1]:
            of_scale = (grad * rounded - of_x * steps).sum_to_size(scale.shape)
        return of_x, of_scale, None, None


def rounded(x: Any, scale: Any, low: int, high: int) -> Any:
    """`x` as a multiple of `scale`, by integers from `low` to `high`; see `_StraightThrough`."""
    return _StraightThrough.apply(x, scale, low, high)


class WeightQuantizer:
    """Base of what learns the weights of a site. `parameters` are what an optimizer changes."""

    def __init__(self, site: Site, device: str):
        self.site = site
        self.limit = weight_max(site.bits)
        self._start = site.scales
        shape = (-1, *(1,) * (site.weight.ndim - 1))
        self._scale = torch.from_numpy(site.scales.copy()).reshape(shape).to(device)
        # The division is numpy's, since torch's may differ in the last bit.
        steps = site.weight / site.scales.reshape(shape)
        self.steps = torch.from_numpy(np.ascontiguousarray(steps)).to(device)
        self.stretch = torch.zeros_like(self._scale, requires_grad=True)

    @property
    def parameters(self) -> list[Any]:
        return [self.stretch]

    def scale(self) -> Any:
        """The scales, [channels, 1, ..]."""
        return self._scale * torch.exp(self.stretch)

    def anneal(self, progress: float) -> None:
        """Hears how much of the training is done, 0 to 1."""

    def value(self) -> Any:
        """The weights to train with, [channels, ..]."""
        raise NotImplementedError

    def integers(self) -> Integers:
        """The weights as they are learned so far."""
        raise NotImplementedError

    def _scales(self) -> Any:
        """The scales as they end, f32 [channels]: no S32 bias overflows at them."""
        learned = self.scale().detach().cpu().numpy().reshape(-1).astype(np.float32)
        return np.maximum(learned, self.site.least)


class LearnedRounding(WeightQuantizer):
    """AdaRound: each weight learns whether it is rounded up or down, and each channel its scale.

    The paper lets weights float between two integers, and draws them to these by a term of the loss
    whose exponent is annealed. Here the sigmoid itself becomes a step as its temperature falls. So
    every weight is decided at the end, however short the training and small the learning rate; one
    that is far from the middle is decided early, and the others learn to make up for it.
    """

    def __init__(self, site: Site, device: str):
        super().__init__(site, device)
        self._floor = torch.floor(self.steps)
        part = self.steps - self._floor
        spread, offset = STRETCH
        self.v = torch.logit((part - offset) / spread).requires_grad_()
        self._temperature = 1.0

    @property
    def parameters(self) -> list[Any]:
        return [self.v, self.stretch]

    def up(self) -> Any:
        """How far each weight is rounded up, 0 to 1."""
        spread, offset = STRETCH
        return torch.clamp(torch.sigmoid(self.v / self._temperature) * spread + offset, 0.0, 1.0)

    def anneal(self, progress: float) -> None:
        self._temperature = LAST_TEMPERATURE**progress

    def value(self) -> Any:
        return self.scale() * torch.clamp(self._floor + self.up(), -self.limit, self.limit)

    def integers(self) -> Integers:
        with torch.no_grad():
            steps = self._floor + (self.up() >= 0.5)
            values = steps.clamp(-self.limit, self.limit).to(torch.int8).cpu().numpy()
        return Integers(values, self._scales())


class LearnedStep(WeightQuantizer):
    """LSQ: each weight moves, counted in steps of its channel, and so does the step."""

    def __init__(self, site: Site, device: str):
        super().__init__(site, device)
        self.steps.requires_grad_()

    @property
    def parameters(self) -> list[Any]:
        return [self.steps, self.stretch]

    def value(self) -> Any:
        return rounded(self.steps * self._scale, self.scale(), -self.limit, self.limit)

    def integers(self) -> Integers:
        scales = self._scales()
        shape = (-1, *(1,) * (self.site.weight.ndim - 1))
        numbers = (self.steps * self._scale).detach().cpu().numpy()
        steps = np.rint(numbers / scales.reshape(shape))
        return Integers(np.clip(steps, -self.limit, self.limit).astype(np.int8), scales)
