#include "folder.h"

#include <algorithm>
#include <limits>

#include "half.h"

namespace pulsar2::kernels {
namespace {

using FoldFn = void (*)(const uint8_t* p, int64_t stride, int64_t n, void* acc);

template <typename T>
T load_element(const uint8_t* p) {
  return load_as<T>(p);
}

/// An F16 in memory.
struct Half {
  uint16_t bits;
  operator float() const { return half_to_float(bits); }
};

template <typename T, typename A, Fold kFold>
void fold_run(const uint8_t* p, int64_t stride, int64_t n, void* state) {
  A* acc = static_cast<A*>(state);
  for (int64_t i = 0; i < n; ++i) {
    const A v = static_cast<A>(load_element<T>(p + i * stride));
    if constexpr (kFold == Fold::Sum) {
      acc[i] += v;
    } else if constexpr (kFold == Fold::Max) {
      acc[i] = acc[i] > v || acc[i] != acc[i] ? acc[i] : v;
    } else {
      acc[i] = acc[i] < v || acc[i] != acc[i] ? acc[i] : v;
    }
  }
}

/// The contiguous case apart, so that the compiler vectorizes it.
template <typename T, typename A, Fold kFold>
void fold_vector(const uint8_t* p, int64_t stride, int64_t n, void* state) {
  if (stride == static_cast<int64_t>(sizeof(T))) {
    fold_run<T, A, kFold>(p, sizeof(T), n, state);
  } else {
    fold_run<T, A, kFold>(p, stride, n, state);
  }
}

template <typename T, typename A>
FoldFn by_fold(Fold fold) {
  switch (fold) {
    case Fold::Sum:
      return fold_vector<T, A, Fold::Sum>;
    case Fold::Max:
      return fold_vector<T, A, Fold::Max>;
    default:
      return fold_vector<T, A, Fold::Min>;
  }
}

template <typename T>
FoldFn by_width(Fold fold, bool wide) {
  return wide ? by_fold<T, int64_t>(fold) : by_fold<T, int32_t>(fold);
}

FoldFn find_fold(DType dtype, Fold fold, bool wide) {
  switch (dtype) {
    case DType::U8:
    case DType::BOOL:
      return by_width<uint8_t>(fold, wide);
    case DType::S8:
      return by_width<int8_t>(fold, wide);
    case DType::U16:
      return by_width<uint16_t>(fold, wide);
    case DType::S16:
      return by_width<int16_t>(fold, wide);
    case DType::S32:
      return by_fold<int32_t, int64_t>(fold);
    case DType::U32:
      return by_fold<uint32_t, int64_t>(fold);
    case DType::S64:
      return by_fold<int64_t, int64_t>(fold);
    case DType::F32:
      return by_fold<float, float>(fold);
    case DType::F16:
      return by_fold<Half, float>(fold);
    default:
      fail("element type %s cannot be reduced", dtype_name(dtype));
  }
}

bool needs_wide(DType dtype, int64_t most) {
  if (is_float(dtype)) return false;
  const int size = dtype_size(dtype);
  return size > 2 || most > (size == 1 ? int64_t{1} << 23 : int64_t{1} << 15);
}

}  // namespace

Folder::Folder(const View& x, const View& y, Fold fold, const Clamp& clamp, Isa isa, int64_t most)
    : x_(x),
      y_(y),
      fold_(fold),
      clamp_(clamp),
      ops_(element_ops(isa)),
      float_(is_float(x.dtype)),
      wide_(needs_wide(x.dtype, most)),
      fold_fn_(find_fold(x.dtype, fold, wide_)) {}

void Folder::reset(int64_t n) {
  if (fold_ == Fold::Sum) {
    if (float_) {
      for (auto& lane : acc_.f32) std::fill_n(lane, n, 0.0f);
    } else if (wide_) {
      std::fill_n(acc_.i64, n, 0);
    } else {
      std::fill_n(acc_.i32, n, 0);
    }
    return;
  }
  const bool max = fold_ == Fold::Max;
  if (float_) {
    const float infinity = std::numeric_limits<float>::infinity();
    std::fill_n(acc_.f32[0], n, max ? -infinity : infinity);
    return;
  }
  const IntRange range = dtype_range(x_.dtype);
  const int64_t start = max ? range.lo : range.hi;
  if (wide_) {
    std::fill_n(acc_.i64, n, start);
  } else {
    std::fill_n(acc_.i32, n, static_cast<int32_t>(start));
  }
}

void Folder::add(const uint8_t* p, int64_t stride, int64_t n, int64_t index) {
  void* acc = &acc_;
  if (float_ && fold_ == Fold::Sum) acc = acc_.f32[index % 8];
  fold_fn_(p, stride, n, acc);
}

void Folder::finish_sum(int64_t valid, int64_t divisor, int64_t n) {
  const float count = static_cast<float>(divisor);
  if (float_) {
    const auto& a = acc_.f32;
    for (int64_t i = 0; i < n; ++i) {
      const float sum =
          ((a[0][i] + a[4][i]) + (a[2][i] + a[6][i])) + ((a[1][i] + a[5][i]) + (a[3][i] + a[7][i]));
      out_[i] = sum / count;
    }
    return;
  }
  const int64_t zero = static_cast<int64_t>(x_.zero_point) * valid;
  const float y_scale = is_float(y_.dtype) ? 1.0f : y_.scale;
  const float scaled_count = y_scale * count;
  const float factor = x_.scale / scaled_count;
  for (int64_t i = 0; i < n; ++i) {
    out_[i] = static_cast<float>(integer(i) - zero) * factor;
  }
}

void Folder::finish_extreme(uint8_t* y, int64_t stride, int64_t n) {
  const bool same = x_.dtype == y_.dtype && x_.scale == y_.scale && x_.zero_point == y_.zero_point;
  if (float_) {
    ops_.store(acc_.f32[0], y, stride, y_.dtype, y_.scale, y_.zero_point, clamp_, n);
  } else if (!same) {
    for (int64_t i = 0; i < n; ++i) {
      out_[i] = static_cast<float>(integer(i) - x_.zero_point) * x_.scale;
    }
    ops_.store(out_, y, stride, y_.dtype, y_.scale, y_.zero_point, clamp_, n);
  } else {
    const int size = dtype_size(y_.dtype);
    for (int64_t i = 0; i < n; ++i) {
      int64_t v = integer(i);
      v = std::min(std::max(v, clamp_.lo), clamp_.hi);
      std::memcpy(y + i * stride, &v, static_cast<size_t>(size));
    }
  }
}

void Folder::finish(int64_t valid, int64_t divisor, uint8_t* y, int64_t stride, int64_t n) {
  if (fold_ != Fold::Sum) {
    finish_extreme(y, stride, n);
    return;
  }
  finish_sum(valid, divisor, n);
  // The factor of an integer sum already holds the scale of y.
  const float scale = float_ ? y_.scale : 1.0f;
  ops_.store(out_, y, stride, y_.dtype, scale, y_.zero_point, clamp_, n);
}

}  // namespace pulsar2::kernels
