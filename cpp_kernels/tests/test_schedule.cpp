// Order, footprints, sanitizer and timing replay; test/unit holds the comparisons with brute force.

#include <set>

#include "../src/footprint.h"
#include "../src/order.h"
#include "check.h"
#include "program_builder.h"
#include "pulsar2/sanitizer.h"
#include "pulsar2/timing.h"

using pulsar2::Finding;
using pulsar2::FindingKind;

namespace {

pulsar2::Program decoded(const ProgramBuilder& builder) {
  const std::vector<uint8_t> bytes = builder.encode();
  return pulsar2::decode_program(bytes.data(), bytes.size());
}

std::set<uint64_t> bytes_of(const pulsar2::Operand& operand) {
  std::set<uint64_t> bytes;
  pulsar2::footprint_of(operand).for_each_run([&](uint64_t begin, uint64_t end) {
    for (uint64_t b = begin; b < end; ++b) bytes.insert(b);
  });
  return bytes;
}

}  // namespace

TEST(footprints_are_exact) {
  pulsar2::Operand v;
  v.address = 10;
  v.ndim = 3;
  v.shape[0] = 3, v.shape[1] = 2, v.shape[2] = 4;
  v.strides[0] = 2, v.strides[1] = 20, v.strides[2] = 0;
  CHECK((bytes_of(v) == std::set<uint64_t>{10, 12, 14, 30, 32, 34}));
  v.dtype = pulsar2::DType::U16;  // elements that touch
  CHECK(bytes_of(v).size() == 12);
  v.dtype = pulsar2::DType::F32;  // elements that overlap
  CHECK(bytes_of(v).size() == 16);
  v.dtype = pulsar2::DType::U4;
  CHECK((bytes_of(v) == std::set<uint64_t>{10, 11, 12, 20, 21, 22}));
}

TEST(order_goes_through_queues_and_waits) {
  const pulsar2::Program p = decoded(add_program());
  const pulsar2::JobOrder order(p);
  CHECK(order.before(0, 1));
  CHECK(order.before(0, 2));  // by way of job 1
  CHECK(order.before(0, 3));
  CHECK(!order.before(2, 1));
  CHECK(!order.before(3, 3));
}

TEST(a_right_program_has_no_findings) { CHECK(pulsar2::sanitize(decoded(add_program())).empty()); }

TEST(findings_name_jobs_and_bytes) {
  ProgramBuilder b = add_program();
  b.jobs[2].waits = {};
  const std::vector<Finding> found = pulsar2::sanitize(decoded(b));
  CHECK(found.size() == 2);
  CHECK(found[0].kind == FindingKind::Race && found[0].job == 2 && found[0].other == 0);
  CHECK(found[1].begin == 64 && found[1].end == 128 && found[1].space == pulsar2::Space::Ocm);
}

TEST(spaces_that_nothing_touches_cost_nothing) {
  ProgramBuilder b = add_program();
  b.spaces[kSwap] = uint64_t{1} << 48;
  CHECK(pulsar2::sanitize(decoded(b)).empty());
  b.jobs.push_back(copy_job(kSdma, bytes_at(kOcm, 0, 4), bytes_at(kSwap, 0, 4)));
  CHECK_THROWS(pulsar2::sanitize(decoded(b)), pulsar2::ProgramError, "too large to check");
}

TEST(costs_follow_the_array) {
  pulsar2::TargetTiming t;
  for (const auto& [name, member] : pulsar2::timing_fields()) t.*member = 1;
  t.conv_lanes_in = 32;
  t.conv_lanes_out = 64;
  t.conv_depthwise_lanes = 256;
  t.conv_16bit_factor = 0.5;
  t.conv_4bit_factor = 2;
  t.port_bytes = 1e9;
  t.conv_launch = 100;
  const auto cycles = [&](int32_t c, int32_t o, int32_t k, int32_t group, uint8_t x_type,
                          uint8_t w_type) {
    ProgramBuilder b;
    b.spaces[kOcm] = uint64_t{1} << 40;
    const int32_t x_size = x_type == 2 ? 2 : 1;
    b.jobs = {
        {kConv0,
         3,
         {{kOcm, x_type, 0, {1, c, 10, 10}, {c * 100 * x_size, 100 * x_size, 10 * x_size, x_size}},
          {kOcm, w_type, 0, {o, c / group, k, k}, {c / group * k * k, k * k, k, 1}},
          {kOcm,
           x_type,
           1 << 20,
           {1, o, 10, 10},
           {o * 100 * x_size, 100 * x_size, 10 * x_size, x_size}},
          {kOcm, 5, 1 << 24, {o}, {4}}},
         {1, 1, k / 2, k / 2, 1, 1, group, 0, 0, 0, 0, 255},
         {},
         "c"}};
    const pulsar2::Program p = decoded(b);
    const pulsar2::JobCost cost = pulsar2::job_cost(p, p.jobs[0], t);
    CHECK(cost.macs == int64_t{100} * o * (c / group) * k * k);
    CHECK(cost.cycles == cost.compute_cycles + 100);
    return cost.compute_cycles;
  };
  CHECK(cycles(32, 64, 1, 1, 0, 1) == 100);
  CHECK(cycles(33, 65, 1, 1, 0, 1) == 400);
  CHECK(cycles(32, 64, 3, 1, 0, 1) == 900);
  CHECK(cycles(3, 64, 3, 1, 0, 1) == 100);       // nine taps of three channels fit side by side
  CHECK(cycles(32, 64, 1, 1, 2, 1) == 200);      // 16-bit activations
  CHECK(cycles(32, 64, 1, 1, 0, 10) == 50);      // 4-bit weights
  CHECK(cycles(256, 256, 3, 256, 0, 1) == 900);  // depthwise: 256 lanes, 9 taps
}

namespace {

void replay_three_jobs(int64_t* start, int64_t* end, double rate) {
  const int32_t eu[] = {0, 1, 0};
  const int64_t cycles[] = {100, 100, 10};
  const int64_t ddr[] = {1000, 1000, 0};
  const int64_t offsets[] = {0, 0, 0, 1};
  const int32_t waits[] = {1};
  pulsar2::ReplayInput in{3, eu, cycles, ddr, offsets, waits, rate};
  pulsar2::replay(in, start, end);
}

}  // namespace

TEST(replay_shares_the_ddr) {
  int64_t start[3];
  int64_t end[3];
  replay_three_jobs(start, end, 1e9);
  CHECK(end[0] == 100 && start[2] == 100 && end[2] == 110);
  replay_three_jobs(start, end, 15);
  CHECK(end[0] == 134 && end[1] == 134 && start[2] == 134);
  CHECK_THROWS(replay_three_jobs(start, end, 0), pulsar2::ProgramError, "must be positive");
}
