#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "pulsar2/kernel.h"
#include "pulsar2/kernels/registry.h"

namespace pulsar2 {

/// Memory spaces, numbered as in the program format. All but OCM are segments of DDR.
enum class Space : uint8_t { Ocm = 0, Input = 1, Output = 2, Param = 3, Swap = 4 };
constexpr int kNumSpaces = 5;

/// Classes of execution units, numbered as in the program format.
enum class EuKind : uint8_t { Conv = 0, Teng = 1, Sdma = 2, Cv = 3 };
constexpr int kNumEuKinds = 4;

const char* space_name(Space space);
const char* eu_kind_name(EuKind kind);
inline bool in_ddr(Space space) { return space != Space::Ocm; }

/// Whether units of the class can run the operation.
bool runs_on(uint16_t opcode, EuKind kind);

/// A program, or its bytes, is not valid. The text names the job, the unit and the bytes concerned.
class ProgramError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A strided view of bytes in one space. Strides of the 4-bit types count half bytes.
struct Operand {
  uint64_t address = 0;
  Space space = Space::Ocm;
  DType dtype = DType::U8;
  int32_t ndim = 0;
  int32_t shape[kMaxDims] = {};
  int32_t strides[kMaxDims] = {};
  float scale = 1.0f;
  int32_t zero_point = 0;
};

/// One past the last byte that the view touches, counted from its address.
uint64_t operand_extent(const Operand& operand);
/// Number of bits of one element.
int dtype_bits(DType dtype);

struct ExecutionUnit {
  EuKind kind;
  uint16_t index;
};

struct Job {
  uint16_t eu = 0;
  uint16_t opcode = 0;
  uint32_t first_operand = 0;
  uint32_t num_operands = 0;
  uint32_t first_param = 0;
  uint32_t num_params = 0;
  uint32_t first_wait = 0;
  uint32_t num_waits = 0;
  uint32_t label = 0;
  int32_t output = 0;  ///< position of the operand that is written
};

/// An input or output tensor, packed in its segment.
struct IoTensor {
  std::string name;
  uint64_t address = 0;
  uint64_t nbytes = 0;
  DType dtype = DType::U8;
  std::vector<int64_t> shape;
  bool is_output = false;
};

/// A decoded program. Every index in it is valid; every operand lies inside its space.
struct Program {
  std::string target;
  std::string npu_mode;
  uint64_t space_bytes[kNumSpaces] = {};
  uint64_t ddr_limit = 0;  ///< bytes per second that it was planned with; 0: the target's own
  std::vector<ExecutionUnit> eus;
  std::vector<IoTensor> ios;
  std::vector<Job> jobs;
  std::vector<Operand> operands;
  std::vector<int32_t> params;
  std::vector<uint32_t> waits;
  std::vector<uint32_t> string_ends;
  std::string string_bytes;

  const Operand* operands_of(const Job& job) const { return operands.data() + job.first_operand; }
  const int32_t* params_of(const Job& job) const { return params.data() + job.first_param; }
  const uint32_t* waits_of(const Job& job) const { return waits.data() + job.first_wait; }
  std::string_view string(uint32_t index) const;
  /// As in trace.json: class, and position among all units.
  std::string eu_name(size_t eu) const;
  /// `job 3 (conv_1) on conv0`, for messages.
  std::string job_name(size_t job) const;
};

/// Decodes and validates a program; see docs/program-format.md. Never reads outside [data, data +
/// size). Throws ProgramError with the byte offset, and the job, of the first thing that is wrong.
Program decode_program(const uint8_t* data, size_t size);

}  // namespace pulsar2
