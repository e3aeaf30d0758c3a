// Opcodes 10 and 65: softmax and its logarithm along one axis, in f32.

#include <algorithm>
#include <vector>

#include "element_ops.h"
#include "families.h"
#include "sums.h"

namespace pulsar2::kernels {
namespace {

/// From the row v and e = exp(v - top) to the result, in v.
void finish_row(const ElementOps& ops, bool logarithm, float top, const float* e, float* v,
                int64_t n) {
  const float sum = lane_sum(ops, Term::Plain, e, 0.0f, n);
  if (!logarithm) {
    for (int64_t i = 0; i < n; ++i) v[i] = e[i] / sum;
    return;
  }
  float log;
  ops.unary(UnaryFn::Log, 0.0f, 0.0f, &sum, &log, 1);
  for (int64_t i = 0; i < n; ++i) v[i] = (v[i] - top) - log;
}

void run(const KernelCall& call, const char* op, bool logarithm) {
  check_counts(call, op, 2, 1);
  const View& x = call.operands[0];
  const View& y = call.operands[1];
  check_view(x, op, "x");
  check_view(y, op, "y");
  check_same_shape(x, y, op, "x", "y");
  const int32_t axis = call.params[0];
  if (axis < 0 || axis >= x.ndim) fail("%s: axis %d of a rank %d tensor", op, axis, x.ndim);
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
      finish_row(ops, logarithm, top, e, v, length);
      for (int64_t i = 0; i < length; i += kBlock) {
        const int64_t n = std::min(kBlock, length - i);
        ops.store(v + i, out + i * ys, ys, y.dtype, y.scale, y.zero_point, clamp, n);
      }
    }
  });
}

}  // namespace

void run_softmax(const KernelCall& call) { run(call, "softmax", false); }
void run_log_softmax(const KernelCall& call) { run(call, "log_softmax", true); }

}  // namespace pulsar2::kernels
