// Convolution in its plain form: the path for types and layouts that no faster one takes.

#include <algorithm>

#include "conv.h"

namespace pulsar2::kernels {
namespace {

constexpr int64_t kChannels = 256;  ///< output channels that are summed at a time

/// Weights as [group][tap][input channel][output channel], zero points subtracted.
std::vector<int32_t> unpack_weights(const ConvProblem& p) {
  const int64_t in = p.in_channels / p.group;
  const int64_t out = p.out_channels / p.group;
  std::vector<int32_t> w(static_cast<size_t>(p.out_channels * in * p.kernel_h * p.kernel_w));
  int32_t* q = w.data();
  for (int64_t g = 0; g < p.group; ++g) {
    for (int64_t kh = 0; kh < p.kernel_h; ++kh) {
      for (int64_t kw = 0; kw < p.kernel_w; ++kw) {
        for (int64_t i = 0; i < in; ++i) {
          for (int64_t o = g * out; o < (g + 1) * out; ++o) {
            const uint8_t* src = p.w.data + o * p.w.strides[0] + i * p.w.strides[1] +
                                 kh * p.w.strides[2] + kw * p.w.strides[3];
            *q++ =
                static_cast<int32_t>(load_int(src, p.w.dtype)) - p.w_zero[static_cast<size_t>(o)];
          }
        }
      }
    }
  }
  return w;
}

/// Sums of output channels [first, first + n) of one group at one output position.
void sum_position(const ConvProblem& p, const int32_t* w, int64_t image, int64_t g, int64_t first,
                  int64_t n, int64_t oh, int64_t ow, int64_t* acc) {
  const int64_t in = p.in_channels / p.group;
  const int64_t out = p.out_channels / p.group;
  std::fill_n(acc, n, 0);
  for (int64_t kh = 0; kh < p.kernel_h; ++kh) {
    const int64_t ih = oh * p.stride_h - p.pad_top + kh * p.dil_h;
    if (ih < 0 || ih >= p.in_h) continue;
    for (int64_t kw = 0; kw < p.kernel_w; ++kw) {
      const int64_t iw = ow * p.stride_w - p.pad_left + kw * p.dil_w;
      if (iw < 0 || iw >= p.in_w) continue;
      const uint8_t* src = p.x.data + image * p.x.strides[0] + g * in * p.x.strides[1] +
                           ih * p.x.strides[2] + iw * p.x.strides[3];
      const int32_t* tap = w + ((g * p.kernel_h + kh) * p.kernel_w + kw) * in * out + first;
      for (int64_t i = 0; i < in; ++i) {
        const int64_t v = load_int(src + i * p.x.strides[1], p.x.dtype) - p.x.zero_point;
        const int32_t* row = tap + i * out;
        for (int64_t o = 0; o < n; ++o) acc[o] += v * row[o];
      }
    }
  }
}

}  // namespace

void conv_general(const ConvProblem& p) {
  const std::vector<int32_t> w = unpack_weights(p);
  const ElementOps& ops = element_ops(p.isa);
  const int64_t out = p.out_channels / p.group;
  parallel_for(p.parallel, p.batch * p.out_h, 1, [&](int64_t begin, int64_t end) {
    int64_t acc[kChannels];
    for (int64_t row = begin; row < end; ++row) {
      const int64_t image = row / p.out_h;
      const int64_t oh = row % p.out_h;
      for (int64_t ow = 0; ow < p.out_w; ++ow) {
        const auto at = [&](const View& v) {
          return v.data + image * v.strides[0] + oh * v.strides[2] + ow * v.strides[3];
        };
        uint8_t* y = at(p.y);
        const uint8_t* sums = p.sums.data == nullptr ? nullptr : at(p.sums);
        for (int64_t g = 0; g < p.group; ++g) {
          for (int64_t o = 0; o < out; o += kChannels) {
            const int64_t n = std::min(kChannels, out - o);
            sum_position(p, w.data(), image, g, o, n, oh, ow, acc);
            const int64_t channel = g * out + o;
            const int64_t step = p.sums.strides[1];
            const Sums earlier = {sums == nullptr ? nullptr : sums + channel * step, step,
                                  p.sums.dtype};
            p.requant.apply(ops, acc, channel, n, y + channel * p.y.strides[1], p.y.strides[1],
                            earlier);
          }
        }
      }
    }
  });
}

}  // namespace pulsar2::kernels
