"""What a fine-tuning is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from pulsar2.lowering.quant.parameters import WeightOptions


class Strategy(Enum):
    """How a quantization is learned; the value is its name in messages."""

    ADAROUND = "Adaround"
    LSQ = "LSQ"
    BRECQ = "BRECQ"


@dataclass(frozen=True)
class FinetuneOptions:
    """`epochs` are passes over the samples for each block of `block_size` operators, in steps of
    `batch_size` samples. The last three say what conversion will do.
    """

    strategy: Strategy
    epochs: int = 500
    block_size: int = 4
    batch_size: int = 1
    learning_rate: float = 1e-3
    device: str = "cpu"
    fuses: bool = True
    integer_biases: bool = True
    weights: WeightOptions = field(default_factory=WeightOptions)
