#include "program_builder.h"

#include <cstring>
#include <utility>

#include "../src/crc32.h"
#include "../src/format.h"

namespace {

class Writer {
 public:
  template <typename T>
  void put(T value) {
    for (size_t i = 0; i < sizeof(T); ++i) {
      bytes.push_back(static_cast<uint8_t>(static_cast<uint64_t>(value) >> (8 * i)));
    }
  }
  void put_f32(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    put(bits);
  }
  void put_padded(const std::vector<int32_t>& numbers) {
    for (size_t i = 0; i < 6; ++i) put(i < numbers.size() ? numbers[i] : 0);
  }

  std::vector<uint8_t> bytes;
};

}  // namespace

std::vector<uint8_t> ProgramBuilder::encode() const {
  std::vector<std::string> strings = {target, npu_mode};
  const auto add_string = [&](const std::string& text) {
    strings.push_back(text);
    return static_cast<uint32_t>(strings.size() - 1);
  };
  Writer body;
  size_t num_operands = 0;
  size_t num_params = 0;
  size_t num_waits = 0;
  for (const auto& [kind, index] : eus) {
    body.put(kind);
    body.put(uint8_t{0});
    body.put(index);
  }
  for (const Io& io : ios) {
    body.put(io.address);
    body.put(io.nbytes);
    body.put(add_string(io.name));
    body.put(io.dtype);
    body.put(static_cast<uint8_t>(io.shape.size()));
    body.put(io.is_output);
    body.put(uint8_t{0});
    body.put_padded({io.shape.begin(), io.shape.end()});
  }
  for (const Job& job : jobs) {
    body.put(job.eu);
    body.put(job.opcode);
    body.put(static_cast<uint16_t>(job.operands.size()));
    body.put(static_cast<uint16_t>(job.params.size()));
    body.put(static_cast<uint32_t>(job.waits.size()));
    body.put(add_string(job.label));
    num_operands += job.operands.size();
    num_params += job.params.size();
    num_waits += job.waits.size();
  }
  for (const Job& job : jobs) {
    for (const Operand& operand : job.operands) {
      body.put(operand.space);
      body.put(operand.dtype);
      body.put(static_cast<uint8_t>(operand.shape.size()));
      body.put(uint8_t{0});
      body.put_f32(operand.scale);
      body.put(operand.zero_point);
      body.put(uint32_t{0});
      body.put(operand.address);
      body.put_padded(operand.shape);
      body.put_padded(operand.strides);
    }
  }
  for (const Job& job : jobs) {
    for (const int32_t word : job.params) body.put(word);
  }
  for (const Job& job : jobs) {
    for (const uint32_t wait : job.waits) body.put(wait);
  }
  uint32_t end = 0;
  for (const std::string& text : strings) {
    end += static_cast<uint32_t>(text.size());
    body.put(end);
  }
  for (const std::string& text : strings)
    body.bytes.insert(body.bytes.end(), text.begin(), text.end());

  Writer out;
  for (const char c : pulsar2::format::kMagic) out.put(static_cast<uint8_t>(c));
  out.put(pulsar2::format::kVersion);
  out.put(static_cast<uint16_t>(pulsar2::format::kHeaderSize));
  out.put(uint32_t{0});
  out.put(static_cast<uint64_t>(pulsar2::format::kHeaderSize + body.bytes.size()));
  for (const size_t count : {eus.size(), ios.size(), jobs.size(), num_operands, num_params,
                             num_waits, strings.size(), static_cast<size_t>(end)}) {
    out.put(static_cast<uint32_t>(count));
  }
  for (const uint64_t bytes : spaces) out.put(bytes);
  out.put(ddr_limit);
  out.bytes.insert(out.bytes.end(), body.bytes.begin(), body.bytes.end());
  fix_crc(&out.bytes);
  return out.bytes;
}

ProgramBuilder::Operand bytes_at(uint8_t space, uint64_t address, int32_t count) {
  return {space, 0, address, {count}, {1}};
}

ProgramBuilder::Job copy_job(uint16_t eu, const ProgramBuilder::Operand& x,
                             const ProgramBuilder::Operand& y, std::vector<uint32_t> waits) {
  return {eu, 1, {x, y}, {}, std::move(waits), "copy"};
}

ProgramBuilder add_program() {
  ProgramBuilder b;
  b.ios = {{"x", 0, 64, 0, {1, 64}, 0}, {"y", 0, 64, 0, {1, 64}, 1}};
  b.jobs = {
      copy_job(kSdma, bytes_at(kInput, 0, 64), bytes_at(kOcm, 0, 64)),
      copy_job(kSdma, bytes_at(kParam, 0, 64), bytes_at(kOcm, 64, 64)),
      {kTeng,
       5,
       {bytes_at(kOcm, 0, 64), bytes_at(kOcm, 64, 64), bytes_at(kOcm, 128, 64)},
       {0, 0, 255},
       {1},
       "add"},
      copy_job(kSdma, bytes_at(kOcm, 128, 64), bytes_at(kOutput, 0, 64), {2}),
  };
  return b;
}

void fix_crc(std::vector<uint8_t>* bytes) {
  using pulsar2::format::kCrcOffset;
  if (bytes->size() < pulsar2::format::kHeaderSize) return;
  std::memset(bytes->data() + kCrcOffset, 0, 4);
  const uint32_t crc = pulsar2::crc32(0, bytes->data(), bytes->size());
  for (size_t i = 0; i < 4; ++i) (*bytes)[kCrcOffset + i] = static_cast<uint8_t>(crc >> (8 * i));
}
