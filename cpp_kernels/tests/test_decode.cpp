// The program decoder: what is right is read, what is wrong is refused by name, and no change of
// the bytes makes it read outside them (which the sanitizer build would see).

#include <cstring>
#include <limits>

#include "check.h"
#include "program_builder.h"
#include "pulsar2/program.h"

using pulsar2::decode_program;
using pulsar2::Program;
using pulsar2::ProgramError;

namespace {

/// Decodes from a buffer of exactly the size, so that reading past it is seen.
Program decode(const std::vector<uint8_t>& bytes) {
  const std::vector<uint8_t> exact(bytes);
  return decode_program(exact.data(), exact.size());
}

void refuse(const ProgramBuilder& builder, const char* part) {
  CHECK_THROWS(decode(builder.encode()), ProgramError, part);
}

}  // namespace

TEST(reads_a_program) {
  const Program p = decode(add_program().encode());
  CHECK(p.target == "AX650");
  CHECK(p.npu_mode == "NPU1");
  CHECK(p.eus.size() == 5);
  CHECK(p.jobs.size() == 4);
  CHECK(p.operands.size() == 9);
  CHECK(p.ios.size() == 2 && p.ios[1].is_output && p.ios[1].name == "y");
  CHECK(p.space_bytes[0] == 4096);
  CHECK(p.jobs[2].output == 2);
  CHECK(p.waits_of(p.jobs[3])[0] == 2);
  CHECK(p.job_name(2) == "job 2 (add) on teng2");
}

TEST(refuses_every_truncation) {
  const std::vector<uint8_t> bytes = add_program().encode();
  for (size_t size = 0; size < bytes.size(); ++size) {
    CHECK_THROWS(decode({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)}),
                 ProgramError, "truncated");
  }
  std::vector<uint8_t> longer = bytes;
  longer.push_back(0);
  CHECK_THROWS(decode(longer), ProgramError, "after the end");
}

TEST(refuses_every_changed_bit) {
  std::vector<uint8_t> bytes = add_program().encode();
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] ^= static_cast<uint8_t>(1u << (i % 8));
    CHECK_THROWS(decode(bytes), ProgramError, "");
    bytes[i] ^= static_cast<uint8_t>(1u << (i % 8));
  }
}

TEST(survives_every_changed_byte_with_a_right_crc) {
  const std::vector<uint8_t> bytes = add_program().encode();
  size_t accepted = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (const int value :
         {0, 1, 2, 3, 4, 7, 0x7F, 0x80, 0xFF, bytes[i] ^ 1, bytes[i] + 1, bytes[i] - 1}) {
      std::vector<uint8_t> changed = bytes;
      changed[i] = static_cast<uint8_t>(value);
      fix_crc(&changed);
      try {
        const Program p = decode(changed);
        for (size_t j = 0; j < p.jobs.size(); ++j) CHECK(!p.job_name(j).empty());
        ++accepted;
      } catch (const ProgramError&) {
      }
    }
  }
  CHECK(accepted > 0);  // labels and numbers may change
}

TEST(refuses_sections_that_do_not_fit) {
  std::vector<uint8_t> bytes = add_program().encode();
  std::memset(bytes.data() + 24 + 8, 0xFF, 4);  // number of jobs
  fix_crc(&bytes);
  CHECK_THROWS(decode(bytes), ProgramError, "section 'jobs' of 4294967295 items");
}

TEST(refuses_wrong_units) {
  ProgramBuilder b = add_program();
  b.eus[1] = {0, 0};
  refuse(b, "conv 0 is there twice");
  b = add_program();
  b.eus[1] = {4, 0};
  refuse(b, "unknown class 4");
  b = add_program();
  b.eus.clear();
  for (uint16_t i = 0; i < 257; ++i) b.eus.emplace_back(uint8_t{0}, i);
  refuse(b, "257 units");
}

TEST(refuses_wrong_tensors) {
  ProgramBuilder b = add_program();
  b.ios[0].name = "";
  refuse(b, "is empty or there twice");
  b = add_program();
  b.ios[1].name = "x";
  refuse(b, "is empty or there twice");
  b = add_program();
  b.ios[0].nbytes = 63;
  refuse(b, "has 63 bytes, its shape 64");
  b = add_program();
  b.ios[0].address = 1;
  refuse(b, "'x' lies at input:[1:65], outside the 64 bytes");
  b = add_program();
  b.ios[0].address = std::numeric_limits<uint64_t>::max();
  refuse(b, "outside the 64 bytes");
  b = add_program();
  b.ios[0].shape = {0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF};
  refuse(b, "its shape");
  b = add_program();
  b.ios[0].shape = {0, 64};
  refuse(b, "dimension 0 of 'x' is 0");
  b = add_program();
  b.ios[0].dtype = 10;
  refuse(b, "4-bit type");
  b = add_program();
  b.ios.push_back({"z", 63, 1, 0, {1}, 0});
  refuse(b, "share bytes from 63");
}

TEST(refuses_wrong_jobs) {
  ProgramBuilder b = add_program();
  b.jobs[2].eu = 5;
  refuse(b, "job 2 is on unknown unit 5");
  b = add_program();
  b.jobs[2].opcode = 250;
  refuse(b, "job 2 (add) on teng2: unknown opcode 250");
  b = add_program();
  b.jobs[2].eu = kConv0;
  refuse(b, "'eltwise' does not run on a conv unit");
  b = add_program();
  b.jobs[2].params.pop_back();
  refuse(b, "'eltwise' has 3 parameters, got 2");
  b = add_program();
  b.jobs[2].operands.pop_back();
  refuse(b, "'eltwise' has 3 to 3 operands, got 2");
}

TEST(refuses_optional_operands_that_the_parameters_do_not_name) {
  ProgramBuilder b = add_program();
  const ProgramBuilder::Operand one = {kOcm, 0, 0, {1, 1, 1, 1}, {1, 1, 1, 1}};
  const ProgramBuilder::Operand vector = {kOcm, 5, 64, {1}, {4}};
  b.jobs.push_back(
      {kConv0, 3, {one, one, one, vector}, {1, 1, 0, 0, 1, 1, 1, 1, 0, 0, 0, 255}, {1}, "c"});
  refuse(b, "job 4 (c) on conv0: 'conv' with these parameters has 5 operands, got 4");
  b.jobs.back().operands.push_back(vector);
  CHECK(decode(b.encode()).jobs.size() == 5);
  const auto last = [&](uint16_t opcode, std::vector<int32_t> params, size_t operands) {
    b.jobs.back().opcode = opcode;
    b.jobs.back().params = std::move(params);
    b.jobs.back().operands.assign(operands, one);
  };
  last(3, {1, 1, 0, 0, 1, 1, 1, 1, 0, 1, 0, 255}, 5);
  refuse(b, "'conv' with these parameters has 6 operands, got 5");
  last(12, {1, 1, 0, 0, 1, 1, 1, 0, 1}, 3);
  refuse(b, "'conv_sums' with these parameters has 4 operands, got 3");
  last(13, {1}, 3);
  refuse(b, "'matmul_sums' with these parameters has 4 operands, got 3");
  last(4, {1, 1, 0, 255}, 5);
  refuse(b, "'matmul' with these parameters has 6 operands, got 5");
}

TEST(refuses_wrong_operands) {
  const auto change = [](auto edit, const char* part) {
    ProgramBuilder b = add_program();
    edit(b.jobs[2].operands[2]);
    refuse(b, part);
  };
  using Operand = ProgramBuilder::Operand;
  change([](Operand& o) { o.space = 5; }, "operand y lies in unknown space 5");
  change([](Operand& o) { o.dtype = 12; }, "unknown element type 12");
  change([](Operand& o) { o.scale = 0; }, "scale 0 of operand y");
  change([](Operand& o) { o.scale = std::numeric_limits<float>::infinity(); },
         "scale inf of operand y");
  change([](Operand& o) { o.shape = {-1}; }, "dimension 0 of operand y is -1");
  change([](Operand& o) { o.shape = {0}; }, "dimension 0 of operand y is 0");
  change([](Operand& o) { o.strides = {-1}; }, "stride 0 of operand y is -1");
  change([](Operand& o) { o.strides = {0}; },
         "operand y is written, but repeats along dimension 0");
  change([](Operand& o) { o.address = 4033; },
         "operand y lies at ocm:[4033:4097], outside the 4096 bytes");
  change([](Operand& o) { o.address = UINT64_MAX; }, "outside the 4096 bytes");
  change([](Operand& o) { o.strides = {66}; }, "operand y lies at ocm:[128:4287]");
  change(
      [](Operand& o) {
        o.shape = {INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX};
        o.strides = {INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX};
      },
      "more than 2147483648 elements");
  change(
      [](Operand& o) {
        o.shape = {1 << 26, 2, 2, 2, 2, 2};
        o.strides = {INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX};
      },
      "outside the 4096 bytes");
}

TEST(counts_half_bytes_of_4_bit_operands) {
  ProgramBuilder b = add_program();
  b.jobs[0].operands = {{kInput, 10, 32, {64}, {1}}, {kOcm, 10, 0, {64}, {1}}};
  const Program p = decode(b.encode());
  CHECK(pulsar2::operand_extent(p.operands[0]) == 32);
  b.jobs[0].operands[0].address = 33;
  refuse(b, "operand x lies at input:[33:65]");
}

TEST(refuses_wrong_waits) {
  ProgramBuilder b = add_program();
  b.jobs[2].waits = {4};
  refuse(b, "job 2 (add) on teng2: waits for unknown job 4");
  b.jobs[2].waits = {2};
  refuse(b, "waits for itself");
  b.jobs[2].waits = {1, 0};
  refuse(b, "waits for job 0 are not in ascending order");
  b.jobs[2].waits = {1, 1};
  refuse(b, "not in ascending order");
  b.jobs[2].waits = {3};
  refuse(b, "waits for job 3, which cannot start before this one has ended: a cycle");
  b.jobs[3].waits = {};
  refuse(b, "waits for job 3, which stands later");
  // A cycle by way of a queue: job 0 waits for job 2, which waits for job 1, which queues behind
  // job 0.
  b = add_program();
  b.jobs[0].waits = {2};
  refuse(b,
         "job 0 (copy) on sdma4: waits for job 2, which cannot start before this one has ended: a "
         "cycle");
}

TEST(refuses_strings_that_are_not_utf8) {
  for (const char* text :
       {"\x80", "\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF5\x80\x80\x80", "\xC3", "a\xFF"}) {
    ProgramBuilder b = add_program();
    b.jobs[0].label = text;
    refuse(b, "is not UTF-8");
  }
  ProgramBuilder b = add_program();
  b.jobs[0].label = "\xC3\xA4 \xE2\x82\xAC \xF0\x9F\x98\x80";
  CHECK(decode(b.encode()).jobs.size() == 4);
}
