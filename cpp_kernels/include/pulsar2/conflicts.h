#pragma once

#include <cstdint>
#include <vector>

namespace pulsar2 {

/// What jobs touch, in a legal order of the jobs. Those of job j are the accesses [of_job[j],
/// of_job[j + 1]). An access is to the bytes of a box: elements of `itemsize` bytes from `address`
/// of the space `key`, so many of them (`shape`) at strides of so many bytes (`stride`), the
/// dimensions [of_access[i], of_access[i + 1]) of both. It is part of the buffer `buffer`, which
/// has the bytes [low, high) of the space; -1 where that is not known.
struct Accesses {
  std::vector<int64_t> of_job;
  std::vector<int64_t> key;
  std::vector<int64_t> address;
  std::vector<int64_t> itemsize;
  std::vector<int64_t> writes;  ///< 0 or 1
  std::vector<int64_t> of_access;
  std::vector<int64_t> shape;
  std::vector<int64_t> stride;
  std::vector<int64_t> buffer;
  std::vector<int64_t> low;  ///< by buffer
  std::vector<int64_t> high;
};

/// Jobs that wait for earlier ones: job j for [offsets[j], offsets[j + 1]), ascending.
struct Waits {
  std::vector<int64_t> offsets = {0};
  std::vector<int32_t> waits;
};

/// For each job, the earlier jobs that share a byte with it, one of the two writing it.
///
/// An earlier access whose bytes were all written again since is not listed: the later writers are.
/// That is seen for writes without gaps, and for a buffer that its writes filled, each byte once.
Waits conflict_waits(const Accesses& accesses);

/// Drops every wait that queue order or another wait implies.
///
/// `queues` has the in-order queue of each job; jobs are listed in an order that respects both. A
/// vector clock holds, per queue, the last job known to have ended before a job starts.
Waits prune_waits(const std::vector<int32_t>& queues, const Waits& waits);

}  // namespace pulsar2
