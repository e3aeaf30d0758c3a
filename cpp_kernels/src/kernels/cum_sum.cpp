// Opcode 66: the sums of all elements up to each one along an axis.

#include <algorithm>
#include <vector>

#include "element_ops.h"
#include "families.h"
#include "rows.h"
#include "sums.h"

namespace pulsar2::kernels {
namespace {

/// Turns a row into its running sums, each times `factor`. T is int64_t where they are exact.
template <typename T>
void run_sums(float* row, int64_t n, bool exclusive, bool reverse, float factor) {
  T sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    float& v = row[reverse ? n - 1 - i : i];
    const T before = sum;
    sum += static_cast<T>(v);
    v = static_cast<float>(exclusive ? before : sum) * factor;
  }
}

}  // namespace

void run_cum_sum(const KernelCall& call) {
  check_counts(call, "cum_sum", 2, 5);
  const View& x = call.operands[0];
  const View& y = call.operands[1];
  check_view(x, "cum_sum", "x");
  check_view(y, "cum_sum", "y");
  check_same_shape(x, y, "cum_sum", "x", "y");
  const bool floating = is_float(x.dtype);
  if (!floating && !has_exact_sums(x.dtype)) {
    fail("cum_sum: x is %s, which is not summed", dtype_name(x.dtype));
  }
  const int32_t axis = call.params[0];
  if (axis < 0 || axis >= x.ndim) fail("cum_sum: axis %d of a rank %d tensor", axis, x.ndim);
  const bool exclusive = call.params[1] != 0;
  const bool reverse = call.params[2] != 0;
  const Clamp clamp = make_clamp(y.dtype, call.params[3], call.params[4]);
  const Isa isa = current_isa();
  const ElementOps& ops = element_ops(isa);
  // The factor of exact sums holds the scale of y.
  const float factor = floating ? 1.0f : x.scale / (is_float(y.dtype) ? 1.0f : y.scale);
  const float y_scale = floating ? y.scale : 1.0f;
  const Rows rows({&x, &y, nullptr, nullptr}, uint32_t{1} << axis);
  const int64_t length = rows.length();
  const int64_t grain = std::max<int64_t>(1, (1 << 13) / length);
  parallel_for(call.parallel, rows.count(), grain, [&](int64_t begin, int64_t end) {
    std::vector<float> row(static_cast<size_t>(length));
    for (int64_t index = begin; index < end; ++index) {
      load_row(rows, 0, rows.begin(0, index), x, 1.0f, isa, row.data());
      if (floating) {
        run_sums<float>(row.data(), length, exclusive, reverse, factor);
      } else {
        run_sums<int64_t>(row.data(), length, exclusive, reverse, factor);
      }
      uint8_t* const target = rows.begin(1, index);
      rows.for_parts(kBlock, [&](const int64_t* at, int64_t first, int64_t n) {
        ops.store(row.data() + first, target + at[1], rows.stride(1), y.dtype, y_scale,
                  y.zero_point, clamp, n);
      });
    }
  });
}

}  // namespace pulsar2::kernels
