#if defined(__x86_64__)
#define PULSAR2_TARGET avxvnni
#define PULSAR2_TARGET_ID 2

#include <cstring>

#include "gemm.h"
#include "intrinsics.h"
#include "target.h"

namespace pulsar2::kernels::avxvnni {
PULSAR2_TARGET_BEGIN
namespace {

inline __m256i multiply_add(__m256i acc, __m256i a, __m256i b) {
  return _mm256_dpbusd_avx_epi32(acc, a, b);
}

#include "gemm_pack_bytes.inc"
#include "gemm_tile256.inc"

}  // namespace

extern const GemmOps kGemmOps;
const GemmOps kGemmOps = {GemmKind::Dot4, 4, 1, 1, 1, tile, pack_a};

PULSAR2_TARGET_END
}  // namespace pulsar2::kernels::avxvnni
#endif
