#pragma once

#include <cstdint>
#include <vector>

#include "common.h"
#include "pulsar2/kernels/isa.h"
#include "requant.h"

namespace pulsar2::kernels {

/// A checked conv or conv_sums job.
struct ConvProblem {
  View x;     ///< [N, C, H, W]
  View w;     ///< [O, C / group, KH, KW]
  View y;     ///< [N, O, OH, OW]
  View sums;  ///< of earlier parts of the reduction, as y; without data where there are none
  int64_t batch, in_channels, in_h, in_w;
  int64_t out_channels, out_h, out_w;
  int64_t kernel_h, kernel_w;
  int64_t stride_h, stride_w, pad_top, pad_left, dil_h, dil_w, group;
  std::vector<int32_t> w_zero;  ///< zero point per output channel
  Requant requant;
  Parallel* parallel;
  std::unique_ptr<KernelState>* state;
  bool constant_weights;  ///< the caller vouches that w has not changed since it gave `state`
  Isa isa;
};

/// 8-bit factors, one input and one output channel per group, channels contiguous. Returns false
/// if the job is not of that kind.
bool conv_depthwise(const ConvProblem& p);

/// A matrix product of pixels and output channels, group by group. Returns false for 8-bit factors
/// whose sums do not fit s32.
bool conv_gemm(const ConvProblem& p);

/// Any integer types, strides and sizes; 64-bit sums.
void conv_general(const ConvProblem& p);

}  // namespace pulsar2::kernels
