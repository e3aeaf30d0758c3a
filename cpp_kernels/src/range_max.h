#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace pulsar2 {

/// Numbers to which ranges are added, and which tell the greatest of a range; both in log(n).
class RangeMax {
 public:
  explicit RangeMax(size_t n) {
    while (leaves_ < n) leaves_ *= 2;
    most_.assign(2 * leaves_, 0);
    added_.assign(2 * leaves_, 0);
  }

  void add(size_t begin, size_t end, int64_t value) {
    if (begin < end) add(1, 0, leaves_, begin, end, value);
  }

  /// The greatest in [begin, end), which is not empty.
  int64_t most(size_t begin, size_t end) const { return most(1, 0, leaves_, begin, end); }

 private:
  // `most_` of a node has all that was added to it or below it, not what was added above.
  void add(size_t node, size_t low, size_t high, size_t begin, size_t end, int64_t value) {
    if (begin <= low && high <= end) {
      most_[node] += value;
      added_[node] += value;
      return;
    }
    const size_t middle = (low + high) / 2;
    if (begin < middle) add(2 * node, low, middle, begin, end, value);
    if (end > middle) add(2 * node + 1, middle, high, begin, end, value);
    most_[node] = std::max(most_[2 * node], most_[2 * node + 1]) + added_[node];
  }

  int64_t most(size_t node, size_t low, size_t high, size_t begin, size_t end) const {
    if (begin <= low && high <= end) return most_[node];
    const size_t middle = (low + high) / 2;
    int64_t found = INT64_MIN;
    if (begin < middle) found = most(2 * node, low, middle, begin, end);
    if (end > middle) found = std::max(found, most(2 * node + 1, middle, high, begin, end));
    return found + added_[node];
  }

  size_t leaves_ = 1;
  std::vector<int64_t> most_;
  std::vector<int64_t> added_;
};

}  // namespace pulsar2
