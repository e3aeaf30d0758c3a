#include "pulsar2/observers.h"

#include <algorithm>
#include <cmath>
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

constexpr int64_t kBlock = 4096;

// The bins of `count` numbers: floor(x / width) + kHalf, of a width that is a power of two. The
// quotient is exact unless it underflows, so truncation is made floor by comparing x itself.
PULSAR2_WIDE_CLONES
void bins_of(const float* data, int64_t count, float width, float inverse_width, int32_t* bins) {
  for (int64_t i = 0; i < count; ++i) {
    const int32_t whole = static_cast<int32_t>(data[i] * inverse_width);
    const int32_t above = data[i] < static_cast<float>(whole) * width ? 1 : 0;
    bins[i] = whole - above + HistogramObserver::kHalf;
  }
}

// Counters for each bin, more than one so that equal neighbours do not wait for each other.
constexpr int64_t kTables = 4;

// kTables tables of counters, all 0; who counts in them sets them to 0 again. Clearing them all for
// each of many small tensors would take longer than counting does.
uint32_t* zero_counters() {
  thread_local std::vector<uint32_t> counters(kTables * 2 * HistogramObserver::kHalf);
  return counters.data();
}

// Raises maxima[i] to the magnitude of data[i]; whether all numbers are finite.
PULSAR2_WIDE_CLONES
bool raise_maxima(const float* data, int64_t count, float* maxima) {
  int32_t special = 0;
  for (int64_t i = 0; i < count; ++i) {
    int32_t bits;
    std::memcpy(&bits, data + i, sizeof(bits));
    special |= (bits & kExponentMask) == kExponentMask ? 1 : 0;
    const float magnitude = std::fabs(data[i]);
    maxima[i] = magnitude > maxima[i] ? magnitude : maxima[i];
  }
  return special == 0;
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

bool HistogramObserver::observe(const float* data, int64_t count) {
  if (count <= 0) return true;
  MinMaxObserver seen;
  if (!seen.observe(data, count)) return false;
  extremes_.merge(seen);
  const float greatest = std::max(std::fabs(seen.min()), std::fabs(seen.max()));
  if (greatest > 0.0f) {  // zeros fit bins of any width
    int exponent = 0;
    std::frexp(greatest, &exponent);
    grow(exponent - 11);  // 2^11 = kHalf
  }
  const float width = std::ldexp(1.0f, exponent_), inverse_width = std::ldexp(1.0f, -exponent_);
  uint32_t* counters = zero_counters();
  int32_t bins[kBlock];
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    const int64_t size = std::min(kBlock, count - begin);
    bins_of(data + begin, size, width, inverse_width, bins);
    int64_t i = 0;
    for (; i + kTables <= size; i += kTables) {
      for (int64_t table = 0; table < kTables; ++table) {
        ++counters[table * 2 * kHalf + bins[i + table]];
      }
    }
    for (; i < size; ++i) ++counters[bins[i]];
  }
  int32_t ends[2];
  const float least_and_greatest[2] = {seen.min(), seen.max()};
  bins_of(least_and_greatest, 2, width, inverse_width, ends);
  for (int32_t i = ends[0]; i <= ends[1]; ++i) {
    for (int64_t table = 0; table < kTables; ++table) {
      uint32_t& counter = counters[table * 2 * kHalf + i];
      counts_[i] += counter;
      counter = 0;
    }
  }
  return true;
}

void HistogramObserver::merge(const HistogramObserver& other) {
  HistogramObserver wide = other;
  wide.grow(exponent_);
  grow(other.exponent_);
  extremes_.merge(other.extremes_);
  for (int32_t i = 0; i < 2 * kHalf; ++i) counts_[i] += wide.counts_[i];
}

ChannelObserver::ChannelObserver(int64_t channels, int64_t inner)
    : inner_(inner), maxima_(static_cast<size_t>(channels)) {}

bool ChannelObserver::observe(const float* data, int64_t count) {
  const int64_t channels = static_cast<int64_t>(maxima_.size());
  std::vector<float> seen = maxima_;
  if (inner_ == 1) {
    for (int64_t at = 0; at < count; at += channels) {
      if (!raise_maxima(data + at, channels, seen.data())) return false;
    }
  } else {
    for (int64_t at = 0; at < count; at += inner_) {
      const Extremes found = extremes(data + at, inner_);
      if (!found.finite) return false;
      float& greatest = seen[static_cast<size_t>(at / inner_ % channels)];
      greatest = std::max({greatest, -found.min, found.max});
    }
  }
  maxima_ = std::move(seen);
  return true;
}

void ChannelObserver::merge(const ChannelObserver& other) {
  for (size_t i = 0; i < maxima_.size(); ++i) {
    maxima_[i] = std::max(maxima_[i], other.maxima_[i]);
  }
}

void HistogramObserver::forget_zeros(int64_t count) { counts_[kHalf] -= count; }

void HistogramObserver::grow(int32_t exponent) {
  if (exponent <= exponent_) return;
  const int32_t shift = std::min(exponent - exponent_, 30);
  std::vector<int64_t> joined(2 * kHalf);
  for (int32_t i = 0; i < 2 * kHalf; ++i) {
    // An arithmetic shift rounds down, as a wider bin does.
    joined[((i - kHalf) >> shift) + kHalf] += counts_[i];
  }
  counts_ = std::move(joined);
  exponent_ = exponent;
}

}  // namespace pulsar2
