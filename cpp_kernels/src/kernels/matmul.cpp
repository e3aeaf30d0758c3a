// Opcodes 4 and 13: matrix product of integers or of f32, and of a part of its reduction.

#include "matmul.h"

#include <algorithm>

#include "families.h"

namespace pulsar2::kernels {
namespace {

constexpr int kMatmulParams = 4;
constexpr int kMatmulSumsParams = 1;

/// What matmul and matmul_sums have in common: their first operands.
MatmulProblem check_factors(const KernelCall& call, const char* op) {
  MatmulProblem p;
  p.a = call.operands[0];
  p.b = call.operands[1];
  p.y = call.operands[2];
  check_view(p.a, op, "a");
  check_view(p.b, op, "b");
  check_view(p.y, op, "y");
  const int rank = p.y.ndim;
  if (rank < 2) fail("%s: y has rank %d, expected 2 or more", op, rank);
  check_rank(p.a, op, "a", rank);
  check_rank(p.b, op, "b", rank);
  p.batch_dims = rank - 2;
  p.m = p.y.shape[rank - 2];
  p.n = p.y.shape[rank - 1];
  p.k = p.a.shape[rank - 1];
  if (p.a.shape[rank - 2] != p.m || p.b.shape[rank - 2] != p.k || p.b.shape[rank - 1] != p.n) {
    fail("%s: [%d, %d] x [%d, %d] does not give [%d, %d]", op, p.a.shape[rank - 2],
         p.a.shape[rank - 1], p.b.shape[rank - 2], p.b.shape[rank - 1], p.y.shape[rank - 2],
         p.y.shape[rank - 1]);
  }
  p.batch = 1;
  for (int d = 0; d < p.batch_dims; ++d) {
    for (View* view : {&p.a, &p.b}) {
      if (view->shape[d] == 1) {
        view->strides[d] = 0;
      } else if (view->shape[d] != p.y.shape[d]) {
        fail("%s: batch dimension %d is %d, of y %d", op, d, view->shape[d], p.y.shape[d]);
      }
    }
    p.batch *= p.y.shape[d];
  }
  p.parallel = call.parallel;
  p.state = call.state;
  p.constant_b = (call.constant_operands >> 1 & 1) != 0;
  p.isa = current_isa();
  return p;
}

void check_integers(const MatmulProblem& p, const char* op) {
  for (const View* view : {&p.a, &p.b}) {
    if (is_float(view->dtype) || view->dtype == DType::BOOL || dtype_size(view->dtype) > 2) {
      fail("%s: %s x %s, expected 8- and 16-bit integers", op, dtype_name(p.a.dtype),
           dtype_name(p.b.dtype));
    }
  }
}

constexpr int64_t kColumns = 256;

}  // namespace

void matmul_general(const MatmulProblem& p) {
  const ElementOps& ops = element_ops(p.isa);
  const int rank = p.y.ndim;
  const int64_t am = p.a.strides[rank - 2];
  const int64_t ak = p.a.strides[rank - 1];
  const int64_t bk = p.b.strides[rank - 2];
  const int64_t bn = p.b.strides[rank - 1];
  const int64_t ym = p.y.strides[rank - 2];
  const int64_t yn = p.y.strides[rank - 1];
  const int64_t sn = p.sums.strides[rank - 1];
  parallel_for(p.parallel, p.batch * p.m, 1, [&](int64_t begin, int64_t end) {
    int64_t acc[kColumns];
    for (int64_t row = begin; row < end; ++row) {
      const int64_t image = row / p.m;
      const int64_t i = row % p.m;
      const uint8_t* a = p.a.data + p.offset(p.a, image) + i * am;
      const uint8_t* b = p.b.data + p.offset(p.b, image);
      uint8_t* y = p.y.data + p.offset(p.y, image) + i * ym;
      const uint8_t* sums = p.sums.data;
      if (sums != nullptr) sums += p.offset(p.sums, image) + i * p.sums.strides[rank - 2];
      for (int64_t first = 0; first < p.n; first += kColumns) {
        const int64_t n = std::min(kColumns, p.n - first);
        std::fill_n(acc, n, 0);
        for (int64_t k = 0; k < p.k; ++k) {
          const int64_t v = load_int(a + k * ak, p.a.dtype) - p.a.zero_point;
          const uint8_t* line = b + k * bk + first * bn;
          for (int64_t j = 0; j < n; ++j) {
            acc[j] += v * (load_int(line + j * bn, p.b.dtype) - p.b.zero_point);
          }
        }
        const Sums earlier = {sums == nullptr ? nullptr : sums + first * sn, sn, p.sums.dtype};
        p.requant.apply(ops, acc, first, n, y + first * yn, yn, earlier);
      }
    }
  });
}

void run_matmul(const KernelCall& call) {
  constexpr const char* kOp = "matmul";
  if (call.num_params != kMatmulParams) {
    fail("matmul: expected %d parameters, got %d", kMatmulParams, call.num_params);
  }
  const int32_t bias_mode = call.params[0];
  const bool has_sums = call.params[1] != 0;
  if (bias_mode < kNoBias || bias_mode > kFloatBias) fail("matmul: bias mode %d", bias_mode);
  const bool has_bias = bias_mode != kNoBias;
  check_counts(call, kOp, 4 + has_bias + has_sums, kMatmulParams);
  MatmulProblem p = check_factors(call, kOp);
  const View* bias = has_bias ? &call.operands[4] : nullptr;
  p.requant = make_requant(kOp, p.y, p.n, call.operands[3], bias, bias_mode, call.params[2],
                           call.params[3], true);
  if (p.a.dtype == DType::F32 && p.b.dtype == DType::F32) {
    if (bias_mode == kIntBias) fail("matmul: an S32 bias beside F32 factors");
    // The order of an f32 sum is part of its result.
    if (has_sums) fail("matmul: sums of earlier parts beside F32 factors");
    matmul_float(p);
    return;
  }
  check_integers(p, kOp);
  if (has_sums) {
    p.sums = call.operands[4 + has_bias];
    check_sums(kOp, p.sums, p.y);
  }
  if (!matmul_gemm(p)) matmul_general(p);
}

void run_matmul_sums(const KernelCall& call) {
  constexpr const char* kOp = "matmul_sums";
  if (call.num_params != kMatmulSumsParams) {
    fail("matmul_sums: expected %d parameters, got %d", kMatmulSumsParams, call.num_params);
  }
  const bool has_sums = call.params[0] != 0;
  check_counts(call, kOp, 3 + has_sums, kMatmulSumsParams);
  MatmulProblem p = check_factors(call, kOp);
  check_integers(p, kOp);
  p.requant = make_raw(kOp, p.y, p.n);
  if (has_sums) {
    p.sums = call.operands[3];
    check_sums(kOp, p.sums, p.y);
  }
  if (!matmul_gemm(p)) matmul_general(p);
}

}  // namespace pulsar2::kernels
