// Opcode 8: max and average pooling.

#include <algorithm>

#include "families.h"
#include "folder.h"

namespace pulsar2::kernels {
namespace {

struct PoolParams {
  int32_t kind, kh, kw, stride_h, stride_w, pad_top, pad_left, pad_bottom, pad_right, dil_h, dil_w,
      count_include_pad, clamp_lo, clamp_hi;
};

/// The kernel taps of one output position along one axis.
struct Taps {
  int64_t first;    ///< input position of tap 0, may be outside
  int64_t begin;    ///< first tap inside the input
  int64_t end;      ///< one past the last
  int64_t counted;  ///< taps inside input and explicit padding
};

Taps taps_at(int64_t out, int64_t size, int64_t kernel, int64_t stride, int64_t dilation,
             int64_t pad_begin, int64_t pad_end) {
  Taps t;
  t.first = out * stride - pad_begin;
  t.begin = t.first >= 0 ? 0 : (-t.first + dilation - 1) / dilation;
  t.end = t.first >= size ? 0 : std::min(kernel, (size - 1 - t.first) / dilation + 1);
  t.end = std::max(t.end, t.begin);
  const int64_t limit = size + pad_end;
  t.counted =
      t.first >= limit ? 0 : std::min(kernel, (limit - 1 - t.first) / dilation + 1);
  return t;
}

}  // namespace

void run_pool(const KernelCall& call) {
  check_counts(call, "pool", 2, 14);
  const View& x = call.operands[0];
  const View& y = call.operands[1];
  check_view(x, "pool", "x");
  check_view(y, "pool", "y");
  check_rank(x, "pool", "x", 4);
  check_rank(y, "pool", "y", 4);
  PoolParams p;
  static_assert(sizeof p == 14 * sizeof(int32_t), "one word per parameter");
  std::memcpy(&p, call.params, sizeof p);
  if (p.kind != 0 && p.kind != 1) fail("pool: no kind has number %d", p.kind);
  if (p.kh <= 0 || p.kw <= 0) fail("pool: kernel %d x %d", p.kh, p.kw);
  if (p.stride_h <= 0 || p.stride_w <= 0) fail("pool: strides %d x %d", p.stride_h, p.stride_w);
  if (p.dil_h <= 0 || p.dil_w <= 0) fail("pool: dilations %d x %d", p.dil_h, p.dil_w);
  if (x.shape[0] != y.shape[0] || x.shape[1] != y.shape[1]) {
    fail("pool: x is [%d, %d, ..], y is [%d, %d, ..]", x.shape[0], x.shape[1], y.shape[0],
         y.shape[1]);
  }
  const Clamp clamp = make_clamp(y.dtype, p.clamp_lo, p.clamp_hi);
  const Isa isa = current_isa();
  const bool average = p.kind == 1;
  const int64_t channels = x.shape[1];
  const int64_t rows = y.shape[2];
  const int64_t window = static_cast<int64_t>(p.kh) * p.kw;
  const int64_t row_work = channels * y.shape[3] * window;
  const int64_t grain = std::max<int64_t>(1, (1 << 15) / std::max<int64_t>(1, row_work));
  parallel_for(call.parallel, y.shape[0] * rows, grain, [&](int64_t begin, int64_t end) {
    Folder folder(x, y, average ? Fold::Sum : Fold::Max, clamp, isa, window);
    for (int64_t row = begin; row < end; ++row) {
      const int64_t batch = row / rows;
      const int64_t oh = row % rows;
      const Taps th =
          taps_at(oh, x.shape[2], p.kh, p.stride_h, p.dil_h, p.pad_top, p.pad_bottom);
      for (int64_t ow = 0; ow < y.shape[3]; ++ow) {
        const Taps tw =
            taps_at(ow, x.shape[3], p.kw, p.stride_w, p.dil_w, p.pad_left, p.pad_right);
        const int64_t valid = (th.end - th.begin) * (tw.end - tw.begin);
        const int64_t counted = p.count_include_pad != 0 ? th.counted * tw.counted : valid;
        for (int64_t c = 0; c < channels; c += Folder::kWidth) {
          const int64_t n = std::min(Folder::kWidth, channels - c);
          folder.reset(n);
          for (int64_t kh = th.begin; kh < th.end; ++kh) {
            const uint8_t* line = x.data + batch * x.strides[0] + c * x.strides[1] +
                                  (th.first + kh * p.dil_h) * x.strides[2];
            for (int64_t kw = tw.begin; kw < tw.end; ++kw) {
              folder.add(line + (tw.first + kw * p.dil_w) * x.strides[3], x.strides[1], n,
                         kh * p.kw + kw);
            }
          }
          uint8_t* out = y.data + batch * y.strides[0] + c * y.strides[1] + oh * y.strides[2] +
                         ow * y.strides[3];
          folder.finish(valid, average ? std::max<int64_t>(1, counted) : 1, out, y.strides[1], n);
        }
      }
    }
  });
}

}  // namespace pulsar2::kernels
