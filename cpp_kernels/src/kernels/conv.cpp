// Opcode 3: convolution of integers.

#include "conv.h"

#include "families.h"

namespace pulsar2::kernels {
namespace {

struct ConvParams {
  int32_t stride_h, stride_w, pad_top, pad_left, dil_h, dil_w, group, bias_mode, has_wzp, clamp_lo,
      clamp_hi;
};

/// Multiplication needs integers of at most 16 bits.
void check_factor(const View& view, const char* op, const char* name) {
  if (is_float(view.dtype) || view.dtype == DType::BOOL || dtype_size(view.dtype) > 2) {
    fail("%s: %s is %s, expected an 8- or 16-bit integer type", op, name, dtype_name(view.dtype));
  }
}

ConvProblem check_conv(const KernelCall& call) {
  constexpr const char* kOp = "conv";
  if (call.num_params != 11) fail("conv: expected 11 parameters, got %d", call.num_params);
  ConvParams c;
  static_assert(sizeof c == 11 * sizeof(int32_t), "one word per parameter");
  std::memcpy(&c, call.params, sizeof c);
  if (c.bias_mode < kNoBias || c.bias_mode > kFloatBias) fail("conv: bias mode %d", c.bias_mode);
  const int expected = 4 + (c.bias_mode != kNoBias) + (c.has_wzp != 0);
  check_counts(call, kOp, expected, 11);

  ConvProblem p;
  p.x = call.operands[0];
  p.w = call.operands[1];
  p.y = call.operands[2];
  check_view(p.x, kOp, "x");
  check_view(p.w, kOp, "w");
  check_view(p.y, kOp, "y");
  check_rank(p.x, kOp, "x", 4);
  check_rank(p.w, kOp, "w", 4);
  check_rank(p.y, kOp, "y", 4);
  check_factor(p.x, kOp, "x");
  check_factor(p.w, kOp, "w");
  p.batch = p.x.shape[0];
  p.in_channels = p.x.shape[1];
  p.in_h = p.x.shape[2];
  p.in_w = p.x.shape[3];
  p.out_channels = p.y.shape[1];
  p.out_h = p.y.shape[2];
  p.out_w = p.y.shape[3];
  p.kernel_h = p.w.shape[2];
  p.kernel_w = p.w.shape[3];
  p.stride_h = c.stride_h;
  p.stride_w = c.stride_w;
  p.pad_top = c.pad_top;
  p.pad_left = c.pad_left;
  p.dil_h = c.dil_h;
  p.dil_w = c.dil_w;
  p.group = c.group;
  p.parallel = call.parallel;
  p.state = call.state;
  p.constant_weights = (call.constant_operands >> 1 & 1) != 0;
  p.isa = current_isa();
  if (c.stride_h <= 0 || c.stride_w <= 0) fail("conv: strides %d x %d", c.stride_h, c.stride_w);
  if (c.dil_h <= 0 || c.dil_w <= 0) fail("conv: dilations %d x %d", c.dil_h, c.dil_w);
  if (p.y.shape[0] != p.x.shape[0]) {
    fail("conv: x has %d images, y %d", p.x.shape[0], p.y.shape[0]);
  }
  if (c.group <= 0 || p.in_channels % p.group != 0 || p.out_channels % p.group != 0) {
    fail("conv: group %d does not divide %d input and %d output channels", c.group, p.x.shape[1],
         p.y.shape[1]);
  }
  if (p.w.shape[0] != p.y.shape[1]) {
    fail("conv: w has %d output channels, y %d", p.w.shape[0], p.y.shape[1]);
  }
  if (p.w.shape[1] != p.in_channels / p.group) {
    fail("conv: w has %d input channels per group, x %lld", p.w.shape[1],
         static_cast<long long>(p.in_channels / p.group));
  }
  const View* bias = c.bias_mode != kNoBias ? &call.operands[4] : nullptr;
  p.requant = make_requant(kOp, p.y, p.out_channels, call.operands[3], bias, c.bias_mode,
                           c.clamp_lo, c.clamp_hi, false);
  p.w_zero.assign(static_cast<size_t>(p.out_channels), p.w.zero_point);
  if (c.has_wzp != 0) {
    const View& zero = call.operands[expected - 1];
    check_view(zero, kOp, "w_zp");
    check_rank(zero, kOp, "w_zp", 1);
    if (zero.dtype != DType::S32 || zero.shape[0] != p.w.shape[0]) {
      fail("conv: w_zp is %s[%d], expected S32[%d]", dtype_name(zero.dtype), zero.shape[0],
           p.w.shape[0]);
    }
    const IntRange range = dtype_range(p.w.dtype);
    for (int32_t o = 0; o < zero.shape[0]; ++o) {
      const int32_t z = load_as<int32_t>(zero.data + static_cast<int64_t>(o) * zero.strides[0]);
      if (z < range.lo || z > range.hi) {
        fail("conv: zero point %d of output channel %d does not fit %s", z, o,
             dtype_name(p.w.dtype));
      }
      p.w_zero[static_cast<size_t>(o)] = z;
    }
  }
  return p;
}

}  // namespace

void run_conv(const KernelCall& call) {
  const ConvProblem problem = check_conv(call);
  if (conv_depthwise(problem) || conv_gemm(problem)) return;
  conv_general(problem);
}

}  // namespace pulsar2::kernels
