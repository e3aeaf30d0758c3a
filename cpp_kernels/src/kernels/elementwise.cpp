// Opcodes 5 (eltwise), 7 (unary) and 11 (convert): the literal dequantize, compute, quantize.

#include "element_ops.h"
#include "families.h"
#include "loop_nest.h"

namespace pulsar2::kernels {
namespace {

constexpr int64_t kGrain = 1 << 14;

void run_unary_fn(const KernelCall& call, const char* op, UnaryFn fn, float alpha, float beta,
                  int clamp_index) {
  const View& x = call.operands[0];
  const View& y = call.operands[1];
  check_view(x, op, "x");
  check_view(y, op, "y");
  check_same_shape(x, y, op, "x", "y");
  const Clamp clamp = make_clamp(y.dtype, call.params[clamp_index], call.params[clamp_index + 1]);
  const ElementOps& ops = element_ops(current_isa());
  const LoopNest<2> nest(y.ndim, y.shape, {{y.data, y.strides}, {x.data, x.strides}});
  nest.run(call.parallel, kBlock, kGrain, [&](uint8_t* const* p, int64_t n) {
    alignas(64) float in[kBlock];
    alignas(64) float out[kBlock];
    ops.load(p[1], nest.inner_stride[1], x.dtype, x.scale, x.zero_point, in, n);
    const float* result = in;
    if (fn != UnaryFn::Identity) {
      ops.unary(fn, alpha, beta, in, out, n);
      result = out;
    }
    ops.store(result, p[0], nest.inner_stride[0], y.dtype, y.scale, y.zero_point, clamp, n);
  });
}

/// Whether f32 holds every value of the type.
bool fits_f32(DType dtype) {
  return dtype != DType::S32 && dtype != DType::U32 && dtype != DType::S64;
}

/// Integers of equal quantization, at least one of them wider than f32's 24 bits: the value is
/// moved exactly and saturated.
void convert_exactly(const KernelCall& call, const Clamp& clamp) {
  const View& x = call.operands[0];
  const View& y = call.operands[1];
  const int size = dtype_size(y.dtype);
  const LoopNest<2> nest(y.ndim, y.shape, {{y.data, y.strides}, {x.data, x.strides}});
  nest.run(call.parallel, kBlock, kGrain, [&](uint8_t* const* p, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
      int64_t v = load_int(p[1] + i * nest.inner_stride[1], x.dtype);
      v = v < clamp.lo ? clamp.lo : v;
      v = v > clamp.hi ? clamp.hi : v;
      std::memcpy(p[0] + i * nest.inner_stride[0], &v, static_cast<size_t>(size));
    }
  });
}

}  // namespace

void run_eltwise(const KernelCall& call) {
  check_counts(call, "eltwise", 3, 3);
  const View& a = call.operands[0];
  const View& b = call.operands[1];
  const View& y = call.operands[2];
  check_view(a, "eltwise", "a");
  check_view(b, "eltwise", "b");
  check_view(y, "eltwise", "y");
  check_same_shape(a, y, "eltwise", "a", "y");
  check_same_shape(b, y, "eltwise", "b", "y");
  const int32_t number = call.params[0];
  if (number < 0 || number >= kNumBinaryFns) fail("eltwise: no function has number %d", number);
  const BinaryFn fn = static_cast<BinaryFn>(number);
  const Clamp clamp = make_clamp(y.dtype, call.params[1], call.params[2]);
  const ElementOps& ops = element_ops(current_isa());
  const LoopNest<3> nest(y.ndim, y.shape,
                         {{y.data, y.strides}, {a.data, a.strides}, {b.data, b.strides}});
  nest.run(call.parallel, kBlock, kGrain, [&](uint8_t* const* p, int64_t n) {
    alignas(64) float in_a[kBlock];
    alignas(64) float in_b[kBlock];
    alignas(64) float out[kBlock];
    ops.load(p[1], nest.inner_stride[1], a.dtype, a.scale, a.zero_point, in_a, n);
    ops.load(p[2], nest.inner_stride[2], b.dtype, b.scale, b.zero_point, in_b, n);
    ops.binary(fn, in_a, in_b, out, n);
    ops.store(out, p[0], nest.inner_stride[0], y.dtype, y.scale, y.zero_point, clamp, n);
  });
}

void run_unary(const KernelCall& call) {
  check_counts(call, "unary", 2, 5);
  const int32_t number = call.params[0];
  if (number < 0 || number >= kNumUnaryFns) fail("unary: no function has number %d", number);
  run_unary_fn(call, "unary", static_cast<UnaryFn>(number), float_from_bits(call.params[1]),
               float_from_bits(call.params[2]), 3);
}

void run_convert(const KernelCall& call) {
  check_counts(call, "convert", 2, 2);
  const View& x = call.operands[0];
  const View& y = call.operands[1];
  check_view(x, "convert", "x");
  check_view(y, "convert", "y");
  check_same_shape(x, y, "convert", "x", "y");
  if (!is_float(x.dtype) && !is_float(y.dtype) && x.scale == y.scale &&
      x.zero_point == y.zero_point && !(fits_f32(x.dtype) && fits_f32(y.dtype))) {
    convert_exactly(call, make_clamp(y.dtype, call.params[0], call.params[1]));
    return;
  }
  run_unary_fn(call, "convert", UnaryFn::Identity, 0.0f, 0.0f, 0);
}

}  // namespace pulsar2::kernels
