#include "pulsar2/threads.h"

#include <algorithm>

namespace pulsar2 {

void Backoff::wait() {
  constexpr int kSpins = 200;
  if (++count_ < kSpins) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
  } else {
    std::this_thread::yield();
  }
}

void ThreadPool::Slot::run(int64_t n, int64_t grain, void (*body)(void*, int64_t, int64_t),
                           void* context) {
  // A loop within a loop: the outer one already keeps the workers busy.
  if (open_.load(std::memory_order_relaxed) || n <= grain) {
    body(context, 0, n);
    return;
  }
  const int64_t step = std::max<int64_t>(grain, 1);
  const int64_t pieces = int64_t{4} * workers_;
  chunk_ = std::max<int64_t>(1, (n + pieces * step - 1) / (pieces * step)) * step;
  n_ = n;
  body_ = body;
  context_ = context;
  error_ = nullptr;
  failed_.store(false, std::memory_order_relaxed);
  next_.store(0, std::memory_order_relaxed);
  open_.store(true);
  work();
  open_.store(false);
  Backoff backoff;
  while (helpers_.load() != 0) backoff.wait();
  if (error_) std::rethrow_exception(error_);
}

void ThreadPool::Slot::work() {
  try {
    for (;;) {
      const int64_t begin = next_.fetch_add(chunk_, std::memory_order_relaxed);
      if (begin >= n_ || failed_.load(std::memory_order_relaxed)) return;
      body_(context_, begin, std::min(begin + chunk_, n_));
    }
  } catch (...) {
    const std::lock_guard<std::mutex> lock(error_mutex_);
    if (!error_) error_ = std::current_exception();
    failed_.store(true, std::memory_order_relaxed);
  }
}

bool ThreadPool::Slot::join() {
  if (!open_.load(std::memory_order_relaxed)) return false;
  helpers_.fetch_add(1);
  // Sequentially consistent: if the loop is seen open here, its owner sees the helper before it
  // returns.
  const bool joined = open_.load() && next_.load(std::memory_order_relaxed) < n_;
  if (joined) work();
  helpers_.fetch_sub(1);
  return joined;
}

ThreadPool::ThreadPool(int workers) {
  for (int i = 0; i < workers; ++i) slots_.push_back(std::make_unique<Slot>(workers));
  for (int i = 1; i < workers; ++i) threads_.emplace_back([this, i] { serve(i); });
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  begin_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadPool::run(void (*body)(void*, int), void* context) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    body_ = body;
    context_ = context;
    isa_ = current_isa();
    working_ = static_cast<int>(threads_.size());
    ++round_;
  }
  begin_.notify_all();
  body(context, 0);
  std::unique_lock<std::mutex> lock(mutex_);
  end_.wait(lock, [this] { return working_ == 0; });
}

void ThreadPool::serve(int worker) {
  uint64_t seen = 0;
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    begin_.wait(lock, [&] { return stop_ || round_ != seen; });
    if (stop_) return;
    seen = round_;
    lock.unlock();
    {
      const IsaScope scope(isa_);
      body_(context_, worker);
    }
    lock.lock();
    if (--working_ == 0) end_.notify_one();
  }
}

bool ThreadPool::help(int worker) {
  for (size_t i = 1; i < slots_.size(); ++i) {
    const size_t other = (static_cast<size_t>(worker) + i) % slots_.size();
    if (slots_[other]->join()) return true;
  }
  return false;
}

}  // namespace pulsar2
