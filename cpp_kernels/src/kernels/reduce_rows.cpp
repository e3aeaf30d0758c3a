// Reductions of opcode 9 that are not a fold of stored numbers: norms, and log_sum_exp.

#include <algorithm>
#include <cmath>
#include <vector>

#include "element_ops.h"
#include "reduce.h"
#include "rows.h"
#include "sums.h"

namespace pulsar2::kernels {
namespace {

/// The exact reduction of whole numbers, in units of y; `scale` and `y_scale` are the units.
float reduce_exactly(const ElementOps& ops, int32_t kind, const float* x, int64_t n, float scale,
                     float y_scale) {
  if (kind == kL1) {
    return static_cast<float>(exact_sum(ops, Term::Magnitude, x, n)) * (scale / y_scale);
  }
  const int64_t squares = exact_sum(ops, Term::Square, x, n);
  if (kind == kSumSquare) return static_cast<float>(squares) * (scale * scale / y_scale);
  return static_cast<float>(std::sqrt(static_cast<double>(squares))) * (scale / y_scale);
}

float log_sum_exp(const ElementOps& ops, float* x, int64_t n) {
  const float top = *std::max_element(x, x + n);
  alignas(64) float power[kBlock];
  float lane[8] = {};
  for (int64_t i = 0; i < n; i += kBlock) {
    const int64_t part = std::min(kBlock, n - i);
    ops.exp_minus(x + i, top, power, part);
    ops.add_terms_f32(Term::Plain, power, 0.0f, lane, part);
  }
  const float sum = pair_lanes(lane);
  float log;
  ops.unary(UnaryFn::Log, 0.0f, 0.0f, &sum, &log, 1);
  return log + top;
}

float reduce_floats(const ElementOps& ops, int32_t kind, float* x, int64_t n) {
  if (kind == kLogSumExp) return log_sum_exp(ops, x, n);
  if (kind == kL1) return lane_sum(ops, Term::Magnitude, x, 0.0f, n);
  const float squares = lane_sum(ops, Term::Square, x, 0.0f, n);
  return kind == kL2 ? static_cast<float>(std::sqrt(double{squares})) : squares;
}

}  // namespace

void reduce_rows(const KernelCall& call, int32_t kind, uint32_t mask, const Clamp& clamp) {
  const View& x = call.operands[0];
  const View& y = call.operands[1];
  const bool exact = !is_float(x.dtype) && kind != kLogSumExp;
  if (!is_float(x.dtype) && !has_exact_sums(x.dtype)) {
    fail("reduce: x is %s, of which kind %d is not computed", dtype_name(x.dtype), kind);
  }
  const Isa isa = current_isa();
  const ElementOps& ops = element_ops(isa);
  const Rows rows({&x, &y, nullptr, nullptr}, mask);
  const int64_t length = rows.length();
  const int64_t grain = std::max<int64_t>(1, (1 << 13) / length);
  const float y_scale = is_float(y.dtype) ? 1.0f : y.scale;
  parallel_for(call.parallel, rows.count(), grain, [&](int64_t begin, int64_t end) {
    std::vector<float> row(static_cast<size_t>(length));
    for (int64_t index = begin; index < end; ++index) {
      load_row(rows, 0, rows.begin(0, index), x, exact ? 1.0f : x.scale, isa, row.data());
      const float v = exact ? reduce_exactly(ops, kind, row.data(), length, x.scale, y_scale)
                            : reduce_floats(ops, kind, row.data(), length);
      ops.store(&v, rows.begin(1, index), 0, y.dtype, exact ? 1.0f : y.scale, y.zero_point, clamp,
                1);
    }
  });
}

}  // namespace pulsar2::kernels
