#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "format.h"
#include "pulsar2/program.h"

namespace pulsar2 {

template <typename T>
T read_le(const uint8_t* p) {
  uint64_t value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) value |= static_cast<uint64_t>(p[i]) << (8 * i);
  return static_cast<T>(value);
}

inline float read_f32(const uint8_t* p) {
  const auto bits = read_le<uint32_t>(p);
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

/// Reads the bytes of one program, in the order of its sections. Every method throws ProgramError
/// at the first thing that is wrong.
class Decoder {
 public:
  Decoder(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  Program run();

 private:
  struct Section {
    const char* name;
    size_t offset;
    uint64_t count;
    size_t item;
  };
  enum { kEus, kIos, kJobs, kOperands, kParams, kWaits, kStringEnds, kStringBytes, kNumSections };

  [[noreturn]] void fail(size_t offset, const char* format, ...) const
      __attribute__((format(printf, 3, 4)));
  void read_header();
  void read_strings();
  void read_eus();
  DType read_dtype(const uint8_t* p) const;
  std::string_view read_string(const uint8_t* p) const;
  void read_ios();
  void read_jobs();
  void check_used(int section, size_t used) const;
  void take(const uint8_t* p, int section, uint32_t count, size_t used) const;
  void read_job(size_t index);
  /// Optional operands are there when the parameters say so.
  void check_operand_count() const;
  void read_operand(uint32_t position);
  void read_waits();
  /// Job `job_` waits for a later one: says whether that is a cycle or only out of order.
  [[noreturn]] void fail_later_wait(size_t offset, uint32_t other) const;

  const uint8_t* item(int section, size_t index) const {
    const Section& s = sections_[static_cast<size_t>(section)];
    return data_ + s.offset + index * s.item;
  }
  size_t offset_of(const uint8_t* p) const { return static_cast<size_t>(p - data_); }

  static constexpr size_t kMaxEus = 256;
  static constexpr uint64_t kMaxElements = uint64_t{1} << 31;

  const uint8_t* data_;
  size_t size_;
  int64_t job_ = -1;
  const KernelEntry* entry_ = nullptr;
  std::array<Section, kNumSections> sections_{};
  Program program_;
};

}  // namespace pulsar2
