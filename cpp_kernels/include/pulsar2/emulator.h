#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "pulsar2/program.h"
#include "pulsar2/threads.h"

namespace pulsar2 {

/// For every job, which operands hold the same bytes in every run: bit i for operand i. These are
/// views of parameters, or of what jobs made from such alone. Jobs are taken in the order given.
std::vector<uint32_t> constant_operands(const Program& program);

/// Executes a program over the bytes of its spaces. The program, its parameters, and what kernels
/// keep between runs (such as repacked weights) stay loaded. One run at a time; `run` from a second
/// thread waits.
class Emulator {
 public:
  struct Options {
    /// Jobs run one by one in a random order that queues and waits allow, which this seeds.
    std::optional<uint64_t> shuffle;
    /// Adds the wall-clock time of every job to `job_nanoseconds`.
    bool profile = false;
  };

  /// Throws ProgramError when the parameters do not have the size that the program says.
  Emulator(Program program, const uint8_t* params, size_t params_size, int threads);
  ~Emulator();
  Emulator(const Emulator&) = delete;
  Emulator& operator=(const Emulator&) = delete;

  const Program& program() const { return program_; }

  /// Runs the program. `inputs` and `outputs` point to the tensors' bytes, in the order in which
  /// the program lists them. ProgramError, which names the job, when a job's operands do not fit
  /// its operation.
  void run(const std::vector<const uint8_t*>& inputs, const std::vector<uint8_t*>& outputs,
           const Options& options);

  /// Copies bytes of a space as the last run left them. ProgramError when they lie outside.
  void read(Space space, uint64_t address, uint64_t nbytes, uint8_t* out) const;

  const std::vector<int64_t>& job_nanoseconds() const { return job_nanoseconds_; }

 private:
  struct Task;
  struct Run;
  struct FreeBytes {
    void operator()(uint8_t* p) const;
  };

  void prepare();
  void execute(size_t job, Parallel* parallel);
  void run_in_order();
  void run_shuffled(uint64_t seed);
  void run_threads();

  Program program_;
  std::unique_ptr<uint8_t, FreeBytes> spaces_[kNumSpaces];
  std::vector<Task> tasks_;
  std::vector<View> views_;
  /// Jobs that may start only after job i: the next in its queue, and those that wait for it.
  std::vector<uint32_t> first_follower_;
  std::vector<uint32_t> followers_;
  std::unique_ptr<ThreadPool> pool_;
  std::vector<int64_t> job_nanoseconds_;
  bool profile_ = false;
  mutable std::mutex mutex_;
};

}  // namespace pulsar2
