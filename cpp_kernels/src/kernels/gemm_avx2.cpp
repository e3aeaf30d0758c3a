#if defined(__x86_64__)
#define PULSAR2_TARGET avx2
#define PULSAR2_TARGET_ID 1

#include <cstring>

#include "gemm.h"
#include "intrinsics.h"
#include "target.h"

namespace pulsar2::kernels::avx2 {
PULSAR2_TARGET_BEGIN
namespace {

inline __m256i multiply_add(__m256i acc, __m256i a, __m256i b) {
  return _mm256_add_epi32(acc, _mm256_madd_epi16(a, b));
}

#include "gemm_pack_words.inc"
#include "gemm_tile256.inc"

}  // namespace

extern const GemmOps kGemmOps;
const GemmOps kGemmOps = {GemmKind::Dot2, 2, 2, 2, 1, tile, pack_a};

PULSAR2_TARGET_END
}  // namespace pulsar2::kernels::avx2
#endif
