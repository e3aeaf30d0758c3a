// Opcode 8: max and average pooling.

#include <algorithm>
#include <vector>

#include "byte_ops.h"
#include "element_ops.h"
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
  t.counted = t.first >= limit ? 0 : std::min(kernel, (limit - 1 - t.first) / dilation + 1);
  return t;
}

/// A checked pool job.
struct PoolProblem {
  View x;
  View y;
  PoolParams p;
  Clamp clamp;
  Isa isa;
  bool average;

  Taps rows_at(int64_t oh) const {
    return taps_at(oh, x.shape[2], p.kh, p.stride_h, p.dil_h, p.pad_top, p.pad_bottom);
  }
  Taps columns_at(int64_t ow) const {
    return taps_at(ow, x.shape[3], p.kw, p.stride_w, p.dil_w, p.pad_left, p.pad_right);
  }
  /// What an average divides by.
  int64_t divisor(const Taps& h, const Taps& w) const {
    if (!average) return 1;
    const int64_t valid = (h.end - h.begin) * (w.end - w.begin);
    return std::max<int64_t>(1, p.count_include_pad != 0 ? h.counted * w.counted : valid);
  }
  /// Address of a tap's channel 0.
  const uint8_t* tap(int64_t image, const Taps& h, int64_t kh, const Taps& w, int64_t kw) const {
    return x.data + image * x.strides[0] + (h.first + kh * p.dil_h) * x.strides[2] +
           (w.first + kw * p.dil_w) * x.strides[3];
  }
  uint8_t* output(int64_t image, int64_t oh, int64_t ow) const {
    return y.data + image * y.strides[0] + oh * y.strides[2] + ow * y.strides[3];
  }
};

/// One line of outputs, any types and strides.
void pool_line(const PoolProblem& q, Folder& folder, int64_t image, int64_t oh) {
  const View& x = q.x;
  const int64_t channels = x.shape[1];
  const Taps h = q.rows_at(oh);
  for (int64_t ow = 0; ow < q.y.shape[3]; ++ow) {
    const Taps w = q.columns_at(ow);
    const int64_t valid = (h.end - h.begin) * (w.end - w.begin);
    for (int64_t c = 0; c < channels; c += Folder::kWidth) {
      const int64_t n = std::min(Folder::kWidth, channels - c);
      folder.reset(n);
      for (int64_t kh = h.begin; kh < h.end; ++kh) {
        for (int64_t kw = w.begin; kw < w.end; ++kw) {
          folder.add(q.tap(image, h, kh, w, kw) + c * x.strides[1], x.strides[1], n,
                     kh * q.p.kw + kw);
        }
      }
      folder.finish(valid, q.divisor(h, w), q.output(image, oh, ow) + c * q.y.strides[1],
                    q.y.strides[1], n);
    }
  }
}

/// Whether pool_bytes_line takes the job: bytes with contiguous channels.
bool is_byte_pool(const PoolProblem& q) {
  const View& x = q.x;
  const View& y = q.y;
  if (!is_8bit(x.dtype) || x.strides[1] != 1 || y.strides[1] != dtype_size(y.dtype)) return false;
  if (q.average) return static_cast<int64_t>(q.p.kh) * q.p.kw <= kMostSummed;
  return x.dtype == y.dtype && x.scale == y.scale && x.zero_point == y.zero_point;
}

/// One line of outputs of bytes with contiguous channels. `taps` has room for a whole window.
void pool_bytes_line(const PoolProblem& q, int64_t image, int64_t oh,
                     std::vector<const uint8_t*>& taps) {
  const ByteOps& bytes = byte_ops(q.isa);
  const ElementOps& ops = element_ops(q.isa);
  const int64_t channels = q.x.shape[1];
  const bool is_signed = q.x.dtype == DType::S8;
  const float y_scale = is_float(q.y.dtype) ? 1.0f : q.y.scale;
  const Taps h = q.rows_at(oh);
  for (int64_t ow = 0; ow < q.y.shape[3]; ++ow) {
    const Taps w = q.columns_at(ow);
    taps.clear();
    for (int64_t kh = h.begin; kh < h.end; ++kh) {
      for (int64_t kw = w.begin; kw < w.end; ++kw) taps.push_back(q.tap(image, h, kh, w, kw));
    }
    uint8_t* out = q.output(image, oh, ow);
    const auto count = static_cast<int64_t>(taps.size());
    if (!q.average) {
      bytes.max(taps.data(), count, channels, is_signed, static_cast<int32_t>(q.clamp.lo),
                static_cast<int32_t>(q.clamp.hi), out);
      continue;
    }
    const float scaled_count = y_scale * static_cast<float>(q.divisor(h, w));
    const float factor = q.x.scale / scaled_count;
    const int32_t zero = q.x.zero_point * static_cast<int32_t>(count);
    for (int64_t c = 0; c < channels; c += kBlock) {
      const int64_t n = std::min(kBlock, channels - c);
      int32_t sums[kBlock];
      float v[kBlock];
      bytes.sum(taps.data(), count, n, is_signed, sums);
      for (int64_t i = 0; i < n; ++i) v[i] = static_cast<float>(sums[i] - zero) * factor;
      // The factor holds the scale of y.
      ops.store(v, out + c * q.y.strides[1], q.y.strides[1], q.y.dtype, 1.0f, q.y.zero_point,
                q.clamp, n);
      for (const uint8_t*& tap : taps) tap += n;
    }
  }
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
  const PoolProblem problem{
      x, y, p, make_clamp(y.dtype, p.clamp_lo, p.clamp_hi), current_isa(), p.kind == 1};
  const int64_t rows = y.shape[2];
  const int64_t window = static_cast<int64_t>(p.kh) * p.kw;
  const int64_t row_work = x.shape[1] * y.shape[3] * window;
  const int64_t grain = std::max<int64_t>(1, (1 << 15) / row_work);
  // An empty window has no largest byte.
  bool whole = true;
  for (int64_t oh = 0; oh < rows; ++oh) {
    const Taps t = problem.rows_at(oh);
    whole = whole && t.end > t.begin;
  }
  for (int64_t ow = 0; ow < y.shape[3]; ++ow) {
    const Taps t = problem.columns_at(ow);
    whole = whole && t.end > t.begin;
  }
  const bool by_bytes = whole && is_byte_pool(problem);
  parallel_for(call.parallel, y.shape[0] * rows, grain, [&](int64_t begin, int64_t end) {
    if (by_bytes) {
      std::vector<const uint8_t*> taps;
      taps.reserve(static_cast<size_t>(window));
      for (int64_t i = begin; i < end; ++i) pool_bytes_line(problem, i / rows, i % rows, taps);
    } else {
      Folder folder(x, y, problem.average ? Fold::Sum : Fold::Max, problem.clamp, problem.isa,
                    window);
      for (int64_t i = begin; i < end; ++i) pool_line(problem, folder, i / rows, i % rows);
    }
  });
}

}  // namespace pulsar2::kernels
