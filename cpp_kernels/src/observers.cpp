#include "pulsar2/observers.h"

#include <algorithm>
#include <cstring>

// The same source for the machine's wide and narrow vectors: minima and counts are exact, so the
// result does not depend on the choice.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__linux__)
#define PULSAR2_WIDE_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define PULSAR2_WIDE_CLONES
#endif

namespace pulsar2 {
namespace {

constexpr int kLanes = 32;  // enough independent lanes to hide the latency of min and max
constexpr int32_t kExponentMask = 0x7f800000;

struct Extremes {
  float min;
  float max;
  bool finite;
};

PULSAR2_WIDE_CLONES
Extremes extremes(const float* data, int64_t count) {
  float low[kLanes], high[kLanes];
  int32_t special[kLanes];
  for (int j = 0; j < kLanes; ++j) {
    low[j] = std::numeric_limits<float>::infinity();
    high[j] = -std::numeric_limits<float>::infinity();
    special[j] = 0;
  }
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const float* at = data + i;
    int32_t bits[kLanes];
    std::memcpy(bits, at, sizeof(bits));
    for (int j = 0; j < kLanes; ++j) {
      low[j] = at[j] < low[j] ? at[j] : low[j];
      high[j] = at[j] > high[j] ? at[j] : high[j];
      special[j] |= (bits[j] & kExponentMask) == kExponentMask ? -1 : 0;
    }
  }
  Extremes result{low[0], high[0], true};
  for (int j = 0; j < kLanes; ++j) {
    result.min = std::min(result.min, low[j]);
    result.max = std::max(result.max, high[j]);
    result.finite = result.finite && special[j] == 0;
  }
  for (; i < count; ++i) {
    int32_t bits;
    std::memcpy(&bits, data + i, sizeof(bits));
    result.finite = result.finite && (bits & kExponentMask) != kExponentMask;
    result.min = std::min(result.min, data[i]);
    result.max = std::max(result.max, data[i]);
  }
  return result;
}

}  // namespace

bool MinMaxObserver::observe(const float* data, int64_t count) {
  if (count <= 0) return true;
  const Extremes seen = extremes(data, count);
  if (!seen.finite) return false;
  min_ = std::min(min_, seen.min);
  max_ = std::max(max_, seen.max);
  count_ += count;
  return true;
}

void MinMaxObserver::merge(const MinMaxObserver& other) {
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
  count_ += other.count_;
}

}  // namespace pulsar2
