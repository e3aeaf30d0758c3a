#define PULSAR2_TARGET portable
#define PULSAR2_TARGET_ID 0

#include <cstring>

#include "gemm.h"
#include "target.h"

namespace pulsar2::kernels {
namespace portable {
namespace {

#include "gemm_pack_words.inc"

void store_bytes(const GemmTile& t, int64_t r, const int32_t* acc) {
  // Between the bounds, adding and subtracting 1.5 * 2^23 rounds to nearest even.
  const float lo = static_cast<float>(t.lo - t.zero_point);
  const float hi = static_cast<float>(t.hi - t.zero_point);
  for (int64_t c = 0; c < t.columns; ++c) {
    float v = static_cast<float>(acc[c]) * t.mult[c];
    v = v > lo ? v : lo;
    v = v < hi ? v : hi;
    const int32_t q = static_cast<int32_t>((v + 12582912.0f) - 12582912.0f);
    t.y[r][t.first + c] = static_cast<uint8_t>(q + t.zero_point);
  }
}

void tile(const GemmTile& t) {
  for (int64_t r = 0; r < t.rows; ++r) {
    int32_t acc[kPanel];
    std::memcpy(acc, t.offset, sizeof acc);
    const uint8_t* b = t.b;
    for (int64_t tap = 0; tap < t.taps; ++tap) {
      const uint8_t* a = t.a[tap * t.tap_pitch + r];
      for (int64_t g = 0; g < t.groups; ++g) {
        int16_t factor;
        std::memcpy(&factor, a + 2 * g, sizeof factor);
        int16_t row[kPanel];
        std::memcpy(row, b, sizeof row);
        b += sizeof row;
        for (int c = 0; c < kPanel; ++c) acc[c] += factor * row[c];
      }
    }
    if (t.raw != nullptr) {
      std::memcpy(t.raw + r * kRawPitch, acc, sizeof acc);
    } else {
      store_bytes(t, r, acc);
    }
  }
}

}  // namespace

extern const GemmOps kGemmOps;
const GemmOps kGemmOps = {GemmKind::Dot1, 1, 2, 2, 1, tile, pack_a};

}  // namespace portable

namespace avx2 {
extern const GemmOps kGemmOps;
}
namespace avxvnni {
extern const GemmOps kGemmOps;
}
namespace avx512 {
extern const GemmOps kGemmOps;
extern const GemmOps kWideGemmOps;
}  // namespace avx512

const GemmOps& gemm_ops(Isa isa) {
#if defined(__x86_64__)
  switch (isa) {
    case Isa::Avx2:
      return avx2::kGemmOps;
    case Isa::AvxVnni:
      return avxvnni::kGemmOps;
    case Isa::Avx512:
      return avx512::kGemmOps;
    default:
      break;
  }
#else
  (void)isa;
#endif
  return portable::kGemmOps;
}

const GemmOps& wide_gemm_ops(Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::Avx512) return avx512::kWideGemmOps;
  if (isa != Isa::Portable) return avx2::kGemmOps;
#else
  (void)isa;
#endif
  return portable::kGemmOps;
}

}  // namespace pulsar2::kernels
