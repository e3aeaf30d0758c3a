"""Tensors of an ONNX model as arrays, external ones by memory map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx.helper
from onnx import SparseTensorProto, TensorProto, numpy_helper

from pulsar2.weights import AnyArray

_PACKED_BITS: dict[int, int] = {
    TensorProto.INT4: 4,
    TensorProto.UINT4: 4,
    TensorProto.FLOAT4E2M1: 4,
    TensorProto.INT2: 2,
    TensorProto.UINT2: 2,
}


class TensorError(ValueError):
    """What is wrong with a tensor's data."""


def tensor_array(tensor: TensorProto, folder: Path | None) -> AnyArray:
    """The read-only values of a tensor; external data is looked for in `folder`.

    Raises `TensorError` when the data is missing, too short, or outside of the folder.
    """
    if tensor.data_location == TensorProto.EXTERNAL:
        return _external_array(tensor, folder)
    try:
        array = numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError, AssertionError) as error:
        raise TensorError(f"its data does not fit its shape or type: {error}") from None
    if array.flags.owndata:
        array.flags.writeable = False
    return array


def _external_array(tensor: TensorProto, folder: Path | None) -> AnyArray:
    entries = {e.key: e.value for e in tensor.external_data}
    if folder is None:
        raise TensorError("its data is in a file, but the model was not read from one")
    location = entries.get("location", "")
    path = folder / location
    if not location or not path.resolve().is_relative_to(folder.resolve()):
        raise TensorError(f"its data lies outside of the model's folder: '{location}'")
    if not path.is_file():
        raise TensorError(f"its data file is missing: {path}")
    try:
        offset = int(entries.get("offset", "0"))
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
    except (ValueError, KeyError) as error:
        raise TensorError(f"its description is not valid: {error}") from None
    count = int(np.prod(tensor.dims, dtype=np.int64))
    bits = _PACKED_BITS.get(tensor.data_type)
    size = count * dtype.itemsize if bits is None else -(-count * bits // 8)
    if dtype.hasobject or offset < 0 or path.stat().st_size < offset + size:
        raise TensorError(f"{path} is too short: {size} bytes at {offset} are wanted")
    if size == 0:
        return np.zeros(tuple(tensor.dims), dtype)
    data = np.memmap(path, dtype=np.uint8, mode="r", offset=offset, shape=(size,))
    if bits is not None:
        inline = TensorProto(data_type=tensor.data_type, dims=tensor.dims, raw_data=data.tobytes())
        return numpy_helper.to_array(inline)
    return np.asarray(data).view(dtype).reshape(tuple(tensor.dims))


def sparse_array(tensor: SparseTensorProto, folder: Path | None) -> AnyArray:
    """The dense values of a sparse tensor; raises `TensorError` as `tensor_array` does."""
    values = tensor_array(tensor.values, folder)
    indices = tensor_array(tensor.indices, folder)
    dense = np.zeros(tuple(tensor.dims), values.dtype)
    places = indices.astype(np.int64)
    try:
        if places.ndim == 1:
            dense.reshape(-1)[places] = values
        else:
            dense[tuple(places.T)] = values
    except IndexError as error:
        raise TensorError(f"its indices do not fit its shape: {error}") from None
    dense.flags.writeable = False
    return dense
