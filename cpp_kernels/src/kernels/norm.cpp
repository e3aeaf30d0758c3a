// Opcode 64: each group of elements divided by a norm of its own, scaled and shifted.

#include <algorithm>
#include <cmath>
#include <vector>

#include "element_ops.h"
#include "families.h"
#include "rows.h"
#include "sums.h"

namespace pulsar2::kernels {
namespace {

enum NormKind : int32_t { kLayer = 0, kRms = 1, kL1 = 2, kL2 = 3 };
enum Operand : int { kX = 0, kY = 1, kScale = 2, kBias = 3 };

/// What every element of a group goes through: (x - shift) * factor.
struct Group {
  float shift;
  float factor;
};

/// Of a group of whole numbers x - z, whose scale is `scale`.
Group exact_group(const ElementOps& ops, int32_t kind, const float* x, int64_t n, double scale,
                  double epsilon) {
  if (kind == kL1) {
    const int64_t sum = exact_sum(ops, Term::Magnitude, x, n);
    return {0.0f, static_cast<float>(1.0 / static_cast<double>(std::max<int64_t>(sum, 1)))};
  }
  const int64_t squares = exact_sum(ops, Term::Square, x, n);
  if (kind == kL2) {
    const double root = std::sqrt(static_cast<double>(std::max<int64_t>(squares, 1)));
    return {0.0f, static_cast<float>(1.0 / root)};
  }
  const double count = static_cast<double>(n);
  double mean = 0.0;
  double spread = static_cast<double>(squares) / count;
  if (kind == kLayer) {
    mean = static_cast<double>(exact_sum(ops, Term::Plain, x, n)) / count;
    spread = std::max(spread - mean * mean, 0.0);
  }
  const double variance = spread * (scale * scale) + epsilon;
  return {static_cast<float>(mean), static_cast<float>(scale / std::sqrt(variance))};
}

float reciprocal_root(float v) { return static_cast<float>(1.0 / std::sqrt(double{v})); }

/// Of a group of f32 numbers.
Group float_group(const ElementOps& ops, int32_t kind, const float* x, int64_t n, float epsilon) {
  if (kind == kL1) {
    const float sum = lane_sum(ops, Term::Magnitude, x, 0.0f, n);
    return {0.0f, sum == 0.0f ? 0.0f : 1.0f / sum};
  }
  const float count = static_cast<float>(n);
  const float mean = kind == kLayer ? lane_sum(ops, Term::Plain, x, 0.0f, n) / count : 0.0f;
  const float squares = lane_sum(ops, Term::Square, x, mean, n);
  if (kind == kL2) return {0.0f, squares == 0.0f ? 0.0f : reciprocal_root(squares)};
  return {mean, reciprocal_root(squares / count + epsilon)};
}

/// The part of a row of scales or biases as f32; a repeated one is filled in.
const float* load_factors(const ElementOps& ops, const View* view, const uint8_t* p, int64_t stride,
                          float* out, int64_t n) {
  if (view == nullptr) return nullptr;
  if (stride == 0) {
    ops.load(p, stride, view->dtype, view->scale, 0, out, 1);
    std::fill_n(out, n, out[0]);
  } else {
    ops.load(p, stride, view->dtype, view->scale, 0, out, n);
  }
  return out;
}

/// A scale may be a whole number of units, which are its view's scale.
void check_factors(const View& view, const View& x, const char* name, bool fixed_point) {
  check_view(view, "norm", name);
  check_same_shape(view, x, "norm", name, "x");
  const bool whole = view.dtype == DType::S32 || view.dtype == DType::U32;
  if (view.dtype != DType::F32 && !(fixed_point && whole)) {
    fail("norm: %s is %s, expected F32%s", name, dtype_name(view.dtype),
         fixed_point ? ", S32 or U32" : "");
  }
}

}  // namespace

void run_norm(const KernelCall& call) {
  const int32_t has_scale = call.num_params == 7 ? call.params[3] : 0;
  const int32_t has_bias = call.num_params == 7 ? call.params[4] : 0;
  check_counts(call, "norm", 2 + (has_scale != 0) + (has_bias != 0), 7);
  const View& x = call.operands[0];
  const View& y = call.operands[1];
  const View* scale = has_scale != 0 ? &call.operands[2] : nullptr;
  const View* bias = has_bias != 0 ? &call.operands[call.num_operands - 1] : nullptr;
  check_view(x, "norm", "x");
  check_view(y, "norm", "y");
  check_same_shape(x, y, "norm", "x", "y");
  if (scale != nullptr) check_factors(*scale, x, "scale", true);
  if (bias != nullptr) check_factors(*bias, x, "bias", false);
  const bool floating = is_float(x.dtype);
  if (!floating && !has_exact_sums(x.dtype)) {
    fail("norm: x is %s, which is not normalized", dtype_name(x.dtype));
  }
  const int32_t kind = call.params[0];
  const int32_t mask = call.params[1];
  const float epsilon = float_from_bits(call.params[2]);
  if (kind < kLayer || kind > kL2) fail("norm: no kind has number %d", kind);
  if (mask < 0 || mask >= 1 << x.ndim) fail("norm: axes mask %d for rank %d", mask, x.ndim);
  const Clamp clamp = make_clamp(y.dtype, call.params[5], call.params[6]);
  const Isa isa = current_isa();
  const ElementOps& ops = element_ops(isa);
  const Rows rows({&x, &y, scale, bias}, static_cast<uint32_t>(mask));
  const int64_t length = rows.length();
  const int64_t grain = std::max<int64_t>(1, (1 << 13) / length);
  parallel_for(call.parallel, rows.count(), grain, [&](int64_t begin, int64_t end) {
    std::vector<float> row(static_cast<size_t>(length));
    alignas(64) float scales[kBlock];
    alignas(64) float biases[kBlock];
    alignas(64) float out[kBlock];
    for (int64_t index = begin; index < end; ++index) {
      // The numbers of an integer type are taken without their scale.
      load_row(rows, kX, rows.begin(kX, index), x, 1.0f, isa, row.data());
      const Group group =
          floating ? float_group(ops, kind, row.data(), length, epsilon)
                   : exact_group(ops, kind, row.data(), length, double{x.scale}, double{epsilon});
      uint8_t* const target = rows.begin(kY, index);
      const uint8_t* const scale_row = scale == nullptr ? nullptr : rows.begin(kScale, index);
      const uint8_t* const bias_row = bias == nullptr ? nullptr : rows.begin(kBias, index);
      rows.for_parts(kBlock, [&](const int64_t* at, int64_t first, int64_t n) {
        const float* const s =
            load_factors(ops, scale, scale_row + at[kScale], rows.stride(kScale), scales, n);
        const float* const b =
            load_factors(ops, bias, bias_row + at[kBias], rows.stride(kBias), biases, n);
        ops.normalize(row.data() + first, group.shift, group.factor, s, b, out, n);
        ops.store(out, target + at[kY], rows.stride(kY), y.dtype, y.scale, y.zero_point, clamp, n);
      });
    }
  });
}

}  // namespace pulsar2::kernels
