#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace pulsar2 {

/// Jobs to be given units: each needs one unit of its class, after the earlier jobs that it waits
/// for; `waits` of job i are [wait_offsets[i], wait_offsets[i + 1]).
struct JobGraph {
  std::vector<int32_t> kind;  ///< class of units, a position in `units`
  std::vector<int64_t> cycles;
  std::vector<int64_t> ddr_bytes;
  std::vector<int64_t> wait_offsets;
  std::vector<int32_t> waits;
  std::vector<int32_t> units;  ///< how many units each class has
  double ddr_rate = 0;         ///< bytes per cycle of the whole DDR

  size_t size() const { return kind.size(); }
};

/// The unit of each job within its class, the jobs by their starts, and when they start and end.
struct UnitSchedule {
  std::vector<int32_t> unit;
  std::vector<int32_t> order;
  std::vector<int64_t> start;
  std::vector<int64_t> end;
  int64_t makespan = 0;
};

/// What a stage of `assign_units` came to.
struct AssignStage {
  const char* name;
  int64_t makespan;
};

/// Units and an order, such that the end comes early by the timing replay.
///
/// In stages, whose best is kept: `heuristic` starts, whenever a unit is free, the ready job with
/// the longest chain of waits behind it; `onepass` the one that comes first in the program;
/// `greedy` puts the jobs one after another, the longest chain first, into the first gap of a unit
/// that is long enough; `improved` changes the best of them, turning time around and exchanging
/// what blocks jobs that the end depends on, until it has simulated `effort` jobs. Deterministic.
UnitSchedule assign_units(const JobGraph& graph, int64_t effort, std::vector<AssignStage>* stages);

}  // namespace pulsar2
