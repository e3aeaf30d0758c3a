// Opcode 4: matrix product of integers, or of f32.

#include "matmul.h"

#include <algorithm>

#include "families.h"

namespace pulsar2::kernels {
namespace {

MatmulProblem check_matmul(const KernelCall& call) {
  constexpr const char* kOp = "matmul";
  if (call.num_params != 3) fail("matmul: expected 3 parameters, got %d", call.num_params);
  const int32_t bias_mode = call.params[0];
  if (bias_mode < kNoBias || bias_mode > kFloatBias) fail("matmul: bias mode %d", bias_mode);
  check_counts(call, kOp, 4 + (bias_mode != kNoBias), 3);
  MatmulProblem p;
  p.a = call.operands[0];
  p.b = call.operands[1];
  p.y = call.operands[2];
  check_view(p.a, kOp, "a");
  check_view(p.b, kOp, "b");
  check_view(p.y, kOp, "y");
  const int rank = p.y.ndim;
  if (rank < 2) fail("matmul: y has rank %d, expected 2 or more", rank);
  check_rank(p.a, kOp, "a", rank);
  check_rank(p.b, kOp, "b", rank);
  p.batch_dims = rank - 2;
  p.m = p.y.shape[rank - 2];
  p.n = p.y.shape[rank - 1];
  p.k = p.a.shape[rank - 1];
  if (p.a.shape[rank - 2] != p.m || p.b.shape[rank - 2] != p.k || p.b.shape[rank - 1] != p.n) {
    fail("matmul: [%d, %d] x [%d, %d] does not give [%d, %d]", p.a.shape[rank - 2],
         p.a.shape[rank - 1], p.b.shape[rank - 2], p.b.shape[rank - 1], p.y.shape[rank - 2],
         p.y.shape[rank - 1]);
  }
  p.batch = 1;
  for (int d = 0; d < p.batch_dims; ++d) {
    for (View* view : {&p.a, &p.b}) {
      if (view->shape[d] == 1) {
        view->strides[d] = 0;
      } else if (view->shape[d] != p.y.shape[d]) {
        fail("matmul: batch dimension %d is %d, of y %d", d, view->shape[d], p.y.shape[d]);
      }
    }
    p.batch *= p.y.shape[d];
  }
  const View* bias = bias_mode != kNoBias ? &call.operands[4] : nullptr;
  p.requant = make_requant(kOp, p.y, p.n, call.operands[3], bias, bias_mode, call.params[1],
                           call.params[2], true);
  p.parallel = call.parallel;
  p.state = call.state;
  p.constant_b = (call.constant_operands >> 1 & 1) != 0;
  p.isa = current_isa();
  const bool floats = p.a.dtype == DType::F32 && p.b.dtype == DType::F32;
  if (floats && bias_mode == kIntBias) fail("matmul: an S32 bias beside F32 factors");
  for (const View* view : {&p.a, &p.b}) {
    if (floats) break;
    if (is_float(view->dtype) || view->dtype == DType::BOOL || dtype_size(view->dtype) > 2) {
      fail("matmul: %s x %s, expected 8- and 16-bit integers or two F32", dtype_name(p.a.dtype),
           dtype_name(p.b.dtype));
    }
  }
  return p;
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
  parallel_for(p.parallel, p.batch * p.m, 1, [&](int64_t begin, int64_t end) {
    int64_t acc[kColumns];
    for (int64_t row = begin; row < end; ++row) {
      const int64_t image = row / p.m;
      const int64_t i = row % p.m;
      const uint8_t* a = p.a.data + p.offset(p.a, image) + i * am;
      const uint8_t* b = p.b.data + p.offset(p.b, image);
      uint8_t* y = p.y.data + p.offset(p.y, image) + i * ym;
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
        p.requant.apply(ops, acc, first, n, y + first * yn, yn);
      }
    }
  });
}

void run_matmul(const KernelCall& call) {
  const MatmulProblem problem = check_matmul(call);
  if (problem.a.dtype == DType::F32) {
    matmul_float(problem);
  } else if (!matmul_gemm(problem)) {
    matmul_general(problem);
  }
}

}  // namespace pulsar2::kernels
