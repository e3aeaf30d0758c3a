#include "common.h"

#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <limits>
#include <stdexcept>

namespace pulsar2::kernels {

void fail(const char* format, ...) {
  char text[512];
  va_list args;
  va_start(args, format);
  std::vsnprintf(text, sizeof text, format, args);
  va_end(args);
  throw std::invalid_argument(text);
}

const char* dtype_name(DType dtype) {
  static constexpr const char* kNames[] = {"U8",  "S8",  "U16", "S16",  "S32", "F32",
                                           "U32", "S64", "F16", "BOOL", "S4",  "U4"};
  const auto i = static_cast<size_t>(dtype);
  return i < sizeof kNames / sizeof kNames[0] ? kNames[i] : "?";
}

int dtype_size(DType dtype) {
  switch (dtype) {
    case DType::U8:
    case DType::S8:
    case DType::BOOL:
      return 1;
    case DType::U16:
    case DType::S16:
    case DType::F16:
      return 2;
    case DType::S32:
    case DType::U32:
    case DType::F32:
      return 4;
    case DType::S64:
      return 8;
    default:
      fail("element type %s has no whole number of bytes", dtype_name(dtype));
  }
}

bool is_float(DType dtype) { return dtype == DType::F32 || dtype == DType::F16; }

IntRange dtype_range(DType dtype) {
  switch (dtype) {
    case DType::U8:
      return {0, 255};
    case DType::S8:
      return {-128, 127};
    case DType::U16:
      return {0, 65535};
    case DType::S16:
      return {-32768, 32767};
    case DType::S32:
      return {std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()};
    case DType::U32:
      return {0, std::numeric_limits<uint32_t>::max()};
    case DType::S64:
      return {std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()};
    case DType::BOOL:
      return {0, 1};
    case DType::S4:
      return {-8, 7};
    case DType::U4:
      return {0, 15};
    default:
      fail("element type %s is not an integer", dtype_name(dtype));
  }
}

Clamp full_clamp(DType dtype) {
  Clamp clamp;
  clamp.flo = -std::numeric_limits<float>::infinity();
  clamp.fhi = std::numeric_limits<float>::infinity();
  if (!is_float(dtype)) {
    const IntRange range = dtype_range(dtype);
    clamp.lo = range.lo;
    clamp.hi = range.hi;
  }
  return clamp;
}

Clamp make_clamp(DType dtype, int32_t lo, int32_t hi) {
  Clamp clamp = full_clamp(dtype);
  if (lo == std::numeric_limits<int32_t>::min() && hi == std::numeric_limits<int32_t>::max()) {
    return clamp;
  }
  if (is_float(dtype)) {
    clamp.flo = float_from_bits(lo);
    clamp.fhi = float_from_bits(hi);
    if (!(clamp.flo <= clamp.fhi))
      fail("clamp bounds %g and %g are no range", clamp.flo, clamp.fhi);
  } else {
    clamp.lo = std::max<int64_t>(clamp.lo, lo);
    clamp.hi = std::min<int64_t>(clamp.hi, hi);
    if (clamp.lo > clamp.hi) {
      fail("clamp bounds [%d, %d] hold no value of type %s", lo, hi, dtype_name(dtype));
    }
  }
  return clamp;
}

void check_counts(const KernelCall& call, const char* op, int operands, int params) {
  if (call.num_operands != operands) {
    fail("%s: expected %d operands, got %d", op, operands, call.num_operands);
  }
  if (call.num_params != params) {
    fail("%s: expected %d parameters, got %d", op, params, call.num_params);
  }
}

void check_view(const View& view, const char* op, const char* name) {
  if (view.ndim < 0 || view.ndim > kMaxDims) fail("%s: %s has %d dimensions", op, name, view.ndim);
  for (int d = 0; d < view.ndim; ++d) {
    if (view.shape[d] <= 0) fail("%s: dimension %d of %s is %d", op, d, name, view.shape[d]);
  }
  dtype_size(view.dtype);
  if (view.data == nullptr) fail("%s: %s has no data", op, name);
  if (!(view.scale > 0) || !std::isfinite(view.scale)) {
    fail("%s: scale %g of %s is not positive and finite", op, view.scale, name);
  }
  if (is_float(view.dtype)) {
    if (view.zero_point != 0) fail("%s: %s is floating point but has a zero point", op, name);
    return;
  }
  IntRange range = dtype_range(view.dtype);
  if (view.dtype == DType::S64 || view.dtype == DType::BOOL) range = {0, 0};
  if (view.zero_point < range.lo || view.zero_point > range.hi) {
    fail("%s: zero point %d of %s does not fit %s", op, view.zero_point, name,
         dtype_name(view.dtype));
  }
}

void check_rank(const View& view, const char* op, const char* name, int rank) {
  if (view.ndim != rank) {
    fail("%s: %s has %d dimensions, expected %d", op, name, view.ndim, rank);
  }
}

void check_same_shape(const View& a, const View& b, const char* op, const char* a_name,
                      const char* b_name) {
  if (a.ndim != b.ndim) {
    fail("%s: %s has %d dimensions, %s has %d", op, a_name, a.ndim, b_name, b.ndim);
  }
  for (int d = 0; d < a.ndim; ++d) {
    if (a.shape[d] != b.shape[d]) {
      fail("%s: dimension %d of %s is %d, of %s %d", op, d, a_name, a.shape[d], b_name, b.shape[d]);
    }
  }
}

int64_t load_int(const uint8_t* p, DType dtype) {
  switch (dtype) {
    case DType::U8:
      return *p;
    case DType::BOOL:
      return *p != 0;
    case DType::S8:
      return load_as<int8_t>(p);
    case DType::U16:
      return load_as<uint16_t>(p);
    case DType::S16:
      return load_as<int16_t>(p);
    case DType::S32:
      return load_as<int32_t>(p);
    case DType::U32:
      return load_as<uint32_t>(p);
    case DType::S64:
      return load_as<int64_t>(p);
    default:
      fail("element type %s is not an integer", dtype_name(dtype));
  }
}

}  // namespace pulsar2::kernels
