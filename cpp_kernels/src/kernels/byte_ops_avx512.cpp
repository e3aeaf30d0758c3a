#if defined(__x86_64__)
#define PULSAR2_TARGET avx512
#define PULSAR2_TARGET_ID 3

#include <cstring>

#include "byte_ops.h"
#include "intrinsics.h"
#include "target.h"

namespace pulsar2::kernels::avx512 {
PULSAR2_TARGET_BEGIN
namespace {

#include "byte_ops.inc"

void lut(const uint8_t* table, const uint8_t* x, uint8_t* y, int64_t n) {
  const __m512i t0 = _mm512_loadu_si512(table);
  const __m512i t1 = _mm512_loadu_si512(table + 64);
  const __m512i t2 = _mm512_loadu_si512(table + 128);
  const __m512i t3 = _mm512_loadu_si512(table + 192);
  for (int64_t i = 0; i < n; i += 64) {
    const __mmask64 mask = n - i >= 64 ? ~__mmask64{0} : (__mmask64{1} << (n - i)) - 1;
    const __m512i v = _mm512_maskz_loadu_epi8(mask, x + i);
    const __m512i lower = _mm512_permutex2var_epi8(t0, v, t1);
    const __m512i upper = _mm512_permutex2var_epi8(t2, v, t3);
    const __m512i out = _mm512_mask_blend_epi8(_mm512_movepi8_mask(v), lower, upper);
    _mm512_mask_storeu_epi8(y + i, mask, out);
  }
}

}  // namespace

extern const ByteOps kByteOps;
const ByteOps kByteOps = {lut, max_bytes, sum_bytes};

PULSAR2_TARGET_END
}  // namespace pulsar2::kernels::avx512
#endif
