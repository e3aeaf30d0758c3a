#include "pulsar2/program.h"

#include <algorithm>
#include <cstring>

namespace pulsar2 {

const char* space_name(Space space) {
  static constexpr const char* kNames[] = {"ocm", "input", "output", "param", "swap"};
  return kNames[static_cast<size_t>(space)];
}

const char* eu_kind_name(EuKind kind) {
  static constexpr const char* kNames[] = {"conv", "teng", "sdma", "cv"};
  return kNames[static_cast<size_t>(kind)];
}

bool runs_on(uint16_t opcode, EuKind kind) {
  switch (static_cast<Opcode>(opcode)) {
    case Opcode::Conv:
    case Opcode::Matmul:
    case Opcode::ConvSums:
    case Opcode::MatmulSums:
      return kind == EuKind::Conv;
    case Opcode::Copy:
      return kind == EuKind::Sdma || kind == EuKind::Cv || kind == EuKind::Teng;
    case Opcode::Fill:
    case Opcode::Resize:
      return kind == EuKind::Cv || kind == EuKind::Teng;
    default:
      return kind == EuKind::Teng;
  }
}

int dtype_bits(DType dtype) {
  switch (dtype) {
    case DType::S4:
    case DType::U4:
      return 4;
    case DType::U8:
    case DType::S8:
    case DType::BOOL:
      return 8;
    case DType::U16:
    case DType::S16:
    case DType::F16:
      return 16;
    case DType::S32:
    case DType::U32:
    case DType::F32:
      return 32;
    case DType::S64:
      return 64;
  }
  return 8;
}

uint64_t operand_extent(const Operand& operand) {
  uint64_t reach = 0;
  for (int d = 0; d < operand.ndim; ++d) {
    reach +=
        static_cast<uint64_t>(operand.shape[d] - 1) * static_cast<uint64_t>(operand.strides[d]);
  }
  const int bits = dtype_bits(operand.dtype);
  if (bits < 8) return reach / 2 + 1;
  return reach + static_cast<uint64_t>(bits / 8);
}

std::string_view Program::string(uint32_t index) const {
  const size_t begin = index == 0 ? 0 : string_ends[index - 1];
  return std::string_view(string_bytes).substr(begin, string_ends[index] - begin);
}

std::string Program::eu_name(size_t eu) const {
  return eu_kind_name(eus[eu].kind) + std::to_string(eu);
}

std::string Program::job_name(size_t job) const {
  std::string text = "job " + std::to_string(job);
  const std::string_view label = string(jobs[job].label);
  if (!label.empty()) text.append(" (").append(label).append(")");
  return text.append(" on ").append(eu_name(jobs[job].eu));
}

}  // namespace pulsar2
