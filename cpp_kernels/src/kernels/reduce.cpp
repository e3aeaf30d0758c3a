// Opcode 9: mean, sum, extremes and norms over a set of axes.

#include <algorithm>
#include <cstdlib>

#include "families.h"
#include "folder.h"
#include "reduce.h"

namespace pulsar2::kernels {
namespace {

/// A mixed-radix counter over some dimensions of x and y, with the byte offsets it stands at.
struct Walk {
  int ndim = 0;
  int64_t shape[kMaxDims];
  int64_t x_stride[kMaxDims];
  int64_t y_stride[kMaxDims];
  int64_t size = 1;

  void push(int64_t n, int64_t xs, int64_t ys) {
    shape[ndim] = n;
    x_stride[ndim] = xs;
    y_stride[ndim] = ys;
    ++ndim;
    size *= n;
  }

  void offsets(int64_t index, int64_t* x_offset, int64_t* y_offset) const {
    *x_offset = 0;
    *y_offset = 0;
    for (int d = ndim - 1; d >= 0; --d) {
      const int64_t i = index % shape[d];
      index /= shape[d];
      *x_offset += i * x_stride[d];
      *y_offset += i * y_stride[d];
    }
  }
};

}  // namespace

void run_reduce(const KernelCall& call) {
  check_counts(call, "reduce", 2, 4);
  const View& x = call.operands[0];
  const View& y = call.operands[1];
  check_view(x, "reduce", "x");
  check_view(y, "reduce", "y");
  check_rank(y, "reduce", "y", x.ndim);
  const int32_t kind = call.params[0];
  const int32_t mask = call.params[1];
  if (kind < kMean || kind > kLogSumExp) fail("reduce: no kind has number %d", kind);
  if (mask < 0 || mask >= 1 << x.ndim) fail("reduce: axes mask %d for rank %d", mask, x.ndim);
  const Clamp clamp = make_clamp(y.dtype, call.params[2], call.params[3]);

  // The kept dimension with the smallest stride in x becomes the vector.
  int vector = -1;
  for (int d = 0; d < x.ndim; ++d) {
    const bool reduced = (mask >> d & 1) != 0;
    const int32_t expected = reduced ? 1 : x.shape[d];
    if (y.shape[d] != expected) {
      fail("reduce: dimension %d of y is %d, expected %d", d, y.shape[d], expected);
    }
    if (reduced || x.shape[d] == 1) continue;
    if (vector < 0 || std::abs(x.strides[d]) < std::abs(x.strides[vector])) vector = d;
  }
  if (kind >= kL1) return reduce_rows(call, kind, static_cast<uint32_t>(mask), clamp);
  Walk outer;
  Walk inner;
  for (int d = 0; d < x.ndim; ++d) {
    if (x.shape[d] == 1 || d == vector) continue;
    if ((mask >> d & 1) != 0) {
      inner.push(x.shape[d], x.strides[d], 0);
    } else {
      outer.push(x.shape[d], x.strides[d], y.strides[d]);
    }
  }
  const int64_t width = vector < 0 ? 1 : x.shape[vector];
  const int64_t xs = vector < 0 ? 0 : x.strides[vector];
  const int64_t ys = vector < 0 ? 0 : y.strides[vector];
  const int64_t blocks = (width + Folder::kWidth - 1) / Folder::kWidth;
  const Fold fold = kind == kMax ? Fold::Max : kind == kMin ? Fold::Min : Fold::Sum;
  const int64_t divisor = kind == kMean ? inner.size : 1;
  const Isa isa = current_isa();
  const int64_t item_work = inner.size * std::min(width, Folder::kWidth);
  const int64_t grain = std::max<int64_t>(1, (1 << 15) / item_work);
  parallel_for(call.parallel, outer.size * blocks, grain, [&](int64_t begin, int64_t end) {
    Folder folder(x, y, fold, clamp, isa, inner.size);
    for (int64_t item = begin; item < end; ++item) {
      const int64_t first = item % blocks * Folder::kWidth;
      const int64_t n = std::min(Folder::kWidth, width - first);
      int64_t x_offset, y_offset;
      outer.offsets(item / blocks, &x_offset, &y_offset);
      const uint8_t* p = x.data + x_offset + first * xs;
      folder.reset(n);
      int64_t index[kMaxDims] = {};
      for (int64_t i = 0; i < inner.size; ++i) {
        folder.add(p, xs, n, i);
        for (int d = inner.ndim - 1; d >= 0; --d) {
          p += inner.x_stride[d];
          if (++index[d] < inner.shape[d]) break;
          p -= inner.x_stride[d] * inner.shape[d];
          index[d] = 0;
        }
      }
      folder.finish(inner.size, divisor, y.data + y_offset + first * ys, ys, n);
    }
  });
}

}  // namespace pulsar2::kernels
