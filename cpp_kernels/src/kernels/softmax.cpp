// Opcode 10: softmax along one axis, in f32.

#include <algorithm>
#include <vector>

#include "element_ops.h"
#include "families.h"

namespace pulsar2::kernels {
namespace {

/// The sum of n values with element i in lane i mod 8, and the lanes added pairwise.
float lane_sum(const float* v, int64_t n) {
  float lane[8] = {};
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    for (int k = 0; k < 8; ++k) lane[k] += v[i + k];
  }
  for (int k = 0; i < n; ++i, ++k) lane[k] += v[i];
  return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

}  // namespace

void run_softmax(const KernelCall& call) {
  check_counts(call, "softmax", 2, 1);
  const View& x = call.operands[0];
  const View& y = call.operands[1];
  check_view(x, "softmax", "x");
  check_view(y, "softmax", "y");
  check_same_shape(x, y, "softmax", "x", "y");
  const int32_t axis = call.params[0];
  if (axis < 0 || axis >= x.ndim) fail("softmax: axis %d of a rank %d tensor", axis, x.ndim);
  const Clamp clamp = full_clamp(y.dtype);
  const ElementOps& ops = element_ops(current_isa());
  const int64_t length = x.shape[axis];
  const int64_t rows = num_elements(x) / length;
  const int64_t xs = x.strides[axis];
  const int64_t ys = y.strides[axis];
  const int64_t grain = std::max<int64_t>(1, (1 << 12) / length);
  parallel_for(call.parallel, rows, grain, [&](int64_t begin, int64_t end) {
    std::vector<float> value(static_cast<size_t>(length));
    std::vector<float> power(static_cast<size_t>(length));
    for (int64_t row = begin; row < end; ++row) {
      const uint8_t* in = x.data;
      uint8_t* out = y.data;
      int64_t rest = row;
      for (int d = x.ndim - 1; d >= 0; --d) {
        if (d == axis) continue;
        in += rest % x.shape[d] * x.strides[d];
        out += rest % x.shape[d] * y.strides[d];
        rest /= x.shape[d];
      }
      float* v = value.data();
      float* e = power.data();
      for (int64_t i = 0; i < length; i += kBlock) {
        const int64_t n = std::min(kBlock, length - i);
        ops.load(in + i * xs, xs, x.dtype, x.scale, x.zero_point, v + i, n);
      }
      const float top = *std::max_element(v, v + length);
      for (int64_t i = 0; i < length; i += kBlock) {
        ops.exp_minus(v + i, top, e + i, std::min(kBlock, length - i));
      }
      const float sum = lane_sum(e, length);
      for (int64_t i = 0; i < length; ++i) v[i] = e[i] / sum;
      for (int64_t i = 0; i < length; i += kBlock) {
        const int64_t n = std::min(kBlock, length - i);
        ops.store(v + i, out + i * ys, ys, y.dtype, y.scale, y.zero_point, clamp, n);
      }
    }
  });
}

}  // namespace pulsar2::kernels
