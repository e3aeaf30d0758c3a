#include "pulsar2/observers.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>

#include "bin_counts.h"
#include "wide_clones.h"

namespace pulsar2 {
namespace {

BinCounts& counts_of_thread() {
  thread_local BinCounts counts;
  return counts;
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
  BinCounts& counts = counts_of_thread();
  counts.start(exponent_);
  MinMaxObserver seen;
  for (int64_t begin = 0; begin < count; begin += BinCounts::kBlock) {
    const int64_t size = std::min(BinCounts::kBlock, count - begin);
    if (!seen.observe(data + begin, size)) {
      counts.clear();
      return false;
    }
    const float greatest = std::max(std::fabs(seen.min()), std::fabs(seen.max()));
    if (greatest > 0.0f) {  // zeros fit bins of any width
      int exponent = 0;
      std::frexp(greatest, &exponent);
      counts.widen(exponent - 11);  // 2^11 = kHalf
    }
    counts.count(data + begin, size);
  }
  extremes_.merge(seen);
  grow(counts.exponent());
  counts.move_to(counts_, seen.min(), seen.max());
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
    for (int64_t at = 0; at + channels <= count; at += channels) {
      if (!raise_maxima(data + at, channels, seen.data())) return false;
    }
  } else {
    for (int64_t at = 0; at + inner_ <= count; at += inner_) {
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

ObserverSet::ObserverSet(std::vector<std::shared_ptr<TensorObserver>> observers,
                         std::vector<int64_t> sizes)
    : observers_(std::move(observers)), sizes_(std::move(sizes)) {}

Seen ObserverSet::observe(size_t index, const float* data, int64_t count) {
  if (index >= observers_.size()) {
    throw std::out_of_range("there is no observer of tensor " + std::to_string(index));
  }
  TensorObserver& observer = *observers_[index];
  if (!observer.observe(data, count)) {
    const bool nan = std::any_of(data, data + count, [](float x) { return std::isnan(x); });
    return nan ? Seen::Nan : Seen::Infinite;
  }
  observer.forget_zeros(count - sizes_[index]);
  return Seen::Finite;
}

}  // namespace pulsar2
