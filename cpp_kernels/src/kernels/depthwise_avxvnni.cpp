#if defined(__x86_64__)
#define PULSAR2_TARGET avxvnni
#define PULSAR2_TARGET_ID 2

#include "depthwise.h"
#include "intrinsics.h"
#include "target.h"

namespace pulsar2::kernels::avxvnni {
PULSAR2_TARGET_BEGIN
namespace {

constexpr int kBlock = 32;

struct Narrow {
  static constexpr int kBytes = 32;
  using Ints = __m256i;
  using Mask = int64_t;  ///< the number of bytes
  static Mask mask(int64_t n) { return n; }
  static Ints bytes(int v) { return _mm256_set1_epi8(static_cast<char>(v)); }
  static Ints exclusive_or(Ints a, Ints b) { return _mm256_xor_si256(a, b); }
  static Ints load(const uint8_t* p, Mask n) {
    if (n == kBytes) return load_ints(p);
    alignas(32) uint8_t part[kBytes] = {};
    std::memcpy(part, p, static_cast<size_t>(n));
    return load_ints(part);
  }
  static Ints load_ints(const void* p) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(p));
  }
  static void store_ints(void* p, Ints v) { _mm256_storeu_si256(static_cast<__m256i*>(p), v); }
  static Ints dot(Ints acc, Ints x, Ints w) { return _mm256_dpbusd_avx_epi32(acc, x, w); }
  static void store(uint8_t* p, Ints v, Mask /*m*/, int64_t n) {
    if (n == kBytes) {
      store_ints(p, v);
      return;
    }
    alignas(32) uint8_t part[kBytes];
    store_ints(part, v);
    std::memcpy(p, part, static_cast<size_t>(n));
  }

#include "depthwise_requant256.inc"
};

#include "depthwise_spread.inc"

void tile(const DepthwiseTile& t) {
  for (int64_t c = 0; c < t.channels; c += kBlock) {
    const int64_t rest = t.channels - c;
    spread_vector<Narrow>(t, kBlock, c, rest < kBlock ? rest : kBlock);
  }
}

}  // namespace

extern const DepthwiseOps kDepthwiseOps;
const DepthwiseOps kDepthwiseOps = {DepthwiseKind::Spread, kBlock, tile};

PULSAR2_TARGET_END
}  // namespace pulsar2::kernels::avxvnni
#endif
