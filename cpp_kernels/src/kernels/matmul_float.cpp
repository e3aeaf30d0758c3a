// The f32 matrix product: products rounded to f32, element k in partial sum k mod 8.

#include <algorithm>

#include "matmul.h"

namespace pulsar2::kernels {
namespace {

constexpr int64_t kColumns = 64;

}  // namespace

void matmul_float(const MatmulProblem& p) {
  const ElementOps& ops = element_ops(p.isa);
  const Requant& q = p.requant;
  const int rank = p.y.ndim;
  const int64_t am = p.a.strides[rank - 2];
  const int64_t ak = p.a.strides[rank - 1];
  const int64_t bk = p.b.strides[rank - 2];
  const int64_t bn = p.b.strides[rank - 1];
  const int64_t ym = p.y.strides[rank - 2];
  const int64_t yn = p.y.strides[rank - 1];
  parallel_for(p.parallel, p.batch * p.m, 1, [&](int64_t begin, int64_t end) {
    float lane[8][kColumns];
    float v[kColumns];
    float b_row[kColumns];
    for (int64_t row = begin; row < end; ++row) {
      const int64_t image = row / p.m;
      const int64_t i = row % p.m;
      const uint8_t* a = p.a.data + p.offset(p.a, image) + i * am;
      const uint8_t* b = p.b.data + p.offset(p.b, image);
      uint8_t* y = p.y.data + p.offset(p.y, image) + i * ym;
      for (int64_t first = 0; first < p.n; first += kColumns) {
        const int64_t n = std::min(kColumns, p.n - first);
        for (auto& sums : lane) std::fill_n(sums, n, 0.0f);
        for (int64_t k = 0; k < p.k; ++k) {
          const float factor = load_as<float>(a + k * ak);
          ops.load(b + k * bk + first * bn, bn, DType::F32, 1.0f, 0, b_row, n);
          float* sums = lane[k % 8];
          for (int64_t j = 0; j < n; ++j) sums[j] += factor * b_row[j];
        }
        for (int64_t j = 0; j < n; ++j) {
          const float sum = ((lane[0][j] + lane[4][j]) + (lane[2][j] + lane[6][j])) +
                            ((lane[1][j] + lane[5][j]) + (lane[3][j] + lane[7][j]));
          v[j] = sum;
          if (q.bias_mode == kFloatBias) v[j] += q.float_bias[static_cast<size_t>(first + j)];
        }
        ops.store(v, y + first * yn, yn, q.dtype, p.y.scale, q.zero_point, q.clamp, n);
      }
    }
  });
}

}  // namespace pulsar2::kernels
