"""Adam, as its paper has it. That of torch takes seconds to import its compiler first."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

torch: Any = import_module("torch")

_BETAS = 0.9, 0.999
_EPSILON = 1e-8


class Adam:
    """Steps in units of what the gradient of a number usually is."""

    def __init__(self, parameters: Sequence[Any]):
        self._steps = 0
        self._states = [(p, torch.zeros_like(p), torch.zeros_like(p)) for p in parameters]

    def step(self, rate: float) -> None:
        """Moves the parameters against their gradients by about `rate`, and forgets these."""
        self._steps += 1
        first, second = (1 - beta**self._steps for beta in _BETAS)
        with torch.no_grad():
            for parameter, mean, square in self._states:
                grad = parameter.grad
                if grad is None:
                    continue
                mean.lerp_(grad, 1 - _BETAS[0])
                square.mul_(_BETAS[1]).addcmul_(grad, grad, value=1 - _BETAS[1])
                size = (square / second).sqrt_().add_(_EPSILON)
                parameter.addcdiv_(mean, size, value=-rate / first)
                parameter.grad = None
