#pragma once

#include <cstddef>
#include <cstdint>

#include "pulsar2/kernel.h"

namespace pulsar2 {

/// Operation codes of a job, as in the program format.
enum class Opcode : uint16_t {
  Copy = 1,
  Fill = 2,
  Conv = 3,
  Matmul = 4,
  Eltwise = 5,
  Lut = 6,
  Unary = 7,
  Pool = 8,
  Reduce = 9,
  Softmax = 10,
  Convert = 11,
  ConvSums = 12,
  MatmulSums = 13,
  Norm = 64,
  LogSoftmax = 65,
  CumSum = 66,
  Integer = 96,
  Where = 97,
  Cast = 98,
  GatherElements = 99,
  ScatterElements = 100,
  Arg = 101,
  TopK = 102,
  Resize = 128,
  GridSample = 129,
  RoiAlign = 130,
};

/// One operand of an operation. Optional operands may be absent; a parameter says whether they are
/// there.
struct OperandInfo {
  const char* name;
  bool output = false;
  bool optional = false;
};

/// One 32-bit parameter word: an integer, or the bits of an f32.
struct ParamInfo {
  const char* name;
  bool is_float = false;
};

/// What the emulator needs to know of an operation.
struct KernelEntry {
  uint16_t opcode;
  const char* name;
  KernelFn fn;
  const OperandInfo* operands;
  int32_t num_operands;
  const ParamInfo* params;
  int32_t num_params;
};

/// The kernel of an operation, or nullptr if there is none.
/// A kernel throws std::invalid_argument, before it writes anything, when shapes, types or
/// parameters do not fit together; it touches no byte that its operands do not describe.
const KernelEntry* find_kernel(uint16_t opcode);

/// All kernels in ascending order of opcode.
const KernelEntry* all_kernels(size_t* count);

}  // namespace pulsar2
