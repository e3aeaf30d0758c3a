#pragma once

#include <cstdint>

#include "common.h"

namespace pulsar2::kernels {

/// What opcode 9 computes along its axes, as numbered in the job table.
enum ReduceKind : int32_t {
  kMean = 0,
  kSum = 1,
  kMax = 2,
  kMin = 3,
  kL1 = 4,
  kL2 = 5,
  kSumSquare = 6,
  kLogSumExp = 7,
};

/// The kinds from kL1 on; the call's shapes are checked.
void reduce_rows(const KernelCall& call, int32_t kind, uint32_t mask, const Clamp& clamp);

}  // namespace pulsar2::kernels
