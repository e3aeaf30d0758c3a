#pragma once

#include <cstdint>

#include "common.h"
#include "pulsar2/kernels/isa.h"
#include "requant.h"

namespace pulsar2::kernels {

/// A checked matmul or matmul_sums job. Batch dimensions come first in all three views; where one
/// of the factors has size 1 its stride has become 0.
struct MatmulProblem {
  View a;     ///< [.., M, K]
  View b;     ///< [.., K, N]
  View y;     ///< [.., M, N]
  View sums;  ///< of earlier parts of the reduction, as y; without data where there are none
  int batch_dims;
  int64_t batch, m, k, n;
  Requant requant;
  Parallel* parallel;
  std::unique_ptr<KernelState>* state;
  bool constant_b;  ///< the caller vouches that b has not changed since it gave `state`
  Isa isa;

  int64_t offset(const View& view, int64_t index) const {
    int64_t bytes = 0;
    for (int d = batch_dims - 1; d >= 0; --d) {
      bytes += index % y.shape[d] * view.strides[d];
      index /= y.shape[d];
    }
    return bytes;
  }
};

/// The product by tiles. Returns false for 8-bit factors whose sums may not fit s32.
bool matmul_gemm(const MatmulProblem& p);

/// Any integer types and strides; 64-bit sums.
void matmul_general(const MatmulProblem& p);

/// F32 factors: eight partial sums over k.
void matmul_float(const MatmulProblem& p);

}  // namespace pulsar2::kernels
