#if defined(__x86_64__)
#define PULSAR2_TARGET avx512
#define PULSAR2_TARGET_ID 3

#include <cstring>

#include "gemm.h"
#include "intrinsics.h"
#include "target.h"

namespace pulsar2::kernels::avx512 {
PULSAR2_TARGET_BEGIN
namespace {

namespace bytes {
#include "gemm_pack_bytes.inc"
}
namespace words {
#include "gemm_pack_words.inc"
}

/// Four products of u8 x s8 per s32.
struct Bytes {
  static __m512i dot(__m512i acc, __m512i a, __m512i b) { return _mm512_dpbusd_epi32(acc, a, b); }
};

/// Two products of s16 x s16 per s32.
struct Words {
  static __m512i dot(__m512i acc, __m512i a, __m512i b) { return _mm512_dpwssd_epi32(acc, a, b); }
};

/// Where the dword of channels 4 j .. 4 j + 3 lies after the in-lane packs of four vectors.
alignas(64) constexpr int32_t kUnpackOrder[16] = {0, 4, 8,  12, 1, 5, 9,  13,
                                                  2, 6, 10, 14, 3, 7, 11, 15};

template <int R, int P>
inline void store_bytes(const GemmTile& t, int64_t row, __m512i (&acc)[R][P]) {
  const __m512i order = _mm512_load_si512(kUnpackOrder);
  const __m512i zero_point = _mm512_set1_epi16(static_cast<int16_t>(t.zero_point));
  const __m512i lo = _mm512_set1_epi8(static_cast<char>(t.lo));
  const __m512i hi = _mm512_set1_epi8(static_cast<char>(t.hi));
  const __mmask64 mask = t.columns >= 64 ? ~__mmask64{0} : (__mmask64{1} << t.columns) - 1;
  PULSAR2_UNROLL
  for (int r = 0; r < R; ++r) {
    __m512i q[4];
    PULSAR2_UNROLL
    for (int p = 0; p < P; ++p) {
      const __m512 v =
          _mm512_mul_ps(_mm512_cvtepi32_ps(acc[r][p]), _mm512_loadu_ps(t.mult + p * kPanel));
      q[p] = _mm512_cvtps_epi32(v);
    }
    PULSAR2_UNROLL
    for (int p = P; p < 4; ++p) q[p] = q[P - 1];
    const __m512i w01 = _mm512_adds_epi16(_mm512_packs_epi32(q[0], q[1]), zero_point);
    const __m512i w23 = P > 2 ? _mm512_adds_epi16(_mm512_packs_epi32(q[2], q[3]), zero_point) : w01;
    __m512i bytes;
    if (t.is_signed) {
      bytes = _mm512_packs_epi16(w01, w23);
      bytes = _mm512_min_epi8(_mm512_max_epi8(bytes, lo), hi);
    } else {
      bytes = _mm512_packus_epi16(w01, w23);
      bytes = _mm512_min_epu8(_mm512_max_epu8(bytes, lo), hi);
    }
    _mm512_mask_storeu_epi8(t.y[row + r] + t.first, mask, _mm512_permutexvar_epi32(order, bytes));
  }
}

template <typename Factors, int R, int P>
void run_tile(const GemmTile& t, int64_t row) {
  __m512i acc[R][P];
  PULSAR2_UNROLL
  for (int p = 0; p < P; ++p) {
    const __m512i offset = _mm512_loadu_si512(t.offset + p * kPanel);
    PULSAR2_UNROLL
    for (int r = 0; r < R; ++r) acc[r][p] = offset;
  }
  const uint8_t* b = t.b;
  const int64_t panel = t.panel_bytes;
  for (int64_t tap = 0; tap < t.taps; ++tap) {
    const uint8_t* a[R];
    PULSAR2_UNROLL
    for (int r = 0; r < R; ++r) a[r] = t.a[tap * t.tap_pitch + row + r];
    for (int64_t g = 0; g < t.groups; ++g) {
      __m512i bv[P];
      PULSAR2_UNROLL
      for (int p = 0; p < P; ++p) bv[p] = _mm512_loadu_si512(b + p * panel);
      b += 4 * kPanel;
      PULSAR2_UNROLL
      for (int r = 0; r < R; ++r) {
        int32_t four;
        std::memcpy(&four, a[r] + 4 * g, sizeof four);
        const __m512i av = _mm512_set1_epi32(four);
        PULSAR2_UNROLL
        for (int p = 0; p < P; ++p) acc[r][p] = Factors::dot(acc[r][p], av, bv[p]);
      }
    }
  }
  if (t.raw != nullptr) {
    PULSAR2_UNROLL
    for (int r = 0; r < R; ++r) {
      PULSAR2_UNROLL
      for (int p = 0; p < P; ++p) {
        _mm512_storeu_si512(t.raw + (row + r) * kRawPitch + p * kPanel, acc[r][p]);
      }
    }
  } else {
    store_bytes<R, P>(t, row, acc);
  }
}

using TileFn = void (*)(const GemmTile& t, int64_t row);

template <typename Factors>
constexpr TileFn kTiles[kMaxPanels][kMaxTileRows] = {
    {run_tile<Factors, 1, 1>, run_tile<Factors, 2, 1>, run_tile<Factors, 3, 1>,
     run_tile<Factors, 4, 1>, run_tile<Factors, 5, 1>, run_tile<Factors, 6, 1>,
     run_tile<Factors, 7, 1>, run_tile<Factors, 8, 1>},
    {run_tile<Factors, 1, 2>, run_tile<Factors, 2, 2>, run_tile<Factors, 3, 2>,
     run_tile<Factors, 4, 2>, run_tile<Factors, 5, 2>, run_tile<Factors, 6, 2>,
     run_tile<Factors, 7, 2>, run_tile<Factors, 8, 2>},
    {run_tile<Factors, 1, 3>, run_tile<Factors, 2, 3>, run_tile<Factors, 3, 3>,
     run_tile<Factors, 4, 3>, run_tile<Factors, 5, 3>, run_tile<Factors, 6, 3>,
     run_tile<Factors, 7, 3>, run_tile<Factors, 8, 3>},
    {run_tile<Factors, 1, 4>, run_tile<Factors, 2, 4>, run_tile<Factors, 3, 4>,
     run_tile<Factors, 4, 4>, run_tile<Factors, 5, 4>, run_tile<Factors, 6, 4>, nullptr, nullptr},
};

constexpr int kRows[kMaxPanels + 1] = {0, 8, 8, 8, 6};

template <typename Factors>
void tile(const GemmTile& t) {
  const TileFn* fns = kTiles<Factors>[t.panels - 1];
  for_tiles(t.rows, kRows[t.panels], [&](int64_t row, int64_t n) { fns[n - 1](t, row); });
}

}  // namespace

extern const GemmOps kGemmOps;
extern const GemmOps kWideGemmOps;
const GemmOps kGemmOps = {GemmKind::Dot4, 4, 1, 1, kMaxPanels, tile<Bytes>, bytes::pack_a};
const GemmOps kWideGemmOps = {GemmKind::Dot2, 2, 2, 2, kMaxPanels, tile<Words>, words::pack_a};

PULSAR2_TARGET_END
}  // namespace pulsar2::kernels::avx512
#endif
