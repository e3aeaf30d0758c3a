#if defined(__x86_64__)
#define PULSAR2_TARGET avx2
#define PULSAR2_TARGET_ID 1

#include <cstring>

#include "byte_ops.h"
#include "intrinsics.h"
#include "target.h"

namespace pulsar2::kernels::avx2 {
PULSAR2_TARGET_BEGIN
namespace {

#include "byte_ops.inc"

/// Sixteen shuffles, one for each row of 16 entries; a row answers where the high half of the
/// index names it.
void lut(const uint8_t* table, const uint8_t* x, uint8_t* y, int64_t n) {
  const __m256i low = _mm256_set1_epi8(0x0f);
  int64_t i = 0;
  for (; i + 32 <= n; i += 32) {
    const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + i));
    const __m256i column = _mm256_and_si256(v, low);
    const __m256i row = _mm256_and_si256(_mm256_srli_epi16(v, 4), low);
    __m256i out = _mm256_setzero_si256();
    for (int r = 0; r < 16; ++r) {
      const __m256i entries = _mm256_broadcastsi128_si256(
          _mm_loadu_si128(reinterpret_cast<const __m128i*>(table + 16 * r)));
      const __m256i hit = _mm256_cmpeq_epi8(row, _mm256_set1_epi8(static_cast<char>(r)));
      out = _mm256_or_si256(out, _mm256_and_si256(hit, _mm256_shuffle_epi8(entries, column)));
    }
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(y + i), out);
  }
  for (; i < n; ++i) y[i] = table[x[i]];
}

}  // namespace

extern const ByteOps kByteOps;
const ByteOps kByteOps = {lut, max_bytes, sum_bytes};

PULSAR2_TARGET_END
}  // namespace pulsar2::kernels::avx2
#endif
