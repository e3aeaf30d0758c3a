#pragma once

#include <cstdint>
#include <vector>

#include "pulsar2/assign_units.h"

namespace pulsar2 {

/// The buffers of jobs: bytes of each, and which of them job i uses, [use_offsets[i],
/// use_offsets[i + 1]) of `uses`. A buffer takes memory from the start of the first job that uses
/// it until the end of the last.
struct JobMemory {
  std::vector<int64_t> size;
  std::vector<int64_t> use_offsets;
  std::vector<int32_t> uses;
};

/// List scheduling in which memory is a resource: a job starts when it is the one of highest
/// priority of its class whose buffers have room beside those in use.
///
/// Job i does not start before all jobs that come before job `not_before[i]` in the program have; a
/// load that is issued too early takes the memory by which others would overlap.
///
/// The jobs' own order is the way out: a job goes before others only if these still find room one
/// after another, so no more is in use than `limit`, or what that order needs. Of equal priorities
/// the first in the program goes first. Deterministic.
UnitSchedule order_jobs(const JobGraph& graph, const JobMemory& memory, int64_t limit,
                        const std::vector<int32_t>& not_before,
                        const std::vector<int64_t>& priority);

}  // namespace pulsar2
