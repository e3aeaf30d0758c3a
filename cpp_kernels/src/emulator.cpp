#include "pulsar2/emulator.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <new>
#include <queue>
#include <random>

namespace pulsar2 {

struct Emulator::Task {
  KernelFn fn = nullptr;
  KernelCall call;
  std::unique_ptr<KernelState> state;
  uint32_t predecessors = 0;
};

void Emulator::FreeBytes::operator()(uint8_t* p) const { std::free(p); }

Emulator::~Emulator() = default;

Emulator::Emulator(Program program, const uint8_t* params, size_t params_size, int threads)
    : program_(std::move(program)) {
  const uint64_t expected = program_.space_bytes[static_cast<size_t>(Space::Param)];
  if (params_size != expected) {
    throw ProgramError("the program has " + std::to_string(expected) +
                       " bytes of parameters, got " + std::to_string(params_size));
  }
  for (size_t i = 0; i < kNumSpaces; ++i) {
    // No padding: a sanitizer then sees an access that leaves the space.
    const auto size = static_cast<size_t>(std::max<uint64_t>(program_.space_bytes[i], 1));
    void* bytes = nullptr;
    if (posix_memalign(&bytes, 64, size) != 0) throw std::bad_alloc();
    spaces_[i].reset(static_cast<uint8_t*>(bytes));
    std::memset(bytes, 0, size);
  }
  if (expected > 0)
    std::memcpy(spaces_[static_cast<size_t>(Space::Param)].get(), params, params_size);
  if (threads > 1) pool_ = std::make_unique<ThreadPool>(threads);
  prepare();
}

void Emulator::prepare() {
  const size_t n = program_.jobs.size();
  views_.resize(program_.operands.size());
  for (size_t i = 0; i < views_.size(); ++i) {
    const Operand& operand = program_.operands[i];
    View& view = views_[i];
    view.data = spaces_[static_cast<size_t>(operand.space)].get() + operand.address;
    view.dtype = operand.dtype;
    view.ndim = operand.ndim;
    std::copy(std::begin(operand.shape), std::end(operand.shape), view.shape);
    std::copy(std::begin(operand.strides), std::end(operand.strides), view.strides);
    view.scale = operand.scale;
    view.zero_point = operand.zero_point;
  }
  const std::vector<uint32_t> constant = constant_operands(program_);
  tasks_.resize(n);
  std::vector<int64_t> last(program_.eus.size(), -1);
  std::vector<std::pair<uint32_t, uint32_t>> edges;
  for (size_t i = 0; i < n; ++i) {
    const Job& job = program_.jobs[i];
    Task& task = tasks_[i];
    task.fn = find_kernel(job.opcode)->fn;
    task.call.operands = views_.data() + job.first_operand;
    task.call.num_operands = static_cast<int32_t>(job.num_operands);
    task.call.params = program_.params_of(job);
    task.call.num_params = static_cast<int32_t>(job.num_params);
    task.call.constant_operands = constant[i];
    if (last[job.eu] >= 0)
      edges.emplace_back(static_cast<uint32_t>(last[job.eu]), static_cast<uint32_t>(i));
    last[job.eu] = static_cast<int64_t>(i);
    const uint32_t* waits = program_.waits_of(job);
    for (uint32_t w = 0; w < job.num_waits; ++w)
      edges.emplace_back(waits[w], static_cast<uint32_t>(i));
  }
  // `state` points into a task, so it is set once the tasks no longer move.
  for (Task& task : tasks_) task.call.state = &task.state;
  first_follower_.assign(n + 1, 0);
  for (const auto& [from, to] : edges) {
    ++first_follower_[from + 1];
    ++tasks_[to].predecessors;
  }
  for (size_t i = 0; i < n; ++i) first_follower_[i + 1] += first_follower_[i];
  followers_.resize(edges.size());
  std::vector<uint32_t> at(first_follower_.begin(), first_follower_.end() - 1);
  for (const auto& [from, to] : edges) followers_[at[from]++] = to;
}

void Emulator::execute(size_t job, Parallel* parallel) {
  Task& task = tasks_[job];
  task.call.parallel = parallel;
  try {
    if (!profile_) {
      task.fn(task.call);
      return;
    }
    const auto begin = std::chrono::steady_clock::now();
    task.fn(task.call);
    const std::chrono::nanoseconds took = std::chrono::steady_clock::now() - begin;
    job_nanoseconds_[job] += took.count();
  } catch (const std::invalid_argument& error) {
    throw ProgramError(program_.job_name(job) + ": " + error.what());
  }
}

void Emulator::run(const std::vector<const uint8_t*>& inputs, const std::vector<uint8_t*>& outputs,
                   const Options& options) {
  const std::lock_guard<std::mutex> lock(mutex_);
  profile_ = options.profile;
  if (profile_) job_nanoseconds_.resize(tasks_.size());
  size_t next = 0;
  for (const IoTensor& io : program_.ios) {
    if (io.is_output) continue;
    uint8_t* segment = spaces_[static_cast<size_t>(Space::Input)].get();
    std::memcpy(segment + io.address, inputs.at(next++), io.nbytes);
  }
  if (options.shuffle) {
    run_shuffled(*options.shuffle);
  } else if (pool_) {
    run_threads();
  } else {
    run_in_order();
  }
  next = 0;
  for (const IoTensor& io : program_.ios) {
    if (!io.is_output) continue;
    const uint8_t* segment = spaces_[static_cast<size_t>(Space::Output)].get();
    std::memcpy(outputs.at(next++), segment + io.address, io.nbytes);
  }
}

void Emulator::run_in_order() {
  for (size_t i = 0; i < tasks_.size(); ++i) execute(i, nullptr);
}

void Emulator::run_shuffled(uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<uint32_t> missing(tasks_.size());
  std::vector<uint32_t> ready;
  for (size_t i = 0; i < tasks_.size(); ++i) {
    missing[i] = tasks_[i].predecessors;
    if (missing[i] == 0) ready.push_back(static_cast<uint32_t>(i));
  }
  while (!ready.empty()) {
    std::swap(ready[random() % ready.size()], ready.back());
    const uint32_t job = ready.back();
    ready.pop_back();
    execute(job, nullptr);
    for (uint32_t f = first_follower_[job]; f < first_follower_[job + 1]; ++f) {
      if (--missing[followers_[f]] == 0) ready.push_back(followers_[f]);
    }
  }
}

/// One run on several threads: every worker takes ready jobs, and helps with loops when there is
/// none.
struct Emulator::Run {
  Emulator& emulator;
  std::vector<std::atomic<uint32_t>> missing;
  std::atomic<size_t> left;
  std::atomic<bool> failed{false};
  std::mutex mutex;
  std::exception_ptr error;
  std::priority_queue<uint32_t, std::vector<uint32_t>, std::greater<>> ready;
  std::atomic<size_t> num_ready{0};

  explicit Run(Emulator& e) : emulator(e), missing(e.tasks_.size()), left(e.tasks_.size()) {
    for (size_t i = 0; i < missing.size(); ++i) {
      missing[i].store(e.tasks_[i].predecessors, std::memory_order_relaxed);
      if (e.tasks_[i].predecessors == 0) ready.push(static_cast<uint32_t>(i));
    }
    num_ready.store(ready.size());
  }

  int64_t take() {
    if (num_ready.load(std::memory_order_relaxed) == 0) return -1;
    const std::lock_guard<std::mutex> lock(mutex);
    if (ready.empty()) return -1;
    const uint32_t job = ready.top();
    ready.pop();
    num_ready.store(ready.size(), std::memory_order_relaxed);
    return job;
  }

  /// Marks a job as done. Returns a job that has become ready, for the same worker, or -1.
  int64_t finish(size_t job) {
    int64_t mine = -1;
    for (uint32_t f = emulator.first_follower_[job]; f < emulator.first_follower_[job + 1]; ++f) {
      const uint32_t follower = emulator.followers_[f];
      if (missing[follower].fetch_sub(1, std::memory_order_acq_rel) != 1) continue;
      if (mine < 0) {
        mine = follower;
        continue;
      }
      const std::lock_guard<std::mutex> lock(mutex);
      ready.push(follower);
      num_ready.store(ready.size(), std::memory_order_relaxed);
    }
    left.fetch_sub(1, std::memory_order_acq_rel);
    return mine;
  }

  void work(int worker) {
    Parallel* parallel = emulator.pool_->parallel(worker);
    Backoff backoff;
    while (left.load(std::memory_order_acquire) != 0 && !failed.load(std::memory_order_acquire)) {
      int64_t job = take();
      if (job < 0) {
        if (emulator.pool_->help(worker)) {
          backoff.reset();
        } else {
          backoff.wait();
        }
        continue;
      }
      backoff.reset();
      try {
        while (job >= 0 && !failed.load(std::memory_order_relaxed)) {
          emulator.execute(static_cast<size_t>(job), parallel);
          job = finish(static_cast<size_t>(job));
        }
      } catch (...) {
        const std::lock_guard<std::mutex> lock(mutex);
        if (!error) error = std::current_exception();
        failed.store(true, std::memory_order_release);
      }
    }
  }
};

void Emulator::run_threads() {
  Run run(*this);
  pool_->run([](void* context, int worker) { static_cast<Run*>(context)->work(worker); }, &run);
  if (run.error) std::rethrow_exception(run.error);
}

void Emulator::read(Space space, uint64_t address, uint64_t nbytes, uint8_t* out) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto index = static_cast<size_t>(space);
  const uint64_t limit = index < kNumSpaces ? program_.space_bytes[index] : 0;
  if (index >= kNumSpaces || nbytes > limit || address > limit - nbytes) {
    throw ProgramError("bytes [" + std::to_string(address) + ":" +
                       std::to_string(address + nbytes) + "] lie outside the " +
                       std::to_string(limit) + " bytes of space " + std::to_string(index));
  }
  std::memcpy(out, spaces_[index].get() + address, nbytes);
}

}  // namespace pulsar2
