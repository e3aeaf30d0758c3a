#include "depthwise.h"

namespace pulsar2::kernels {
namespace portable {
namespace {

constexpr int kBlock = 32;

template <typename T>
void run_tile(const DepthwiseTile& t) {
  for (int64_t channel = 0; channel < t.channels; channel += kBlock) {
    const int64_t n = t.channels - channel < kBlock ? t.channels - channel : kBlock;
    const uint8_t* weights = t.weights + channel * t.taps * 2;
    for (int64_t pixel = 0; pixel < t.pixels; ++pixel) {
      int32_t acc[kBlock];
      std::memcpy(acc, t.offset + channel, sizeof acc);
      for (int64_t tap = 0; tap < t.taps; ++tap) {
        T x[kBlock] = {};
        std::memcpy(x, t.x[pixel] + channel + t.offsets[pixel][tap], static_cast<size_t>(n));
        int16_t w[kBlock];
        std::memcpy(w, weights + tap * 2 * kBlock, sizeof w);
        for (int c = 0; c < kBlock; ++c) acc[c] += static_cast<int16_t>(x[c]) * w[c];
      }
      if (t.raw != nullptr) {
        std::memcpy(t.raw + pixel * t.channels + channel, acc, static_cast<size_t>(n) * 4);
        continue;
      }
      const float lo = static_cast<float>(t.lo - t.zero_point);
      const float hi = static_cast<float>(t.hi - t.zero_point);
      uint8_t out[kBlock];
      for (int c = 0; c < kBlock; ++c) {
        float v = static_cast<float>(acc[c]) * t.mult[channel + c];
        v = v > lo ? v : lo;
        v = v < hi ? v : hi;
        // Rounds to nearest even: |v| is far below 2^22.
        const int32_t q = static_cast<int32_t>((v + 12582912.0f) - 12582912.0f);
        out[c] = static_cast<uint8_t>(q + t.zero_point);
      }
      std::memcpy(t.y[pixel] + channel, out, static_cast<size_t>(n));
    }
  }
}

void tile(const DepthwiseTile& t) {
  t.x_signed ? run_tile<int8_t>(t) : run_tile<uint8_t>(t);
}

}  // namespace

extern const DepthwiseOps kDepthwiseOps;
const DepthwiseOps kDepthwiseOps = {DepthwiseKind::Plain, kBlock, tile};

}  // namespace portable

namespace avx2 {
extern const DepthwiseOps kDepthwiseOps;
}
namespace avxvnni {
extern const DepthwiseOps kDepthwiseOps;
}
namespace avx512 {
extern const DepthwiseOps kDepthwiseOps;
}

const DepthwiseOps& depthwise_ops(Isa isa) {
#if defined(__x86_64__)
  switch (isa) {
    case Isa::Avx2:
      return avx2::kDepthwiseOps;
    case Isa::AvxVnni:
      return avxvnni::kDepthwiseOps;
    case Isa::Avx512:
      return avx512::kDepthwiseOps;
    default:
      break;
  }
#else
  (void)isa;
#endif
  return portable::kDepthwiseOps;
}

}  // namespace pulsar2::kernels
