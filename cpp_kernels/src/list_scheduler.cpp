#include "list_scheduler.h"

#include <algorithm>
#include <functional>

namespace pulsar2 {
namespace {

size_t at(int64_t i) { return static_cast<size_t>(i); }

}  // namespace

ListScheduler::ListScheduler(const JobGraph& graph, bool reversed)
    : graph_(graph), reversed_(reversed), flights_(graph.ddr_rate) {
  const size_t n = graph.size();
  first_.assign(n + 1, 0);
  waits_.assign(n, 0);
  const auto each = [&](const auto& take) {
    for (size_t i = 0; i < n; ++i) {
      for (int64_t w = graph.wait_offsets[i]; w < graph.wait_offsets[i + 1]; ++w) {
        const auto job = static_cast<int32_t>(i);
        const int32_t other = graph.waits[at(w)];
        reversed ? take(job, other) : take(other, job);
      }
    }
  };
  each([&](int32_t before, int32_t after) {
    ++first_[at(before) + 1];
    ++waits_[at(after)];
  });
  for (size_t i = 0; i < n; ++i) first_[i + 1] += first_[i];
  followers_.resize(at(first_[n]));
  std::vector<int64_t> fill(first_.begin(), first_.end() - 1);
  each([&](int32_t before, int32_t after) { followers_[at(fill[at(before)]++)] = after; });
  ready_.resize(graph.units.size());
  free_.resize(graph.units.size());
  more_.resize(n);
}

bool ListScheduler::run(const std::vector<int64_t>& priority, const Arcs& more,
                        UnitSchedule* result) {
  const size_t n = graph_.size();
  priority_ = priority.data();
  missing_ = waits_;
  for (const auto& [before, after] : more) {
    more_[at(before)].push_back(after);
    ++missing_[at(after)];
  }
  for (size_t k = 0; k < free_.size(); ++k) {
    ready_[k].clear();
    free_[k].clear();
    // Ascending numbers are a heap whose lowest comes first.
    for (int32_t u = 0; u < graph_.units[k]; ++u) free_[k].push_back(u);
  }
  result->unit.resize(n);
  result->start.resize(n);
  result->end.resize(n);
  result->order.clear();
  for (size_t i = 0; i < n; ++i) {
    if (missing_[i] == 0) release(static_cast<int32_t>(i));
  }
  flights_.clear();
  int64_t now = 0;
  start_ready(now, result);
  while (!flights_.empty()) {
    flights_.advance(&now, &ended_);
    for (const int64_t job : ended_) {
      result->end[at(job)] = now;
      std::vector<int32_t>& units = free_[at(graph_.kind[at(job)])];
      units.push_back(result->unit[at(job)]);
      std::push_heap(units.begin(), units.end(), std::greater<>());
      const auto [begin, end] = followers(at(job));
      for (const int32_t* f = begin; f != end; ++f) {
        if (--missing_[at(*f)] == 0) release(*f);
      }
      for (const int32_t f : more_[at(job)]) {
        if (--missing_[at(f)] == 0) release(f);
      }
    }
    start_ready(now, result);
  }
  for (const auto& [before, after] : more) more_[at(before)].clear();
  result->makespan = now;
  return result->order.size() == n;
}

void ListScheduler::release(int32_t job) {
  std::vector<Entry>& heap = ready_[at(graph_.kind[at(job)])];
  heap.emplace_back(priority_[at(job)], reversed_ ? job : -job);
  std::push_heap(heap.begin(), heap.end());
}

void ListScheduler::start_ready(int64_t now, UnitSchedule* result) {
  for (size_t k = 0; k < free_.size(); ++k) {
    while (!ready_[k].empty() && !free_[k].empty()) {
      std::pop_heap(ready_[k].begin(), ready_[k].end());
      const int32_t job = std::abs(ready_[k].back().second);
      ready_[k].pop_back();
      std::pop_heap(free_[k].begin(), free_[k].end(), std::greater<>());
      result->unit[at(job)] = free_[k].back();
      free_[k].pop_back();
      result->start[at(job)] = now;
      result->order.push_back(job);
      flights_.start(job, graph_.cycles[at(job)], graph_.ddr_bytes[at(job)]);
    }
  }
}

}  // namespace pulsar2
