"""`quant_axmodel.onnx`: the quantized network as an ONNX file of a domain of its own.

Every operation of the `quant` dialect is a node `AxQuantizedConv`, `AxQuantizedAdd`, `AxReshape`,
.. of domain `ax`, with the operation's properties as attributes; every quantized tensor has its
scale and zero point in ONNX's quantization annotations. Written and read without loss.
"""

from __future__ import annotations

from pulsar2.quant_axmodel.configs import quant_configs, write_configs
from pulsar2.quant_axmodel.reader import read_quant_axmodel
from pulsar2.quant_axmodel.snapshot import snapshot_text
from pulsar2.quant_axmodel.writer import make_quant_axmodel, save_quant_axmodel

__all__ = [
    "make_quant_axmodel",
    "quant_configs",
    "read_quant_axmodel",
    "save_quant_axmodel",
    "snapshot_text",
    "write_configs",
]
