#if defined(__x86_64__)
#define PULSAR2_TARGET avx512
#define PULSAR2_TARGET_ID 3

#include "depthwise.h"
#include "intrinsics.h"
#include "target.h"

namespace pulsar2::kernels::avx512 {
PULSAR2_TARGET_BEGIN
namespace {

struct Wide {
  static constexpr int kBlock = 64;
  static constexpr int kBytes = 64;
  static constexpr int kRows = 4;
  static constexpr int kPixels = 4;
  using Ints = __m512i;
  using Mask = __mmask64;
  static Mask mask(int64_t n) { return n >= 64 ? ~Mask{0} : (Mask{1} << n) - 1; }
  static Ints zero() { return _mm512_setzero_si512(); }
  static Ints bytes(int v) { return _mm512_set1_epi8(static_cast<char>(v)); }
  static Ints words(int v) { return _mm512_set1_epi16(static_cast<int16_t>(v)); }
  static Ints exclusive_or(Ints a, Ints b) { return _mm512_xor_si512(a, b); }
  static Ints load(const uint8_t* p, Mask m) { return _mm512_maskz_loadu_epi8(m, p); }
  static Ints load_ints(const void* p) { return _mm512_loadu_si512(p); }
  static void store_ints(void* p, Ints v) { _mm512_storeu_si512(p, v); }
  static void store(uint8_t* p, Ints v, Mask m, int64_t /*n*/) { _mm512_mask_storeu_epi8(p, m, v); }
  static Ints dot(Ints acc, Ints x, Ints w) { return _mm512_dpbusd_epi32(acc, x, w); }
  static Ints scale(Ints acc, const float* mult) {
    return _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_cvtepi32_ps(acc), _mm512_loadu_ps(mult)));
  }
  static Ints pack(const Ints (&q)[4], Ints z, Ints lo, Ints hi, bool is_signed) {
    const Ints w01 = _mm512_adds_epi16(_mm512_packs_epi32(q[0], q[1]), z);
    const Ints w23 = _mm512_adds_epi16(_mm512_packs_epi32(q[2], q[3]), z);
    if (is_signed) {
      const Ints v = _mm512_packs_epi16(w01, w23);
      return _mm512_min_epi8(_mm512_max_epi8(v, lo), hi);
    }
    const Ints v = _mm512_packus_epi16(w01, w23);
    return _mm512_min_epu8(_mm512_max_epu8(v, lo), hi);
  }
  static void interleave(const Ints (&x)[4], Ints* out) {
    const Ints lo01 = _mm512_unpacklo_epi8(x[0], x[1]);
    const Ints hi01 = _mm512_unpackhi_epi8(x[0], x[1]);
    const Ints lo23 = _mm512_unpacklo_epi8(x[2], x[3]);
    const Ints hi23 = _mm512_unpackhi_epi8(x[2], x[3]);
    store_ints(out, _mm512_unpacklo_epi16(lo01, lo23));
    store_ints(out + 1, _mm512_unpackhi_epi16(lo01, lo23));
    store_ints(out + 2, _mm512_unpacklo_epi16(hi01, hi23));
    store_ints(out + 3, _mm512_unpackhi_epi16(hi01, hi23));
  }
};

struct Narrow {
  static constexpr int kBlock = 64;
  static constexpr int kRows = 4;
#include "depthwise_vector256.inc"
  using Mask = __mmask32;
  static Mask mask(int64_t n) { return n >= 32 ? ~Mask{0} : (Mask{1} << n) - 1; }
  static Ints load(const uint8_t* p, Mask m) { return _mm256_maskz_loadu_epi8(m, p); }
  static void store(uint8_t* p, Ints v, Mask m, int64_t /*n*/) { _mm256_mask_storeu_epi8(p, m, v); }
  static Ints dot(Ints acc, Ints x, Ints w) { return _mm256_dpbusd_epi32(acc, x, w); }
#include "depthwise_quads256.inc"
};

#include "depthwise_line.inc"

void line(const DepthwiseLine& t) {
  int64_t c = 0;
  for (; t.channels - c > 32; c += 64) {
    const int64_t rest = t.channels - c;
    run_channels<Wide>(t, c, c, rest < 64 ? rest : 64);
  }
  if (c < t.channels) run_channels<Narrow>(t, c, c, t.channels - c);
}

}  // namespace

extern const DepthwiseOps kDepthwiseOps;
const DepthwiseOps kDepthwiseOps = {DepthwiseKind::Quads, Wide::kBlock, false, line};

PULSAR2_TARGET_END
}  // namespace pulsar2::kernels::avx512
#endif
