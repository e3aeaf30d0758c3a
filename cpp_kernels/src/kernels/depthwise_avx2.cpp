#if defined(__x86_64__)
#define PULSAR2_TARGET avx2
#define PULSAR2_TARGET_ID 1

#include "depthwise.h"
#include "intrinsics.h"
#include "target.h"

namespace pulsar2::kernels::avx2 {
PULSAR2_TARGET_BEGIN
namespace {

struct Narrow {
  static constexpr int kBlock = 32;
  static constexpr int kRows = 2;
#include "depthwise_vector256.inc"
#include "depthwise_partial256.inc"
  static Ints dot(Ints acc, Ints x, Ints w) {
    return _mm256_add_epi32(acc, _mm256_madd_epi16(x, w));
  }
  /// Two rows of bytes: each dword becomes the two elements of one channel as s16.
  static void interleave(const Ints (&x)[2], Ints* out) {
    const Ints lo = _mm256_unpacklo_epi8(x[0], x[1]);
    const Ints hi = _mm256_unpackhi_epi8(x[0], x[1]);
    store_ints(out, _mm256_unpacklo_epi8(lo, zero()));
    store_ints(out + 1, _mm256_unpackhi_epi8(lo, zero()));
    store_ints(out + 2, _mm256_unpacklo_epi8(hi, zero()));
    store_ints(out + 3, _mm256_unpackhi_epi8(hi, zero()));
  }
};

#include "depthwise_line.inc"

void line(const DepthwiseLine& t) {
  for (int64_t c = 0; c < t.channels; c += Narrow::kBlock) {
    // The last vector overlaps the one before rather than being a partial one.
    const int64_t rest = t.channels - c;
    const bool whole = rest >= Narrow::kBlock || t.channels < Narrow::kBlock;
    const int64_t first = whole ? c : t.channels - Narrow::kBlock;
    run_channels<Narrow>(t, first, c, t.channels < Narrow::kBlock ? rest : Narrow::kBlock);
  }
}

}  // namespace

extern const DepthwiseOps kDepthwiseOps;
const DepthwiseOps kDepthwiseOps = {DepthwiseKind::Pairs, Narrow::kBlock, true, line};

PULSAR2_TARGET_END
}  // namespace pulsar2::kernels::avx2
#endif
