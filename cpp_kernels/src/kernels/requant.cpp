#include "requant.h"

#include <algorithm>

namespace pulsar2::kernels {
namespace {

template <typename T>
std::vector<T> read_vector(const View& view, int64_t n) {
  std::vector<T> out(static_cast<size_t>(n));
  const int64_t stride = view.shape[0] == 1 ? 0 : view.strides[0];
  for (int64_t i = 0; i < n; ++i) out[static_cast<size_t>(i)] = load_as<T>(view.data + i * stride);
  return out;
}

void check_vector(const View& view, const char* op, const char* name, DType dtype, int64_t n,
                  bool shared) {
  check_view(view, op, name);
  check_rank(view, op, name, 1);
  if (view.dtype != dtype) {
    fail("%s: %s is %s, expected %s", op, name, dtype_name(view.dtype), dtype_name(dtype));
  }
  if (view.shape[0] != n && !(shared && view.shape[0] == 1)) {
    fail("%s: %s has %d elements for %lld channels", op, name, view.shape[0],
         static_cast<long long>(n));
  }
}

void check_sum_type(const char* op, const char* name, const View& view) {
  if ((view.dtype != DType::S32 && view.dtype != DType::S64) || view.zero_point != 0) {
    fail("%s: %s is %s of zero point %d, expected sums of S32 or S64", op, name,
         dtype_name(view.dtype), view.zero_point);
  }
}

}  // namespace

Requant make_requant(const char* op, const View& y, int64_t channels, const View& mult,
                     const View* bias, int32_t bias_mode, int32_t clamp_lo, int32_t clamp_hi,
                     bool shared_mult) {
  Requant r;
  r.dtype = y.dtype;
  r.zero_point = y.zero_point;
  r.bias_mode = bias_mode;
  r.divisor = bias_mode == kFloatBias && !is_float(y.dtype) ? y.scale : 1.0f;
  r.clamp = make_clamp(y.dtype, clamp_lo, clamp_hi);
  check_vector(mult, op, "mult", DType::F32, channels, shared_mult);
  r.mult = read_vector<float>(mult, channels);
  r.int_bias.assign(static_cast<size_t>(channels), 0);
  if (bias_mode == kIntBias) {
    check_vector(*bias, op, "bias", DType::S32, channels, false);
    r.int_bias = read_vector<int32_t>(*bias, channels);
  } else if (bias_mode == kFloatBias) {
    check_vector(*bias, op, "bias", DType::F32, channels, false);
    r.float_bias = read_vector<float>(*bias, channels);
  }
  return r;
}

Requant make_raw(const char* op, const View& y, int64_t channels) {
  check_sum_type(op, "y", y);
  Requant r;
  r.raw = true;
  r.dtype = y.dtype;
  r.clamp = full_clamp(y.dtype);
  r.mult.assign(static_cast<size_t>(channels), 1.0f);
  r.int_bias.assign(static_cast<size_t>(channels), 0);
  return r;
}

void check_sums(const char* op, const View& sums, const View& y) {
  check_view(sums, op, "sums");
  check_sum_type(op, "sums", sums);
  check_same_shape(sums, y, op, "sums", "y");
}

void Requant::apply(const ElementOps& ops, const int64_t* acc, int64_t first, int64_t n, uint8_t* y,
                    int64_t stride, Sums sums) const {
  int64_t total[kBlock];
  const int32_t* b = int_bias.data() + first;
  for (int64_t i = 0; i < n; ++i) total[i] = acc[i] + b[i];
  finish(ops, total, first, n, y, stride, sums);
}

void Requant::finish(const ElementOps& ops, int64_t* total, int64_t first, int64_t n, uint8_t* y,
                     int64_t stride, Sums sums) const {
  if (sums.data != nullptr) {
    for (int64_t i = 0; i < n; ++i) total[i] += load_int(sums.data + i * sums.stride, sums.dtype);
  }
  if (raw) {
    const auto size = static_cast<size_t>(dtype_size(dtype));
    // Little-endian: the low bytes are the sum modulo the type's range.
    for (int64_t i = 0; i < n; ++i) std::memcpy(y + i * stride, total + i, size);
    return;
  }
  alignas(64) float v[kBlock];
  const float* m = mult.data() + first;
  for (int64_t i = 0; i < n; ++i) v[i] = static_cast<float>(total[i]) * m[i];
  if (bias_mode == kFloatBias) {
    const float* fb = float_bias.data() + first;
    for (int64_t i = 0; i < n; ++i) v[i] += fb[i];
  }
  ops.store(v, y, stride, dtype, divisor, zero_point, clamp, n);
}

void Requant::apply_biased(const ElementOps& ops, const int32_t* acc, int64_t first, int64_t n,
                           uint8_t* y, int64_t stride, Sums sums) const {
  if (raw || sums.data != nullptr) {
    int64_t total[kBlock];
    std::copy_n(acc, n, total);
    finish(ops, total, first, n, y, stride, sums);
    return;
  }
  alignas(64) float v[kBlock];
  const float* fb = bias_mode == kFloatBias ? float_bias.data() + first : nullptr;
  ops.scale_sums(acc, mult.data() + first, fb, v, n);
  ops.store(v, y, stride, dtype, divisor, zero_point, clamp, n);
}

}  // namespace pulsar2::kernels
