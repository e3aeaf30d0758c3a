#pragma once

#include <cstdint>
#include <vector>

#include "pulsar2/program.h"

namespace pulsar2 {

/// Which jobs are sure to have ended when another starts: vector clocks over queues and waits.
class JobOrder {
 public:
  explicit JobOrder(const Program& program);

  /// Whether job `first` has ended whenever `second` starts.
  bool before(uint32_t first, uint32_t second) const {
    return clock(second)[unit(first)] > position_[first];
  }
  uint32_t unit(uint32_t job) const { return units_[job]; }
  /// Place of a job in its unit's queue.
  uint32_t position(uint32_t job) const { return position_[job]; }
  /// The job at a place of a unit's queue.
  uint32_t job_at(uint32_t unit, uint32_t position) const { return queues_[unit][position]; }
  size_t num_units() const { return queues_.size(); }
  /// Waits of a job that its queue or its other waits imply, ascending.
  std::vector<uint32_t> useless_waits(const Program& program, uint32_t job) const;

 private:
  /// Per unit, how many jobs of its queue have ended before the job starts.
  const uint32_t* clock(uint32_t job) const { return clocks_.data() + job * queues_.size(); }

  std::vector<uint32_t> units_;
  std::vector<uint32_t> position_;
  std::vector<std::vector<uint32_t>> queues_;
  std::vector<uint32_t> clocks_;
};

}  // namespace pulsar2
