// The emulator: loaded once, run in order, shuffled and threaded; and what it says is constant.

#include <cstring>
#include <numeric>
#include <random>

#include "check.h"
#include "program_builder.h"
#include "pulsar2/emulator.h"

using pulsar2::decode_program;
using pulsar2::Emulator;
using pulsar2::ProgramError;

namespace {

std::vector<uint8_t> counting(size_t n, int first) {
  std::vector<uint8_t> bytes(n);
  std::iota(bytes.begin(), bytes.end(), static_cast<uint8_t>(first));
  return bytes;
}

pulsar2::Program decoded(const ProgramBuilder& builder) {
  const std::vector<uint8_t> bytes = builder.encode();
  return decode_program(bytes.data(), bytes.size());
}

/// A program of many small jobs on all units that is right in any legal order: `width` chains of
/// copies and additions through OCM, which meet in the output.
ProgramBuilder chains(int width, int length) {
  ProgramBuilder b;
  b.spaces[kOcm] = 1 << 20;
  b.spaces[kInput] = b.spaces[kParam] = 64;
  b.spaces[kOutput] = static_cast<uint64_t>(width) * 64;
  b.ios = {{"x", 0, 64, 0, {64}, 0},
           {"y", 0, b.spaces[kOutput], 0, {static_cast<uint32_t>(width), 64}, 1}};
  b.jobs = {copy_job(kSdma, bytes_at(kInput, 0, 64), bytes_at(kOcm, 0, 64)),
            copy_job(kSdma, bytes_at(kParam, 0, 64), bytes_at(kOcm, 64, 64))};
  std::mt19937 random(3);
  uint64_t next = 128;
  for (int chain = 0; chain < width; ++chain) {
    ProgramBuilder::Operand last = bytes_at(kOcm, 0, 64);
    uint32_t wait = 1;
    for (int step = 0; step < length; ++step) {
      const ProgramBuilder::Operand y = bytes_at(kOcm, next, 64);
      next += 64;
      if (random() % 2 == 0) {
        b.jobs.push_back({kTeng, 5, {last, bytes_at(kOcm, 64, 64), y}, {0, 0, 255}, {wait}, "add"});
      } else {
        b.jobs.push_back(copy_job(random() % 2 == 0 ? kCv : kSdma, last, y, {wait}));
      }
      last = y;
      wait = static_cast<uint32_t>(b.jobs.size() - 1);
    }
    b.jobs.push_back(
        copy_job(kSdma, last, bytes_at(kOutput, static_cast<uint64_t>(chain) * 64, 64), {wait}));
  }
  return b;
}

std::vector<uint8_t> run(Emulator* emulator, const std::vector<uint8_t>& x,
                         std::optional<uint64_t> shuffle) {
  std::vector<uint8_t> y(emulator->program().ios[1].nbytes);
  Emulator::Options options;
  options.shuffle = shuffle;
  emulator->run({x.data()}, {y.data()}, options);
  return y;
}

}  // namespace

TEST(adds) {
  const std::vector<uint8_t> params = counting(64, 100);
  Emulator emulator(decoded(add_program()), params.data(), params.size(), 1);
  for (int first = 0; first < 3; ++first) {
    const std::vector<uint8_t> y = run(&emulator, counting(64, first), std::nullopt);
    for (int i = 0; i < 64; ++i)
      CHECK(y[static_cast<size_t>(i)] == std::min(255, first + i + 100 + i));
  }
  std::vector<uint8_t> ocm(64);
  emulator.read(pulsar2::Space::Ocm, 64, 64, ocm.data());
  CHECK(ocm == params);
  CHECK_THROWS(emulator.read(pulsar2::Space::Ocm, 4040, 64, ocm.data()), ProgramError, "outside");
  CHECK_THROWS(emulator.read(pulsar2::Space::Ocm, UINT64_MAX, 64, ocm.data()), ProgramError,
               "outside");
}

TEST(any_order_and_any_threads_give_the_same) {
  const std::vector<uint8_t> params = counting(64, 3);
  const pulsar2::Program program = decoded(chains(12, 15));
  Emulator reference(program, params.data(), params.size(), 1);
  const std::vector<uint8_t> x = counting(64, 0);
  const std::vector<uint8_t> expected = run(&reference, x, std::nullopt);
  for (uint64_t seed = 0; seed < 20; ++seed) CHECK(run(&reference, x, seed) == expected);
  for (const int threads : {2, 3, 4}) {
    Emulator emulator(program, params.data(), params.size(), threads);
    for (int round = 0; round < 20; ++round) CHECK(run(&emulator, x, std::nullopt) == expected);
  }
}

TEST(a_job_that_fails_ends_the_run) {
  ProgramBuilder b = chains(6, 8);
  b.jobs[20] = {kTeng, 10, {bytes_at(kOcm, 0, 64), bytes_at(kOcm, 9000, 64)}, {7}, {1}, "bad"};
  const std::vector<uint8_t> params = counting(64, 3);
  for (const int threads : {1, 3}) {
    Emulator emulator(decoded(b), params.data(), params.size(), threads);
    for (int round = 0; round < 5; ++round) {
      CHECK_THROWS(run(&emulator, counting(64, 0), std::nullopt), ProgramError,
                   "job 20 (bad) on teng2: softmax");
    }
  }
}

TEST(refuses_parameters_of_another_size) {
  CHECK_THROWS(Emulator(decoded(add_program()), nullptr, 0, 1), ProgramError,
               "64 bytes of parameters, got 0");
}

TEST(knows_constant_operands) {
  ProgramBuilder b = add_program();
  const ProgramBuilder::Operand half = bytes_at(kOcm, 64, 32);
  b.jobs.push_back(copy_job(kCv, half, bytes_at(kOcm, 512, 32), {1}));  // from a parameter
  b.jobs.push_back(copy_job(kCv, bytes_at(kOcm, 512, 32), bytes_at(kOcm, 1024, 32)));
  b.jobs.push_back(
      copy_job(kCv, bytes_at(kOcm, 512, 33), bytes_at(kOcm, 1024, 33)));  // a byte too many
  b.jobs.push_back(copy_job(kSdma, bytes_at(kInput, 0, 4), bytes_at(kOcm, 520, 4)));
  b.jobs.push_back(copy_job(kSdma, bytes_at(kOcm, 512, 8), bytes_at(kSwap, 0, 8)));
  b.jobs.push_back(
      copy_job(kSdma, bytes_at(kOcm, 512, 32), bytes_at(kSwap, 0, 32)));  // partly overwritten
  b.jobs.push_back(
      copy_job(kSdma, bytes_at(kSwap, 0, 8), bytes_at(kOcm, 0, 8)));  // overwritten in swap
  const std::vector<uint32_t> expected = {0, 1, 2, 0, 1, 1, 0, 0, 1, 0, 0};
  CHECK(pulsar2::constant_operands(decoded(b)) == expected);
}

namespace {

/// A loop body that records which numbers it saw.
struct Seen {
  std::vector<std::atomic<int>> count;
  explicit Seen(size_t n) : count(n) {}
  static void body(void* context, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      ++static_cast<Seen*>(context)->count[static_cast<size_t>(i)];
  }
};

}  // namespace

TEST(parallel_loops_cover_their_range_once) {
  pulsar2::ThreadPool pool(3);
  for (const int64_t n : {1, 7, 64, 1000}) {
    for (const int64_t grain : {1, 3, 100}) {
      struct Context {
        pulsar2::ThreadPool* pool;
        Seen seen;
        int64_t n, grain;
        std::atomic<bool> done{false};
      } context{&pool, Seen(static_cast<size_t>(n)), n, grain, {}};
      pool.run(
          [](void* c, int worker) {
            auto* self = static_cast<Context*>(c);
            if (worker == 1) {
              self->pool->parallel(1)->run(self->n, self->grain, &Seen::body, &self->seen);
              self->done = true;
            }
            while (!self->done) self->pool->help(worker);
          },
          &context);
      for (const auto& count : context.seen.count) CHECK(count == 1);
    }
  }
}

TEST(parallel_loops_pass_exceptions_on) {
  pulsar2::ThreadPool pool(2);
  struct Context {
    pulsar2::ThreadPool* pool;
    bool caught = false;
  } context{&pool};
  pool.run(
      [](void* c, int worker) {
        auto* self = static_cast<Context*>(c);
        if (worker != 0) return;
        try {
          self->pool->parallel(0)->run(
              100, 1,
              [](void*, int64_t begin, int64_t) {
                if (begin >= 50) throw std::runtime_error("no");
              },
              nullptr);
        } catch (const std::runtime_error&) {
          self->caught = true;
        }
      },
      &context);
  CHECK(context.caught);
}
