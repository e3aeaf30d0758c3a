#include "pulsar2/order_jobs.h"

#include <algorithm>
#include <set>
#include <utility>

#include "flights.h"
#include "range_max.h"

namespace pulsar2 {
namespace {

size_t at(int64_t i) { return static_cast<size_t>(i); }

class MemoryScheduler {
 public:
  MemoryScheduler(const JobGraph& graph, const JobMemory& memory, int64_t limit,
                  const std::vector<int32_t>& not_before, const std::vector<int64_t>& priority)
      : graph_(graph),
        memory_(memory),
        limit_(limit),
        not_before_(not_before),
        priority_(priority),
        ready_(graph.units.size()),
        free_(graph.units.size()),
        followers_(graph.size()),
        missing_(graph.size(), 0),
        started_(graph.size(), 0),
        first_(memory.size.size(), -1),
        last_(memory.size.size(), -1),
        left_(memory.size.size(), 0),
        begun_(memory.size.size(), 0),
        alive_(graph.size() + 1),
        flights_(graph.ddr_rate) {}

  UnitSchedule run() {
    const size_t n = graph_.size();
    begin();
    result_.unit.resize(n);
    result_.start.resize(n);
    result_.end.resize(n);
    int64_t now = 0;
    std::vector<int64_t> ended;
    start_ready(now);
    while (!flights_.empty()) {
      flights_.advance(&now, &ended);
      for (const int64_t job : ended) end(job, now);
      start_ready(now);
    }
    result_.makespan = now;
    return std::move(result_);
  }

 private:
  using Entry = std::pair<int64_t, int32_t>;  ///< priority from the highest, and the job

  template <typename Take>
  void each_buffer(size_t job, const Take& take) const {
    for (int64_t u = memory_.use_offsets[job]; u < memory_.use_offsets[job + 1]; ++u)
      take(at(memory_.uses[at(u)]));
  }

  void begin() {
    const size_t n = graph_.size();
    for (size_t i = 0; i < n; ++i) {
      each_buffer(i, [&](size_t b) {
        if (first_[b] < 0) first_[b] = static_cast<int64_t>(i);
        last_[b] = static_cast<int64_t>(i);
        ++left_[b];
      });
      for (int64_t w = graph_.wait_offsets[i]; w < graph_.wait_offsets[i + 1]; ++w) {
        followers_[at(graph_.waits[at(w)])].push_back(static_cast<int32_t>(i));
        ++missing_[i];
      }
    }
    for (size_t b = 0; b < first_.size(); ++b) {
      if (first_[b] >= 0) alive_.add(at(first_[b]), at(last_[b]) + 1, memory_.size[b]);
    }
    for (size_t k = 0; k < free_.size(); ++k) {
      for (int32_t u = 0; u < graph_.units[k]; ++u) free_[k].insert(u);
    }
    for (size_t i = 0; i < n; ++i) {
      if (missing_[i] == 0) release(i);
    }
  }

  void release(size_t job) {
    if (not_before_[job] > frontier_) {
      held_.emplace(not_before_[job], static_cast<int32_t>(job));
      return;
    }
    ready_[at(graph_.kind[job])].emplace(-priority_[job], static_cast<int32_t>(job));
  }

  /// Starts the first ready job of each class while it has a unit and room.
  void start_ready(int64_t now) {
    for (size_t k = 0; k < free_.size(); ++k) {
      while (!free_[k].empty() && !ready_[k].empty()) {
        const int32_t job = ready_[k].begin()->second;
        if (!take_room(job)) break;
        ready_[k].erase(ready_[k].begin());
        start(job, now);
      }
    }
    // What comes next in the program always gets its turn, or memory could fill for good.
    while (at(frontier_) < graph_.size()) {
      const size_t i = at(frontier_);
      const size_t k = at(graph_.kind[i]);
      const auto entry = ready_[k].find({-priority_[i], static_cast<int32_t>(i)});
      if (entry == ready_[k].end() || free_[k].empty() || !take_room(entry->second)) return;
      ready_[k].erase(entry);
      start(static_cast<int32_t>(i), now);
    }
  }

  /// Whether a job may have its buffers now; they are noted if so.
  bool take_room(int32_t job) {
    const size_t i = at(job);
    int64_t need = 0;
    each_buffer(i, [&](size_t b) { need += begun_[b] ? 0 : memory_.size[b]; });
    if (job == frontier_) {
      if (live_ + need > std::max(limit_, alive_.most(i, i + 1))) return false;
    } else {
      if (live_ + need > limit_) return false;
      std::vector<size_t> moved;
      bool room = true;
      each_buffer(i, [&](size_t b) {
        if (!room || begun_[b] || first_[b] <= frontier_) return;
        room = alive_.most(at(frontier_), at(first_[b])) + memory_.size[b] <= limit_;
        if (!room) return;
        alive_.add(at(frontier_), at(first_[b]), memory_.size[b]);
        moved.push_back(b);
      });
      if (!room) {
        for (const size_t b : moved) alive_.add(at(frontier_), at(first_[b]), -memory_.size[b]);
        return false;
      }
    }
    each_buffer(i, [&](size_t b) { begun_[b] = 1; });
    live_ += need;
    return true;
  }

  void start(int32_t job, int64_t now) {
    const size_t i = at(job);
    std::set<int32_t>& units = free_[at(graph_.kind[i])];
    result_.unit[i] = *units.begin();
    units.erase(units.begin());
    result_.start[i] = now;
    result_.order.push_back(job);
    flights_.start(job, graph_.cycles[i], graph_.ddr_bytes[i]);
    started_[i] = 1;
    while (at(frontier_) < started_.size() && started_[at(frontier_)]) ++frontier_;
    while (!held_.empty() && held_.begin()->first <= frontier_) {
      const int32_t next = held_.begin()->second;
      held_.erase(held_.begin());
      release(at(next));
    }
  }

  void end(int64_t job, int64_t now) {
    const size_t i = at(job);
    result_.end[i] = now;
    free_[at(graph_.kind[i])].insert(result_.unit[i]);
    each_buffer(i, [&](size_t b) {
      if (--left_[b] > 0) return;
      live_ -= memory_.size[b];
      // Jobs that come before its last one in the program need not reckon with it any more.
      if (last_[b] >= frontier_) alive_.add(at(frontier_), at(last_[b]) + 1, -memory_.size[b]);
    });
    for (const int32_t f : followers_[i]) {
      if (--missing_[at(f)] == 0) release(at(f));
    }
  }

  const JobGraph& graph_;
  const JobMemory& memory_;
  int64_t limit_;
  const std::vector<int32_t>& not_before_;
  const std::vector<int64_t>& priority_;
  std::vector<std::set<Entry>> ready_;
  std::vector<std::set<int32_t>> free_;
  std::set<std::pair<int32_t, int32_t>> held_;  ///< jobs whose turn has not come, by when it does
  std::vector<std::vector<int32_t>> followers_;
  std::vector<int32_t> missing_;
  std::vector<char> started_;
  std::vector<int64_t> first_;  ///< of each buffer, the jobs of the program that use it
  std::vector<int64_t> last_;
  std::vector<int32_t> left_;
  std::vector<char> begun_;
  RangeMax alive_;  ///< bytes at each job of the program that has not started, in its order
  int64_t live_ = 0;
  int64_t frontier_ = 0;  ///< the first job of the program that has not started
  Flights flights_;
  UnitSchedule result_;
};

}  // namespace

UnitSchedule order_jobs(const JobGraph& graph, const JobMemory& memory, int64_t limit,
                        const std::vector<int32_t>& not_before,
                        const std::vector<int64_t>& priority) {
  return MemoryScheduler(graph, memory, limit, not_before, priority).run();
}

}  // namespace pulsar2
