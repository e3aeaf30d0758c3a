#include "order.h"

#include <algorithm>

namespace pulsar2 {

JobOrder::JobOrder(const Program& program) {
  const size_t n = program.jobs.size();
  const size_t units = program.eus.size();
  units_.resize(n);
  position_.resize(n);
  queues_.resize(units);
  clocks_.assign(n * units, 0);
  for (size_t i = 0; i < n; ++i) {
    const Job& job = program.jobs[i];
    uint32_t* mine = clocks_.data() + i * units;
    const auto join = [&](uint32_t other) {
      const uint32_t* theirs = clock(other);
      for (size_t u = 0; u < units; ++u) mine[u] = std::max(mine[u], theirs[u]);
      mine[units_[other]] = std::max(mine[units_[other]], position_[other] + 1);
    };
    std::vector<uint32_t>& queue = queues_[job.eu];
    if (!queue.empty()) join(queue.back());
    for (uint32_t w = 0; w < job.num_waits; ++w) join(program.waits_of(job)[w]);
    units_[i] = job.eu;
    position_[i] = static_cast<uint32_t>(queue.size());
    queue.push_back(static_cast<uint32_t>(i));
  }
}

std::vector<uint32_t> JobOrder::useless_waits(const Program& program, uint32_t job) const {
  const Job& record = program.jobs[job];
  const uint32_t* waits = program.waits_of(record);
  std::vector<uint32_t> useless;
  // Of the waits for one unit only the last can matter; that bounds the pairs to compare.
  std::vector<int64_t> last(queues_.size(), -1);
  if (position_[job] > 0) last[record.eu] = queues_[record.eu][position_[job] - 1];
  for (uint32_t w = 0; w < record.num_waits; ++w) {
    int64_t& latest = last[units_[waits[w]]];
    latest = std::max<int64_t>(latest, waits[w]);
  }
  for (uint32_t w = 0; w < record.num_waits; ++w) {
    const uint32_t wait = waits[w];
    const uint32_t unit = units_[wait];
    bool implied = last[unit] != wait || unit == record.eu;
    for (size_t u = 0; u < last.size() && !implied; ++u) {
      implied = u != unit && last[u] >= 0 && before(wait, static_cast<uint32_t>(last[u]));
    }
    if (implied) useless.push_back(wait);
  }
  return useless;
}

}  // namespace pulsar2
