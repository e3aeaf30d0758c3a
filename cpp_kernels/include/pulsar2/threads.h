#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "pulsar2/kernel.h"
#include "pulsar2/kernels/isa.h"

namespace pulsar2 {

/// A fixed set of workers; the thread that calls `run` is worker 0. Workers that have nothing of
/// their own to do can help with the parallel loops of the others.
class ThreadPool {
 public:
  explicit ThreadPool(int workers);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return static_cast<int>(slots_.size()); }

  /// Calls body(context, worker) once on every worker, and returns when all have returned.
  /// `body` must not throw.
  void run(void (*body)(void* context, int worker), void* context);

  /// Loops of kernels that run on this worker.
  Parallel* parallel(int worker) { return slots_[static_cast<size_t>(worker)].get(); }

  /// Takes part in a loop of another worker, if there is one. False if there was none.
  bool help(int worker);

 private:
  /// One worker's parallel loop. Helpers announce themselves in `helpers_` before they look at
  /// `open_`; the owner closes the loop, then waits for the helpers to leave.
  class Slot : public Parallel {
   public:
    explicit Slot(int workers) : workers_(workers) {}
    void run(int64_t n, int64_t grain, void (*body)(void*, int64_t, int64_t),
             void* context) override;
    bool join();

   private:
    void work();

    const int workers_;
    std::atomic<bool> open_{false};
    std::atomic<int> helpers_{0};
    std::atomic<int64_t> next_{0};
    std::atomic<bool> failed_{false};
    int64_t n_ = 0;
    int64_t chunk_ = 0;
    void (*body_)(void*, int64_t, int64_t) = nullptr;
    void* context_ = nullptr;
    std::mutex error_mutex_;
    std::exception_ptr error_;
  };

  void serve(int worker);

  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable begin_;
  std::condition_variable end_;
  uint64_t round_ = 0;
  int working_ = 0;
  bool stop_ = false;
  void (*body_)(void*, int) = nullptr;
  void* context_ = nullptr;
  Isa isa_ = Isa::Portable;
};

/// Waits a little, then longer: spins first, then lets other threads run.
class Backoff {
 public:
  void wait();
  void reset() { count_ = 0; }

 private:
  int count_ = 0;
};

}  // namespace pulsar2
