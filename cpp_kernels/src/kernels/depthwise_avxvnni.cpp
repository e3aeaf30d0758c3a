#if defined(__x86_64__)
#define PULSAR2_TARGET avxvnni
#define PULSAR2_TARGET_ID 2

#include "depthwise.h"
#include "intrinsics.h"
#include "target.h"

namespace pulsar2::kernels::avxvnni {
PULSAR2_TARGET_BEGIN
namespace {

struct Narrow {
  static constexpr int kBlock = 32;
  static constexpr int kRows = 4;
#include "depthwise_vector256.inc"
#include "depthwise_partial256.inc"
  static Ints dot(Ints acc, Ints x, Ints w) { return _mm256_dpbusd_avx_epi32(acc, x, w); }
#include "depthwise_quads256.inc"
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
const DepthwiseOps kDepthwiseOps = {DepthwiseKind::Quads, Narrow::kBlock, true, line};

PULSAR2_TARGET_END
}  // namespace pulsar2::kernels::avxvnni
#endif
