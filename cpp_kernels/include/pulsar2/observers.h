#pragma once

#include <cstdint>
#include <limits>

namespace pulsar2 {

/// The least and greatest of a stream of f32 numbers. Merging two observers gives what one would
/// have given that saw both streams, in any order.
class MinMaxObserver {
 public:
  /// Takes `count` numbers. False when one of them is not finite: the observer is then unchanged.
  bool observe(const float* data, int64_t count);
  void merge(const MinMaxObserver& other);

  int64_t count() const { return count_; }
  float min() const { return min_; }
  float max() const { return max_; }

 private:
  float min_ = std::numeric_limits<float>::infinity();
  float max_ = -std::numeric_limits<float>::infinity();
  int64_t count_ = 0;
};

}  // namespace pulsar2
