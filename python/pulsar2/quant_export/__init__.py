"""Quantized modules as standard ONNX models.

`export_qlinear` gives a model of integer operators whose evaluation by ONNX's own definitions is
the numerics contract; `export_qdq` the same network as float operators between QuantizeLinear and
DequantizeLinear, which any ONNX runtime executes.
"""

from __future__ import annotations

from pulsar2.quant_export.exporter import ExportedQuant, export_qdq, export_qlinear, export_quant
from pulsar2.quant_export.session import reference_session

__all__ = ["ExportedQuant", "export_qdq", "export_qlinear", "export_quant", "reference_session"]
