#include "bin_counts.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "pulsar2/kernels/isa.h"
#include "wide_clones.h"
#if defined(__x86_64__)
#include "kernels/intrinsics.h"
#endif

namespace pulsar2 {
namespace {

constexpr int kLanes = 32;     // enough independent lanes to hide the latency of min and max
constexpr int64_t kSlack = 8;  // numbers that a vector may write beyond the last one
constexpr int32_t kBins = 2 * BinCounts::kHalf;

// How bins are found: floor(x / width) + kHalf, of a width that is a power of two. The quotient is
// exact unless it underflows, so truncation is made floor by comparing x itself.
struct Width {
  float width, inverse;

  int32_t bin(float x) const {
    const int32_t whole = static_cast<int32_t>(x * inverse);
    return whole - (x < static_cast<float>(whole) * width ? 1 : 0) + BinCounts::kHalf;
  }
};

Width width_of(int32_t exponent) {
  return {std::ldexp(1.0f, exponent), std::ldexp(1.0f, -exponent)};
}

// Writes the bins of the numbers that are not 0, one behind the other; how many there are.
using BinsOf = int64_t (*)(const float* data, int64_t count, Width width, int32_t* bins);

int64_t bins_portable(const float* data, int64_t count, Width width, int32_t* bins) {
  int64_t found = 0;
  for (int64_t i = 0; i < count; ++i) {
    bins[found] = width.bin(data[i]);
    found += data[i] != 0.0f ? 1 : 0;
  }
  return found;
}

#if defined(__x86_64__)
// By mask of eight lanes: the numbers of those that are set, a byte each.
struct SetLanes {
  uint64_t lanes[256];

  constexpr SetLanes() : lanes() {
    for (int mask = 0; mask < 256; ++mask) {
      int found = 0;
      for (int lane = 0; lane < 8; ++lane) {
        if ((mask >> lane & 1) == 0) continue;
        lanes[mask] |= static_cast<uint64_t>(lane) << (8 * found++);
      }
    }
  }
};

constexpr SetLanes kSetLanes;

__attribute__((target("avx2,popcnt"))) int64_t bins_avx2(const float* data, int64_t count,
                                                         Width width, int32_t* bins) {
  const __m256 wide = _mm256_set1_ps(width.width), inverse = _mm256_set1_ps(width.inverse);
  const __m256i half = _mm256_set1_epi32(BinCounts::kHalf);
  int64_t found = 0, i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m256 x = _mm256_loadu_ps(data + i);
    const __m256i whole = _mm256_cvttps_epi32(_mm256_mul_ps(x, inverse));
    const __m256 floors = _mm256_mul_ps(_mm256_cvtepi32_ps(whole), wide);
    const __m256i above = _mm256_castps_si256(_mm256_cmp_ps(x, floors, _CMP_LT_OQ));  // 0 or -1
    const __m256i bin = _mm256_add_epi32(_mm256_add_epi32(whole, above), half);
    const __m256 some = _mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_NEQ_UQ);
    const unsigned mask = static_cast<unsigned>(_mm256_movemask_ps(some));
    const __m128i lanes = _mm_cvtsi64_si128(static_cast<int64_t>(kSetLanes.lanes[mask]));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(bins + found),
                        _mm256_permutevar8x32_epi32(bin, _mm256_cvtepu8_epi32(lanes)));
    found += __builtin_popcount(mask);
  }
  return found + bins_portable(data + i, count - i, width, bins + found);
}
#endif

BinsOf bins_of() {
#if defined(__x86_64__)
  if (current_isa() != Isa::Portable) return bins_avx2;
#endif
  return bins_portable;
}

}  // namespace

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
  Extremes result;
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

BinCounts::BinCounts() : counters_(kTables * kBins) {}

void BinCounts::start(int32_t exponent) {
  zeros_ = 0;
  exponent_ = exponent;
}

void BinCounts::clear() { std::fill(counters_.begin(), counters_.end(), 0u); }

void BinCounts::widen(int32_t exponent) {
  if (exponent <= exponent_) return;
  const int32_t shift = std::min(exponent - exponent_, 30);
  std::vector<uint32_t> joined(counters_.size());
  for (int64_t table = 0; table < kTables; ++table) {
    for (int32_t i = 0; i < kBins; ++i) {
      // An arithmetic shift rounds down, as a wider bin does.
      joined[table * kBins + ((i - kHalf) >> shift) + kHalf] += counters_[table * kBins + i];
    }
  }
  counters_ = std::move(joined);
  exponent_ = exponent;
}

void BinCounts::count(const float* data, int64_t count) {
  const BinsOf find = bins_of();
  const Width width = width_of(exponent_);
  uint32_t* counters = counters_.data();
  int32_t bins[kBlock + kSlack];
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    const int64_t size = std::min(kBlock, count - begin);
    // Of what a ReLU gives, half are zeros: they need no counters.
    const int64_t found = find(data + begin, size, width, bins);
    zeros_ += size - found;
    int64_t i = 0;
    for (; i + kTables <= found; i += kTables) {
      for (int64_t table = 0; table < kTables; ++table) ++counters[table * kBins + bins[i + table]];
    }
    for (; i < found; ++i) ++counters[bins[i]];
  }
}

void BinCounts::move_to(std::vector<int64_t>& counts, float least, float greatest) {
  const Width width = width_of(exponent_);
  const int32_t first = width.bin(least), last = width.bin(greatest);
  for (int64_t table = 0; table < kTables; ++table) {
    uint32_t* counters = counters_.data() + table * kBins;
    for (int32_t i = first; i <= last; ++i) counts[i] += counters[i];
    std::fill(counters + first, counters + last + 1, 0u);
  }
  counts[kHalf] += zeros_;
}

}  // namespace pulsar2
