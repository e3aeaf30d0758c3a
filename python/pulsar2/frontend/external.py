"""Tensors of an exported model whose data lie in a file beside it, written one by one."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np
import onnx.helper
from onnx import StringStringEntryProto, TensorProto

from pulsar2.dialects.onnx.attributes import array_to_tensor
from pulsar2.weights import AnyArray

_ALIGNMENT = 4096
_SMALLEST = 1024
"""Tensors of fewer bytes stay in the model."""


class ExternalData:
    """The data file of a model that is being exported: no more than one tensor is in memory."""

    def __init__(self, file: BinaryIO, location: str):
        """`location` is the name of `file` as seen from the model's folder."""
        self._file = file
        self._location = location

    def tensor(self, name: str, array: AnyArray) -> TensorProto:
        """The tensor `name`, its data appended to the file unless they are few or packed."""
        if array.nbytes < _SMALLEST or array.dtype.hasobject or array.dtype.kind == "V":
            return array_to_tensor(name, array)
        begin = -(-self._file.tell() // _ALIGNMENT) * _ALIGNMENT
        self._file.seek(begin)
        self._file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        entries = {"location": self._location, "offset": str(begin), "length": str(array.nbytes)}
        return TensorProto(
            name=name,
            data_type=onnx.helper.np_dtype_to_tensor_dtype(array.dtype),
            dims=array.shape,
            data_location=TensorProto.EXTERNAL,
            external_data=[StringStringEntryProto(key=k, value=v) for k, v in entries.items()],
        )
