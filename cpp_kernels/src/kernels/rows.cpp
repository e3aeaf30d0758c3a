#include "rows.h"

#include "element_ops.h"

namespace pulsar2::kernels {

void Rows::Dims::push(int64_t n, const int64_t (&strides)[kOperands]) {
  size *= n;
  // A dimension that continues the one before it for every operand is one run with it.
  bool joins = ndim > 0;
  for (int k = 0; k < kOperands && joins; ++k) joins = stride[k][ndim - 1] == n * strides[k];
  if (joins) {
    --ndim;
    n *= shape[ndim];
  }
  shape[ndim] = n;
  for (int k = 0; k < kOperands; ++k) stride[k][ndim] = strides[k];
  ++ndim;
}

int64_t Rows::Dims::offset(int operand, int64_t index) const {
  int64_t bytes = 0;
  for (int d = ndim - 1; d >= 0; --d) {
    bytes += index % shape[d] * stride[operand][d];
    index /= shape[d];
  }
  return bytes;
}

Rows::Rows(const View* const (&views)[kOperands], uint32_t mask) {
  for (int k = 0; k < kOperands; ++k) {
    if (views[k] != nullptr) base_[k] = views[k]->data;
  }
  const View& first = *views[0];
  for (int d = 0; d < first.ndim; ++d) {
    if (first.shape[d] == 1) continue;
    int64_t strides[kOperands] = {};
    for (int k = 0; k < kOperands; ++k) {
      if (views[k] != nullptr) strides[k] = views[k]->strides[d];
    }
    ((mask >> d & 1) != 0 ? inner_ : outer_).push(first.shape[d], strides);
  }
  if (inner_.ndim == 0) return;
  const int last = --inner_.ndim;
  run_ = inner_.shape[last];
  inner_.size /= run_;
  for (int k = 0; k < kOperands; ++k) run_stride_[k] = inner_.stride[k][last];
}

void load_row(const Rows& rows, int operand, const uint8_t* begin, const View& view, float scale,
              Isa isa, float* out) {
  const ElementOps& ops = element_ops(isa);
  const int64_t stride = rows.stride(operand);
  rows.for_parts(kBlock, [&](const int64_t* at, int64_t first, int64_t n) {
    ops.load(begin + at[operand], stride, view.dtype, scale, view.zero_point, out + first, n);
  });
}

}  // namespace pulsar2::kernels
