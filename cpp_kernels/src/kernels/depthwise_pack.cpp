#include <algorithm>
#include <cstdlib>

#include "depthwise.h"

namespace pulsar2::kernels {

PackedDepthwise pack_depthwise(const MatrixSource& source, const DepthwiseOps& ops) {
  PackedDepthwise p;
  p.ops = &ops;
  p.channels = source.columns;
  const bool plain = ops.kind == DepthwiseKind::Plain;
  const int64_t rows = rows_of_group(ops.kind);
  const int64_t groups = (source.taps_h + rows - 1) / rows;
  const int64_t blocks = (source.columns + ops.block - 1) / ops.block;
  const int64_t element = ops.kind == DepthwiseKind::Quads ? 1 : 2;
  const int64_t step = ops.block * rows * element;  // bytes of one tap column of one group
  const int64_t block_bytes = groups * source.taps_w * step;
  uint8_t* data = p.data.reserve(static_cast<size_t>(blocks * block_bytes));
  std::memset(data, 0, static_cast<size_t>(blocks * block_bytes));
  p.sum.assign(static_cast<size_t>(source.columns), 0);
  p.abs_sum.assign(static_cast<size_t>(source.columns), 0);
  for (int64_t b = 0; b < blocks; ++b) {
    const int64_t first = first_channel(ops, source.columns, b);
    const int64_t n = std::min<int64_t>(ops.block, source.columns - first);
    uint8_t* block = data + b * block_bytes;
    for (int64_t c = 0; c < n; ++c) {
      const int64_t channel = first + c;
      const int position = packed_position(ops.kind, ops.block, static_cast<int>(c));
      int32_t sum = 0;
      int64_t abs_sum = 0;
      for (int64_t kh = 0; kh < source.taps_h; ++kh) {
        for (int64_t kw = 0; kw < source.taps_w; ++kw) {
          const uint8_t* src = source.data + channel * source.column_stride +
                               kh * source.tap_h_stride + kw * source.tap_w_stride;
          const int32_t w =
              static_cast<int32_t>(load_int(src, source.dtype)) - source.zero[channel];
          sum += w;
          abs_sum += std::abs(w);
          const int64_t tap = plain ? kh * source.taps_w + kw : kw * groups + kh / rows;
          uint8_t* out = block + tap * step + (position * rows + kh % rows) * element;
          if (element == 1) {
            p.exact = p.exact && w >= -128 && w <= 127;
            store_as<int8_t>(out, static_cast<int8_t>(w));
          } else {
            store_as<int16_t>(out, static_cast<int16_t>(w));
          }
        }
      }
      p.sum[static_cast<size_t>(channel)] = sum;
      p.abs_sum[static_cast<size_t>(channel)] = abs_sum;
    }
  }
  return p;
}

}  // namespace pulsar2::kernels
