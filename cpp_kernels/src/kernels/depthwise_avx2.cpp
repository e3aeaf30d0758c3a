#if defined(__x86_64__)
#define PULSAR2_TARGET avx2
#define PULSAR2_TARGET_ID 1

#include "depthwise.h"
#include "intrinsics.h"
#include "target.h"

namespace pulsar2::kernels::avx2 {
PULSAR2_TARGET_BEGIN
namespace {

constexpr int kBlock = 16;

template <bool kSigned>
inline __m256i widen(const uint8_t* p, int64_t n) {
  __m128i v;
  if (n == kBlock) {
    v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  } else {
    alignas(16) uint8_t part[kBlock] = {};
    std::memcpy(part, p, static_cast<size_t>(n));
    v = _mm_load_si128(reinterpret_cast<const __m128i*>(part));
  }
  return kSigned ? _mm256_cvtepi8_epi16(v) : _mm256_cvtepu8_epi16(v);
}

inline __m256i load_ints(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}

inline __m256i scale(__m256i acc, const float* mult) {
  return _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_cvtepi32_ps(acc), _mm256_loadu_ps(mult)));
}

void finish(const DepthwiseTile& t, int64_t pixel, int64_t channel, int64_t n, __m256i even,
            __m256i odd) {
  if (t.raw != nullptr) {
    alignas(32) int32_t sums[kBlock];
    _mm256_store_si256(reinterpret_cast<__m256i*>(sums), _mm256_permute2x128_si256(even, odd, 0x20));
    _mm256_store_si256(reinterpret_cast<__m256i*>(sums + 8),
                       _mm256_permute2x128_si256(even, odd, 0x31));
    std::memcpy(t.raw + pixel * t.channels + channel, sums, static_cast<size_t>(n) * 4);
    return;
  }
  const __m256i zero = _mm256_set1_epi16(static_cast<int16_t>(t.zero_point));
  const __m256i words = _mm256_adds_epi16(
      _mm256_packs_epi32(scale(even, t.mult + channel), scale(odd, t.mult + channel + 8)), zero);
  const __m256i lo = _mm256_set1_epi8(static_cast<char>(t.lo));
  const __m256i hi = _mm256_set1_epi8(static_cast<char>(t.hi));
  __m256i bytes;
  if (t.y_signed) {
    bytes = _mm256_packs_epi16(words, words);
    bytes = _mm256_min_epi8(_mm256_max_epi8(bytes, lo), hi);
  } else {
    bytes = _mm256_packus_epi16(words, words);
    bytes = _mm256_min_epu8(_mm256_max_epu8(bytes, lo), hi);
  }
  const __m128i out = _mm256_castsi256_si128(_mm256_permute4x64_epi64(bytes, 0x08));
  uint8_t* y = t.y[pixel] + channel;
  if (n == kBlock) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(y), out);
  } else {
    alignas(16) uint8_t part[kBlock];
    _mm_store_si128(reinterpret_cast<__m128i*>(part), out);
    std::memcpy(y, part, static_cast<size_t>(n));
  }
}

template <bool kSigned>
void run_tile(const DepthwiseTile& t) {
  const int64_t pairs = (t.taps + 1) / 2;
  for (int64_t channel = 0; channel < t.channels; channel += kBlock) {
    const int64_t n = t.channels - channel < kBlock ? t.channels - channel : kBlock;
    const uint8_t* weights = t.weights + channel * pairs * 4;
    for (int64_t pixel = 0; pixel < t.pixels; ++pixel) {
      const uint8_t* x = t.x[pixel] + channel;
      const int64_t* offsets = t.offsets[pixel];
      __m256i even = load_ints(t.offset + channel);
      __m256i odd = load_ints(t.offset + channel + 8);
      const uint8_t* w = weights;
      int64_t tap = 0;
      for (; tap + 1 < t.taps; tap += 2, w += 64) {
        const __m256i a = widen<kSigned>(x + offsets[tap], n);
        const __m256i b = widen<kSigned>(x + offsets[tap + 1], n);
        even = _mm256_add_epi32(even, _mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), load_ints(w)));
        odd = _mm256_add_epi32(odd,
                               _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), load_ints(w + 32)));
      }
      if (tap < t.taps) {
        const __m256i a = widen<kSigned>(x + offsets[tap], n);
        const __m256i b = _mm256_setzero_si256();
        even = _mm256_add_epi32(even, _mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), load_ints(w)));
        odd = _mm256_add_epi32(odd,
                               _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), load_ints(w + 32)));
      }
      finish(t, pixel, channel, n, even, odd);
    }
  }
}

void tile(const DepthwiseTile& t) { t.x_signed ? run_tile<true>(t) : run_tile<false>(t); }

}  // namespace

extern const DepthwiseOps kDepthwiseOps;
const DepthwiseOps kDepthwiseOps = {DepthwiseKind::Pairs, kBlock, tile};

PULSAR2_TARGET_END
}  // namespace pulsar2::kernels::avx2
#endif
