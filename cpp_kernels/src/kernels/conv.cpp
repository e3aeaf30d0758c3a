// Opcodes 3 and 12: convolution of integers, and of a part of its input channels.

#include "conv.h"

#include "families.h"

namespace pulsar2::kernels {
namespace {

/// The parameters that conv and conv_sums begin with.
struct WindowParams {
  int32_t stride_h, stride_w, pad_top, pad_left, dil_h, dil_w, group;
};
constexpr int kWindowParams = sizeof(WindowParams) / sizeof(int32_t);
constexpr int kConvParams = kWindowParams + 5;
constexpr int kConvSumsParams = kWindowParams + 2;

/// Multiplication needs integers of at most 16 bits.
void check_factor(const View& view, const char* op, const char* name) {
  if (is_float(view.dtype) || view.dtype == DType::BOOL || dtype_size(view.dtype) > 2) {
    fail("%s: %s is %s, expected an 8- or 16-bit integer type", op, name, dtype_name(view.dtype));
  }
}

/// What conv and conv_sums have in common: their first operands and parameters.
ConvProblem check_window(const KernelCall& call, const char* op) {
  WindowParams c;
  std::memcpy(&c, call.params, sizeof c);
  ConvProblem p;
  p.x = call.operands[0];
  p.w = call.operands[1];
  p.y = call.operands[2];
  check_view(p.x, op, "x");
  check_view(p.w, op, "w");
  check_view(p.y, op, "y");
  check_rank(p.x, op, "x", 4);
  check_rank(p.w, op, "w", 4);
  check_rank(p.y, op, "y", 4);
  check_factor(p.x, op, "x");
  check_factor(p.w, op, "w");
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
  if (c.stride_h <= 0 || c.stride_w <= 0) fail("%s: strides %d x %d", op, c.stride_h, c.stride_w);
  if (c.dil_h <= 0 || c.dil_w <= 0) fail("%s: dilations %d x %d", op, c.dil_h, c.dil_w);
  if (p.y.shape[0] != p.x.shape[0]) {
    fail("%s: x has %d images, y %d", op, p.x.shape[0], p.y.shape[0]);
  }
  if (c.group <= 0 || p.in_channels % p.group != 0 || p.out_channels % p.group != 0) {
    fail("%s: group %d does not divide %d input and %d output channels", op, c.group, p.x.shape[1],
         p.y.shape[1]);
  }
  if (p.w.shape[0] != p.y.shape[1]) {
    fail("%s: w has %d output channels, y %d", op, p.w.shape[0], p.y.shape[1]);
  }
  if (p.w.shape[1] != p.in_channels / p.group) {
    fail("%s: w has %d input channels per group, x %lld", op, p.w.shape[1],
         static_cast<long long>(p.in_channels / p.group));
  }
  p.w_zero.assign(static_cast<size_t>(p.out_channels), p.w.zero_point);
  return p;
}

/// Takes the zero points of the output channels' weights from an operand.
void read_zero_points(ConvProblem& p, const char* op, const View& zero) {
  check_view(zero, op, "w_zp");
  check_rank(zero, op, "w_zp", 1);
  if (zero.dtype != DType::S32 || zero.shape[0] != p.w.shape[0]) {
    fail("%s: w_zp is %s[%d], expected S32[%d]", op, dtype_name(zero.dtype), zero.shape[0],
         p.w.shape[0]);
  }
  const IntRange range = dtype_range(p.w.dtype);
  for (int32_t o = 0; o < zero.shape[0]; ++o) {
    const int32_t z = load_as<int32_t>(zero.data + static_cast<int64_t>(o) * zero.strides[0]);
    if (z < range.lo || z > range.hi) {
      fail("%s: zero point %d of output channel %d does not fit %s", op, z, o,
           dtype_name(p.w.dtype));
    }
    p.w_zero[static_cast<size_t>(o)] = z;
  }
}

/// Takes the sums of earlier parts from an operand.
void read_sums(ConvProblem& p, const char* op, const View& sums) {
  check_sums(op, sums, p.y);
  p.sums = sums;
}

void run(const ConvProblem& problem) {
  if (conv_depthwise(problem) || conv_gemm(problem)) return;
  conv_general(problem);
}

}  // namespace

void run_conv(const KernelCall& call) {
  constexpr const char* kOp = "conv";
  if (call.num_params != kConvParams) {
    fail("conv: expected %d parameters, got %d", kConvParams, call.num_params);
  }
  const int32_t* words = call.params + kWindowParams;
  const int32_t bias_mode = words[0];
  const bool has_wzp = words[1] != 0;
  const bool has_sums = words[2] != 0;
  if (bias_mode < kNoBias || bias_mode > kFloatBias) fail("conv: bias mode %d", bias_mode);
  const bool has_bias = bias_mode != kNoBias;
  check_counts(call, kOp, 4 + has_bias + has_wzp + has_sums, kConvParams);
  ConvProblem p = check_window(call, kOp);
  const View* next = call.operands + 4;
  const View* bias = has_bias ? next++ : nullptr;
  p.requant = make_requant(kOp, p.y, p.out_channels, call.operands[3], bias, bias_mode, words[3],
                           words[4], false);
  if (has_wzp) read_zero_points(p, kOp, *next++);
  if (has_sums) read_sums(p, kOp, *next);
  run(p);
}

void run_conv_sums(const KernelCall& call) {
  constexpr const char* kOp = "conv_sums";
  if (call.num_params != kConvSumsParams) {
    fail("conv_sums: expected %d parameters, got %d", kConvSumsParams, call.num_params);
  }
  const bool has_wzp = call.params[kWindowParams] != 0;
  const bool has_sums = call.params[kWindowParams + 1] != 0;
  check_counts(call, kOp, 3 + has_wzp + has_sums, kConvSumsParams);
  ConvProblem p = check_window(call, kOp);
  p.requant = make_raw(kOp, p.y, p.out_channels);
  const View* next = call.operands + 3;
  if (has_wzp) read_zero_points(p, kOp, *next++);
  if (has_sums) read_sums(p, kOp, *next);
  run(p);
}

}  // namespace pulsar2::kernels
