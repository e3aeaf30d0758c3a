#include "depthwise.h"

namespace pulsar2::kernels {
namespace portable {
namespace {

constexpr int kBlock = 32;

/// Sums of n channels of one output; w are the weights of their block.
template <typename T>
void sum_taps(const DepthwiseLine& t, int64_t pixel, int64_t channel, int64_t n,
              const uint8_t* weights, int32_t (&acc)[kBlock]) {
  std::memcpy(acc, t.offset + channel, sizeof acc);
  for (int64_t kh = 0; kh < t.kernel_h; ++kh) {
    for (int64_t kw = 0; kw < t.kernel_w; ++kw, weights += 2 * kBlock) {
      const int64_t column = t.first_column + pixel * t.stride + kw * t.dilation;
      const bool inside = t.rows[kh] != nullptr && column >= 0 && column < t.in_w;
      T x[kBlock] = {};
      std::memcpy(x, (inside ? t.rows[kh] + column * t.x_step : t.pad) + channel,
                  static_cast<size_t>(n));
      int16_t w[kBlock];
      std::memcpy(w, weights, sizeof w);
      for (int c = 0; c < kBlock; ++c) acc[c] += static_cast<int16_t>(x[c]) * w[c];
    }
  }
}

void requantize(const DepthwiseLine& t, int64_t channel, const int32_t (&acc)[kBlock],
                uint8_t (&out)[kBlock]) {
  const float lo = static_cast<float>(t.lo - t.zero_point);
  const float hi = static_cast<float>(t.hi - t.zero_point);
  for (int c = 0; c < kBlock; ++c) {
    float v = static_cast<float>(acc[c]) * t.mult[channel + c];
    v = v > lo ? v : lo;
    v = v < hi ? v : hi;
    // Rounds to nearest even: |v| is far below 2^22.
    const int32_t q = static_cast<int32_t>((v + 12582912.0f) - 12582912.0f);
    out[c] = static_cast<uint8_t>(q + t.zero_point);
  }
}

template <typename T>
void run_line(const DepthwiseLine& t) {
  for (int64_t channel = 0; channel < t.channels; channel += kBlock) {
    const int64_t n = t.channels - channel < kBlock ? t.channels - channel : kBlock;
    const uint8_t* weights = t.weights + channel * t.kernel_h * t.kernel_w * 2;
    for (int64_t pixel = 0; pixel < t.pixels; ++pixel) {
      int32_t acc[kBlock];
      sum_taps<T>(t, pixel, channel, n, weights, acc);
      if (t.raw != nullptr) {
        std::memcpy(t.raw + pixel * t.channels + channel, acc, static_cast<size_t>(n) * 4);
      } else {
        uint8_t out[kBlock];
        requantize(t, channel, acc, out);
        std::memcpy(t.y + pixel * t.y_step + channel, out, static_cast<size_t>(n));
      }
    }
  }
}

void line(const DepthwiseLine& t) { t.x_signed ? run_line<int8_t>(t) : run_line<uint8_t>(t); }

}  // namespace

extern const DepthwiseOps kDepthwiseOps;
const DepthwiseOps kDepthwiseOps = {DepthwiseKind::Plain, kBlock, false, line};

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
