#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "pulsar2/kernel.h"

namespace pulsar2::kernels {

/// Throws std::invalid_argument with a printf-formatted text.
[[noreturn]] void fail(const char* format, ...) __attribute__((format(printf, 1, 2)));

const char* dtype_name(DType dtype);
int dtype_size(DType dtype);  ///< in bytes; throws for the packed 4-bit types
bool is_float(DType dtype);
inline bool is_8bit(DType dtype) { return dtype == DType::U8 || dtype == DType::S8; }

/// Smallest and largest value of an integer type.
struct IntRange {
  int64_t lo;
  int64_t hi;
};
IntRange dtype_range(DType dtype);

inline float float_from_bits(int32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

/// The clamp of a job's result. For integer outputs the bounds are storage integers, intersected
/// with the type's range; for F32 outputs the words are f32 bits. In both, the pair
/// (INT32_MIN, INT32_MAX) means that nothing is clamped.
struct Clamp {
  int64_t lo = 0;
  int64_t hi = 0;
  float flo = 0;
  float fhi = 0;
};
Clamp make_clamp(DType dtype, int32_t lo, int32_t hi);
Clamp full_clamp(DType dtype);

/// Throws unless the job has exactly this many operands and parameters.
void check_counts(const KernelCall& call, const char* op, int operands, int params);
/// Throws unless the view has legal dimensions, a positive finite scale and a zero point that its
/// type can hold.
void check_view(const View& view, const char* op, const char* name);
void check_rank(const View& view, const char* op, const char* name, int rank);
void check_same_shape(const View& a, const View& b, const char* op, const char* a_name,
                      const char* b_name);

inline int64_t num_elements(const View& view) {
  int64_t n = 1;
  for (int d = 0; d < view.ndim; ++d) n *= view.shape[d];
  return n;
}

/// Calls body(begin, end) over sub-ranges of [0, n) of at least `grain` items, in parallel if the
/// caller gave threads.
template <typename Body>
void parallel_for(Parallel* parallel, int64_t n, int64_t grain, Body&& body) {
  if (n <= 0) return;
  if (parallel == nullptr || n <= grain) {
    body(int64_t{0}, n);
    return;
  }
  using B = std::remove_reference_t<Body>;
  parallel->run(
      n, grain,
      [](void* context, int64_t begin, int64_t end) { (*static_cast<B*>(context))(begin, end); },
      const_cast<std::remove_const_t<B>*>(&body));
}

/// One integer element, widened.
int64_t load_int(const uint8_t* p, DType dtype);

template <typename T>
T load_as(const uint8_t* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

template <typename T>
void store_as(uint8_t* p, T value) {
  std::memcpy(p, &value, sizeof value);
}

}  // namespace pulsar2::kernels
