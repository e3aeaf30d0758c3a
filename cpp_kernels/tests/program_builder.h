#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "pulsar2/program.h"

/// Makes the bytes of programs, right and wrong ones, for tests.
struct ProgramBuilder {
  struct Operand {
    uint8_t space;
    uint8_t dtype;
    uint64_t address;
    std::vector<int32_t> shape;
    std::vector<int32_t> strides;
    float scale = 1.0f;
    int32_t zero_point = 0;
  };
  struct Job {
    uint16_t eu;
    uint16_t opcode;
    std::vector<Operand> operands;
    std::vector<int32_t> params;
    std::vector<uint32_t> waits;
    std::string label;
  };
  struct Io {
    std::string name;
    uint64_t address;
    uint64_t nbytes;
    uint8_t dtype;
    std::vector<uint32_t> shape;
    uint8_t is_output;
  };

  std::string target = "AX650";
  std::string npu_mode = "NPU1";
  std::vector<std::pair<uint8_t, uint16_t>> eus = {{0, 0}, {0, 1}, {1, 0}, {3, 0}, {2, 0}};
  std::vector<Io> ios;
  std::vector<Job> jobs;
  uint64_t spaces[5] = {4096, 64, 64, 64, 1024};
  uint64_t ddr_limit = 0;

  std::vector<uint8_t> encode() const;
};

enum : uint16_t { kConv0 = 0, kConv1 = 1, kTeng = 2, kCv = 3, kSdma = 4 };
enum : uint8_t { kOcm = 0, kInput = 1, kOutput = 2, kParam = 3, kSwap = 4 };

/// `count` packed bytes.
ProgramBuilder::Operand bytes_at(uint8_t space, uint64_t address, int32_t count);
ProgramBuilder::Job copy_job(uint16_t eu, const ProgramBuilder::Operand& x,
                             const ProgramBuilder::Operand& y, std::vector<uint32_t> waits = {});

/// y = x + p for 64 bytes: two loads, an addition on teng, a store.
ProgramBuilder add_program();

/// Writes the CRC of changed bytes, so that a decoder looks further.
void fix_crc(std::vector<uint8_t>* bytes);
