#if defined(__x86_64__)
#define PULSAR2_TARGET avx512
#define PULSAR2_TARGET_ID 3

#include "depthwise.h"
#include "intrinsics.h"
#include "target.h"

namespace pulsar2::kernels::avx512 {
PULSAR2_TARGET_BEGIN
namespace {

constexpr int kBlock = 64;

struct Wide {
  static constexpr int kBytes = 64;
  using Ints = __m512i;
  using Mask = __mmask64;
  static Mask mask(int64_t n) { return n >= 64 ? ~Mask{0} : (Mask{1} << n) - 1; }
  static Ints bytes(int v) { return _mm512_set1_epi8(static_cast<char>(v)); }
  static Ints exclusive_or(Ints a, Ints b) { return _mm512_xor_si512(a, b); }
  static Ints load(const uint8_t* p, Mask m) { return _mm512_maskz_loadu_epi8(m, p); }
  static Ints load_ints(const void* p) { return _mm512_loadu_si512(p); }
  static void store_ints(void* p, Ints v) { _mm512_storeu_si512(p, v); }
  static Ints dot(Ints acc, Ints x, Ints w) { return _mm512_dpbusd_epi32(acc, x, w); }
  static Ints scale(Ints acc, const float* mult) {
    return _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_cvtepi32_ps(acc), _mm512_loadu_ps(mult)));
  }
  static Ints pack(const Ints (&q)[4], int32_t zero_point, int32_t lo, int32_t hi,
                   bool is_signed) {
    const Ints zero = _mm512_set1_epi16(static_cast<int16_t>(zero_point));
    const Ints w01 = _mm512_adds_epi16(_mm512_packs_epi32(q[0], q[1]), zero);
    const Ints w23 = _mm512_adds_epi16(_mm512_packs_epi32(q[2], q[3]), zero);
    Ints v;
    if (is_signed) {
      v = _mm512_packs_epi16(w01, w23);
      v = _mm512_min_epi8(_mm512_max_epi8(v, bytes(lo)), bytes(hi));
    } else {
      v = _mm512_packus_epi16(w01, w23);
      v = _mm512_min_epu8(_mm512_max_epu8(v, bytes(lo)), bytes(hi));
    }
    const __m128i order =
        _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_shuffle_epi8(v, _mm512_broadcast_i32x4(order));
  }
  static void store(uint8_t* p, Ints v, Mask m, int64_t /*n*/) {
    _mm512_mask_storeu_epi8(p, m, v);
  }
};

struct Narrow {
  static constexpr int kBytes = 32;
  using Ints = __m256i;
  using Mask = __mmask32;
  static Mask mask(int64_t n) { return n >= 32 ? ~Mask{0} : (Mask{1} << n) - 1; }
  static Ints bytes(int v) { return _mm256_set1_epi8(static_cast<char>(v)); }
  static Ints exclusive_or(Ints a, Ints b) { return _mm256_xor_si256(a, b); }
  static Ints load(const uint8_t* p, Mask m) { return _mm256_maskz_loadu_epi8(m, p); }
  static Ints load_ints(const void* p) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(p));
  }
  static void store_ints(void* p, Ints v) { _mm256_storeu_si256(static_cast<__m256i*>(p), v); }
  static Ints dot(Ints acc, Ints x, Ints w) { return _mm256_dpbusd_epi32(acc, x, w); }
  static void store(uint8_t* p, Ints v, Mask m, int64_t /*n*/) {
    _mm256_mask_storeu_epi8(p, m, v);
  }

#include "depthwise_requant256.inc"
};

#include "depthwise_spread.inc"

void tile(const DepthwiseTile& t) {
  int64_t c = 0;
  for (; t.channels - c > 32; c += 64) {
    const int64_t rest = t.channels - c;
    spread_vector<Wide>(t, kBlock, c, rest < 64 ? rest : 64);
  }
  if (c < t.channels) spread_vector<Narrow>(t, kBlock, c, t.channels - c);
}

}  // namespace

extern const DepthwiseOps kDepthwiseOps;
const DepthwiseOps kDepthwiseOps = {DepthwiseKind::Spread, kBlock, tile};

PULSAR2_TARGET_END
}  // namespace pulsar2::kernels::avx512
#endif
