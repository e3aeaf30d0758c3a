#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <utility>

#include "common.h"

namespace pulsar2::kernels {

/// The common iteration space of N operands of one shape, for work whose order does not matter:
/// dimensions of size 1 are gone, the rest is ordered so that the first operand (the output) is
/// walked as contiguously as possible, and neighbours that are one run for every operand are
/// merged.
template <int N>
struct LoopNest {
  int ndim = 0;                  ///< outer dimensions, slowest first
  int64_t shape[kMaxDims] = {};  ///< their sizes
  int64_t stride[N][kMaxDims] = {};
  int64_t outer = 1;  ///< product of `shape`
  int64_t inner = 1;  ///< length of the innermost run
  int64_t inner_stride[N] = {};
  uint8_t* base[N] = {};

  struct Operand {
    uint8_t* data;
    const int32_t* strides;
  };

  LoopNest(int rank, const int32_t* sizes, const Operand (&operands)[N]) {
    struct Dim {
      int64_t size;
      int64_t stride[N];
    };
    Dim dims[kMaxDims];
    int n = 0;
    for (int k = 0; k < N; ++k) base[k] = operands[k].data;
    for (int d = 0; d < rank; ++d) {
      if (sizes[d] == 1) continue;
      dims[n].size = sizes[d];
      for (int k = 0; k < N; ++k) dims[n].stride[k] = operands[k].strides[d];
      ++n;
    }
    std::stable_sort(dims, dims + n, [](const Dim& a, const Dim& b) {
      for (int k = 0; k < N; ++k) {
        const int64_t sa = std::llabs(a.stride[k]);
        const int64_t sb = std::llabs(b.stride[k]);
        if (sa != sb) return sa > sb;
      }
      return false;
    });
    int m = 0;
    for (int d = 0; d < n; ++d) {
      bool merge = m > 0;
      for (int k = 0; k < N && merge; ++k) {
        merge = dims[m - 1].stride[k] == dims[d].stride[k] * dims[d].size;
      }
      if (merge) {
        const int64_t size = dims[m - 1].size * dims[d].size;
        dims[m - 1] = dims[d];
        dims[m - 1].size = size;
      } else {
        dims[m++] = dims[d];
      }
    }
    if (m == 0) return;
    // A short innermost run costs more than a strided one.
    if (dims[m - 1].size < 16) {
      int longest = m - 1;
      for (int d = 0; d < m; ++d) {
        if (dims[d].size > dims[longest].size) longest = d;
      }
      if (dims[longest].size >= 16) std::swap(dims[longest], dims[m - 1]);
    }
    inner = dims[m - 1].size;
    for (int k = 0; k < N; ++k) inner_stride[k] = dims[m - 1].stride[k];
    ndim = m - 1;
    for (int d = 0; d < ndim; ++d) {
      shape[d] = dims[d].size;
      outer *= dims[d].size;
      for (int k = 0; k < N; ++k) stride[k][d] = dims[d].stride[k];
    }
  }

  /// Calls body(pointers, n) for runs of at most `block` elements that cover the space.
  /// `grain` is the number of elements below which work is not worth a thread.
  template <typename Body>
  void run(Parallel* parallel, int64_t block, int64_t grain, const Body& body) const {
    const int64_t blocks = (inner + block - 1) / block;
    const int64_t per_item = std::min(inner, block);
    parallel_for(parallel, outer * blocks, std::max<int64_t>(1, grain / per_item),
                 [&](int64_t begin, int64_t end) { run_range(begin, end, blocks, block, body); });
  }

 private:
  template <typename Body>
  void run_range(int64_t begin, int64_t end, int64_t blocks, int64_t block,
                 const Body& body) const {
    int64_t index[kMaxDims] = {};
    uint8_t* row[N];
    int64_t rest = begin / blocks;
    int64_t part = begin % blocks;
    for (int d = ndim - 1; d >= 0; --d) {
      index[d] = rest % shape[d];
      rest /= shape[d];
    }
    for (int k = 0; k < N; ++k) {
      row[k] = base[k];
      for (int d = 0; d < ndim; ++d) row[k] += index[d] * stride[k][d];
    }
    for (int64_t item = begin; item < end; ++item) {
      const int64_t first = part * block;
      uint8_t* p[N];
      for (int k = 0; k < N; ++k) p[k] = row[k] + first * inner_stride[k];
      body(p, std::min(block, inner - first));
      if (++part < blocks) continue;
      part = 0;
      for (int d = ndim - 1; d >= 0; --d) {
        for (int k = 0; k < N; ++k) row[k] += stride[k][d];
        if (++index[d] < shape[d]) break;
        for (int k = 0; k < N; ++k) row[k] -= stride[k][d] * shape[d];
        index[d] = 0;
      }
    }
  }
};

}  // namespace pulsar2::kernels
