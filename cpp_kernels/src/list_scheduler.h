#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "flights.h"
#include "pulsar2/assign_units.h"

namespace pulsar2 {

/// Jobs that wait for jobs: pairs of an earlier one and a later one.
using Arcs = std::vector<std::pair<int32_t, int32_t>>;

/// List scheduling by simulation: whenever a unit is free, it takes the ready job of its class with
/// the highest priority; of equal ones the first in the program.
class ListScheduler {
 public:
  /// With `reversed`, time runs backwards: a job waits for those that wait for it.
  ListScheduler(const JobGraph& graph, bool reversed);

  /// False where `more` waits and those of the graph go in a circle.
  bool run(const std::vector<int64_t>& priority, const Arcs& more, UnitSchedule* result);

  /// The jobs that wait for job `i` begin at the first and end before the second.
  std::pair<const int32_t*, const int32_t*> followers(size_t i) const {
    return {followers_.data() + first_[i], followers_.data() + first_[i + 1]};
  }

 private:
  using Entry = std::pair<int64_t, int32_t>;  ///< priority, and the job's place from the end

  void release(int32_t job);
  void start_ready(int64_t now, UnitSchedule* result);

  const JobGraph& graph_;
  bool reversed_;
  std::vector<int64_t> first_;
  std::vector<int32_t> followers_;
  std::vector<int32_t> waits_;  ///< how many jobs each waits for
  std::vector<int32_t> missing_;
  std::vector<std::vector<Entry>> ready_;   ///< of each class, a heap
  std::vector<std::vector<int32_t>> free_;  ///< of each class, a heap: the lowest number first
  std::vector<std::vector<int32_t>> more_;
  const int64_t* priority_ = nullptr;
  Flights flights_;
  std::vector<int64_t> ended_;
};

}  // namespace pulsar2
