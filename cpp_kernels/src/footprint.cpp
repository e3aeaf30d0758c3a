#include "footprint.h"

#include <utility>

namespace pulsar2 {

Footprint footprint_of(const Operand& operand) {
  Footprint f;
  const int bits = dtype_bits(operand.dtype);
  f.units_per_byte = bits < 8 ? 2 : 1;
  f.begin = operand.address * static_cast<uint64_t>(f.units_per_byte);
  f.run = bits < 8 ? 1 : static_cast<uint64_t>(bits / 8);
  std::pair<uint64_t, uint64_t> dims[kMaxDims];
  int n = 0;
  for (int d = 0; d < operand.ndim; ++d) {
    if (operand.shape[d] == 1 || operand.strides[d] == 0) continue;
    const auto dim = std::make_pair(static_cast<uint64_t>(operand.strides[d]),
                                    static_cast<uint64_t>(operand.shape[d]));
    int at = n++;
    for (; at > 0 && dim < dims[at - 1]; --at) dims[at] = dims[at - 1];
    dims[at] = dim;
  }
  for (int d = 0; d < n; ++d) {
    const auto [stride, size] = dims[d];
    if (f.dims == 0 && stride <= f.run) {
      f.run += stride * (size - 1);  // runs that touch or overlap are one
    } else if (f.dims > 0 && stride == f.stride[f.dims - 1] * f.size[f.dims - 1]) {
      f.size[f.dims - 1] *= size;
    } else {
      f.stride[f.dims] = stride;
      f.size[f.dims++] = size;
    }
  }
  return f;
}

}  // namespace pulsar2
