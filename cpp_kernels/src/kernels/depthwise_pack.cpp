#include <cstdlib>

#include "depthwise.h"

namespace pulsar2::kernels {

PackedDepthwise pack_depthwise(const MatrixSource& source, const DepthwiseOps& ops) {
  PackedDepthwise p;
  p.kind = ops.kind;
  p.block = ops.block;
  const int64_t taps = source.taps_h * source.taps_w;
  const int64_t blocks = (source.columns + ops.block - 1) / ops.block;
  const int64_t steps = ops.kind == DepthwiseKind::Pairs ? (taps + 1) / 2 : taps;
  const int64_t step_bytes = int64_t{4} * ops.block / (ops.kind == DepthwiseKind::Plain ? 2 : 1);
  const auto size = static_cast<size_t>(blocks * steps * step_bytes);
  uint8_t* data = p.data.reserve(size);
  std::memset(data, 0, size);
  p.sum.assign(static_cast<size_t>(source.columns), 0);
  p.abs_sum.assign(static_cast<size_t>(source.columns), 0);
  for (int64_t channel = 0; channel < source.columns; ++channel) {
    const int c = static_cast<int>(channel % ops.block);
    const int position = packed_position(ops.kind, ops.block, c);
    uint8_t* block = data + channel / ops.block * steps * step_bytes;
    int32_t sum = 0;
    int64_t abs_sum = 0;
    for (int64_t t = 0; t < taps; ++t) {
      const uint8_t* src = source.data + channel * source.column_stride +
                           t / source.taps_w * source.tap_h_stride +
                           t % source.taps_w * source.tap_w_stride;
      const int32_t w =
          static_cast<int32_t>(load_int(src, source.dtype)) - source.zero[channel];
      sum += w;
      abs_sum += std::abs(w);
      switch (ops.kind) {
        case DepthwiseKind::Plain:
          store_as<int16_t>(block + t * step_bytes + 2 * position, static_cast<int16_t>(w));
          break;
        case DepthwiseKind::Pairs:
          store_as<int16_t>(block + t / 2 * step_bytes + 4 * position + t % 2 * 2,
                            static_cast<int16_t>(w));
          break;
        case DepthwiseKind::Spread:
          p.exact = p.exact && w >= -128 && w <= 127;
          // The byte of channel c in the one of four vectors that keeps c % 4.
          store_as<int8_t>(block + t * step_bytes + c % 4 * ops.block + c, static_cast<int8_t>(w));
          break;
      }
    }
    p.sum[static_cast<size_t>(channel)] = sum;
    p.abs_sum[static_cast<size_t>(channel)] = abs_sum;
  }
  return p;
}

}  // namespace pulsar2::kernels
