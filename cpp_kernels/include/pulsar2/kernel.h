#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace pulsar2 {

/// Element types, numbered as in the program format.
enum class DType : uint8_t {
  U8 = 0,
  S8 = 1,
  U16 = 2,
  S16 = 3,
  S32 = 4,
  F32 = 5,
  U32 = 6,
  S64 = 7,
  F16 = 8,
  BOOL = 9,
  S4 = 10,
  U4 = 11
};

constexpr int kMaxDims = 6;

/// A strided view of a tensor's bytes. Strides are in bytes and may be 0 (broadcast).
struct View {
  uint8_t* data = nullptr;
  DType dtype = DType::U8;
  int32_t ndim = 0;
  int32_t shape[kMaxDims] = {};
  int32_t strides[kMaxDims] = {};
  float scale = 1.0f;  ///< affine quantization of the elements; 1 and 0 where there is none
  int32_t zero_point = 0;
};

/// Runs body(begin, end) over sub-ranges of [0, n), on one or more threads.
class Parallel {
 public:
  virtual ~Parallel() = default;
  virtual void run(int64_t n, int64_t grain,
                   void (*body)(void* context, int64_t begin, int64_t end), void* context) = 0;
};

/// State that a kernel may keep between calls for the same job, such as repacked weights.
struct KernelState {
  virtual ~KernelState() = default;
};

/// Everything one job's kernel is given. `operands` and `params` follow the job table of
/// docs/program-format.md; `params` are 32-bit words (integers, or bits of an f32).
struct KernelCall {
  const View* operands = nullptr;
  int32_t num_operands = 0;
  const int32_t* params = nullptr;
  int32_t num_params = 0;
  Parallel* parallel = nullptr;
  std::unique_ptr<KernelState>* state = nullptr;  ///< owned by the caller, one per job
  /// Bit i: operand i has the same address and bytes in every call that is given this `state`, as
  /// weights have. So what was made from them once may be kept.
  uint32_t constant_operands = 0;
};

using KernelFn = void (*)(const KernelCall&);

}  // namespace pulsar2
