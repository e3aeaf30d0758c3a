// libFuzzer target: whatever the bytes, the decoder either refuses them or gives a program that can
// be replayed and checked. Inputs get a right CRC first, or none would get past it.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "../src/crc32.h"
#include "../src/format.h"
#include "pulsar2/emulator.h"
#include "pulsar2/sanitizer.h"
#include "pulsar2/timing.h"

namespace {

constexpr uint64_t kMostTouchedBytes = 1 << 22;  // keeps one input below a few milliseconds

void set_crc(std::vector<uint8_t>* bytes) {
  using pulsar2::format::kCrcOffset;
  for (size_t i = 0; i < 4; ++i) (*bytes)[kCrcOffset + i] = 0;
  const uint32_t crc = pulsar2::crc32(0, bytes->data(), bytes->size());
  for (size_t i = 0; i < 4; ++i) (*bytes)[kCrcOffset + i] = static_cast<uint8_t>(crc >> (8 * i));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<uint8_t> bytes(data, data + size);
  if (size >= pulsar2::format::kHeaderSize) set_crc(&bytes);
  try {
    const pulsar2::Program program = pulsar2::decode_program(bytes.data(), bytes.size());
    pulsar2::TargetTiming timing;
    for (const auto& [name, member] : pulsar2::timing_fields()) timing.*member = 7;
    std::vector<int64_t> start;
    std::vector<int64_t> end;
    pulsar2::replay_program(program, timing, &start, &end);
    pulsar2::constant_operands(program);
    uint64_t touched = 0;
    for (const pulsar2::Operand& operand : program.operands)
      touched += pulsar2::operand_extent(operand);
    for (const uint64_t space : program.space_bytes) touched += space;
    if (touched < kMostTouchedBytes) pulsar2::sanitize(program);
  } catch (const pulsar2::ProgramError&) {
  }
  return 0;
}
