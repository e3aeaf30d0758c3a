#pragma once

#include <cstdint>
#include <limits>
#include <vector>

namespace pulsar2 {

constexpr int32_t kExponentMask = 0x7f800000;  ///< of an f32: all set in infinities and NaN

/// The least and greatest of some numbers; `finite` when none of them is a NaN or an infinity,
/// without which the others mean nothing.
struct Extremes {
  float min = std::numeric_limits<float>::infinity();
  float max = -std::numeric_limits<float>::infinity();
  bool finite = true;
};

Extremes extremes(const float* data, int64_t count);

/// Counts of numbers by bins [i * 2^exponent, (i + 1) * 2^exponent), -kHalf <= i < kHalf, that one
/// thread makes of one tensor.
class BinCounts {
 public:
  static constexpr int32_t kHalf = 2048;
  /// So many numbers stay, with their bins, in the first cache.
  static constexpr int64_t kBlock = 2048;

  BinCounts();

  /// Begins to count with bins of that width. Nothing is counted yet: counts were taken or cleared.
  void start(int32_t exponent);
  /// Joins bins until they are 2^exponent wide, if they are narrower.
  void widen(int32_t exponent);
  /// Counts finite numbers, which all have bins.
  void count(const float* data, int64_t count);
  /// Moves the counts, of numbers from `least` to `greatest`, to `counts` [2 * kHalf]. It does not
  /// look at other bins: for each of many small tensors that would take longer than counting does.
  void move_to(std::vector<int64_t>& counts, float least, float greatest);
  /// Forgets what was counted.
  void clear();

  int32_t exponent() const { return exponent_; }

 private:
  // More than one counter for each bin, so that equal neighbours do not wait for each other.
  static constexpr int64_t kTables = 2;

  std::vector<uint32_t> counters_;  ///< [kTables, 2 * kHalf]
  int64_t zeros_ = 0;
  int32_t exponent_ = 0;
};

}  // namespace pulsar2
