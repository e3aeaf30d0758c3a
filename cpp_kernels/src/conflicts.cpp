#include "pulsar2/conflicts.h"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

namespace pulsar2 {
namespace {

constexpr int64_t kPage = 1 << 14;  // bytes per page of the index of accesses: a few tiles

size_t at(int64_t i) { return static_cast<size_t>(i); }

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

/// A box in normal form: a run of bytes, repeated at strides. Sizes of 1 are left out.
struct Box {
  int64_t low = 0;
  int64_t high = 0;
  int64_t run = 0;
  std::vector<std::pair<int64_t, int64_t>> dims;  ///< stride and size, the narrowest first
};

Box box_of(const Accesses& a, size_t index) {
  Box box;
  for (int64_t d = a.of_access[index]; d < a.of_access[index + 1]; ++d) {
    if (a.shape[at(d)] != 1 && a.stride[at(d)] != 0)
      box.dims.emplace_back(a.stride[at(d)], a.shape[at(d)]);
  }
  std::sort(box.dims.begin(), box.dims.end());
  box.run = a.itemsize[index];
  size_t joined = 0;
  while (joined < box.dims.size() && box.dims[joined].first == box.run)
    box.run *= box.dims[joined++].second;
  box.dims.erase(box.dims.begin(), box.dims.begin() + static_cast<std::ptrdiff_t>(joined));
  box.low = a.address[index];
  box.high = box.low + box.run;
  for (const auto& [stride, size] : box.dims) box.high += stride * (size - 1);
  return box;
}

/// A stride, the least and most steps of it, the least and most that narrower steps make up.
struct Term {
  int64_t stride, least, most, low, high;
};

bool makes_up(int64_t distance, const std::vector<Term>& terms, size_t level) {
  const Term& t = terms[level];
  const int64_t first = std::max(t.least, -floor_div(t.high - distance, t.stride));
  const int64_t last = std::min(t.most, floor_div(distance - t.low, t.stride));
  if (level == 0) return first <= last;
  for (int64_t count = first; count <= last; ++count) {
    if (makes_up(distance - count * t.stride, terms, level - 1)) return true;
  }
  return false;
}

/// Whether two boxes share a byte.
bool boxes_meet(const Box& a, const Box& b) {
  if (a.high <= b.low || b.high <= a.low) return false;
  if (a.dims.empty() && b.dims.empty()) return true;
  // They do when a sum of steps, so many of each stride forwards in `a` or backwards in `b`, and of
  // bytes within the runs, makes up the distance between them.
  std::map<int64_t, std::pair<int64_t, int64_t>> steps;
  for (const auto& [stride, size] : a.dims) steps[stride].second += size - 1;
  for (const auto& [stride, size] : b.dims) steps[stride].first -= size - 1;
  int64_t low = 1 - b.run;
  int64_t high = a.run - 1;
  std::vector<Term> terms;
  for (const auto& [stride, range] : steps) {
    terms.push_back({stride, range.first, range.second, low, high});
    low += stride * range.first;
    high += stride * range.second;
  }
  return makes_up(b.low - a.low, terms, terms.size() - 1);
}

/// An access that later jobs may conflict with, at those of its bytes that lie in [low, high): the
/// others were written again.
struct Record {
  int32_t job;
  bool writes;
  Box box;
  int64_t low = box.low;
  int64_t high = box.high;

  bool alive() const { return low < high; }
  bool touches(int64_t page) const { return low < (page + 1) * kPage && page * kPage < high; }

  /// After [from, to) was written again, all of it.
  void rewritten(int64_t from, int64_t to) {
    if (from <= low) low = std::max(low, to);
    if (high <= to) high = std::min(high, from);
  }
};

/// How far the writes of a buffer have got. They are counted as long as they are apart.
struct Filling {
  int64_t left = -1;   ///< bytes that were not written yet
  int32_t first = -1;  ///< its first access
  bool counted = true;
  std::vector<int32_t> writes;
};

constexpr size_t kMostWrites =
    512;  // of a buffer, so that comparing them takes no longer than the rest

/// Bytes of a box, or 0 where its rows lie over one another.
int64_t bytes_of(const Box& box) {
  int64_t bytes = box.run;
  int64_t extent = box.run;
  for (const auto& [stride, size] : box.dims) {
    if (stride < extent) return 0;
    extent += stride * (size - 1);
    bytes *= size;
  }
  return bytes;
}

/// The accesses to one memory space, found by the pages that they touch.
using Pages = std::unordered_map<int64_t, std::vector<int32_t>>;

class Conflicts {
 public:
  explicit Conflicts(const Accesses& accesses) : accesses_(accesses) {
    records_.reserve(accesses.key.size());
    seen_.assign(accesses.key.size(), -1);
    fillings_.resize(accesses.low.size());
  }

  Waits run() {
    Waits result;
    const size_t jobs = accesses_.of_job.size() - 1;
    std::vector<int32_t> found;
    for (size_t job = 0; job < jobs; ++job) {
      found.clear();
      for (int64_t i = accesses_.of_job[job]; i < accesses_.of_job[job + 1]; ++i) {
        records_.push_back(
            {static_cast<int32_t>(job), accesses_.writes[at(i)] != 0, box_of(accesses_, at(i))});
      }
      for (int64_t i = accesses_.of_job[job]; i < accesses_.of_job[job + 1]; ++i)
        look(at(i), &found);
      for (int64_t i = accesses_.of_job[job]; i < accesses_.of_job[job + 1]; ++i) {
        const Box& box = records_[at(i)].box;
        Pages& pages = spaces_[accesses_.key[at(i)]];
        for (int64_t p = box.low / kPage; p <= (box.high - 1) / kPage; ++p)
          pages[p].push_back(static_cast<int32_t>(i));
        fill(static_cast<int32_t>(i));
      }
      std::sort(found.begin(), found.end());
      result.waits.insert(result.waits.end(), found.begin(), found.end());
      result.offsets.push_back(static_cast<int64_t>(result.waits.size()));
    }
    return result;
  }

 private:
  void look(size_t index, std::vector<int32_t>* found) {
    const Record& mine = records_[index];
    Pages& pages = spaces_[accesses_.key[index]];
    for (int64_t p = mine.box.low / kPage; p <= (mine.box.high - 1) / kPage; ++p) {
      const auto page = pages.find(p);
      if (page == pages.end()) continue;
      std::vector<int32_t>& list = page->second;
      size_t kept = 0;
      for (const int32_t other : list) {
        Record& record = records_[at(other)];
        if (!record.touches(p)) continue;
        list[kept++] = other;
        if (seen_[at(other)] == static_cast<int32_t>(index)) continue;
        seen_[at(other)] = static_cast<int32_t>(index);
        if (!mine.writes && !record.writes) continue;
        if (record.low >= mine.box.high || mine.box.low >= record.high) continue;
        if (std::find(found->begin(), found->end(), record.job) == found->end() &&
            boxes_meet(mine.box, record.box)) {
          found->push_back(record.job);
        }
        if (mine.writes && mine.box.dims.empty()) rewritten_.push_back(other);
      }
      list.resize(kept);
    }
    // Not before all pages were seen: a record that has no bytes left would be dropped unseen.
    for (const int32_t other : rewritten_)
      records_[at(other)].rewritten(mine.box.low, mine.box.high);
    rewritten_.clear();
  }

  /// Counts a write to a buffer; when the buffer is full, what was there before is gone.
  void fill(int32_t index) {
    const int64_t buffer = accesses_.buffer[at(index)];
    if (buffer < 0) return;
    Filling& filling = fillings_[at(buffer)];
    const int64_t low = accesses_.low[at(buffer)];
    const int64_t high = accesses_.high[at(buffer)];
    if (filling.first < 0) {
      filling.first = index;
      filling.left = high - low;
    }
    const Record& mine = records_[at(index)];
    if (!mine.writes || !filling.counted) return;
    const int64_t bytes = bytes_of(mine.box);
    const auto meets = [&](int32_t other) { return boxes_meet(mine.box, records_[at(other)].box); };
    filling.counted = bytes > 0 && low <= mine.box.low && mine.box.high <= high &&
                      filling.writes.size() < kMostWrites &&
                      std::none_of(filling.writes.begin(), filling.writes.end(), meets);
    if (!filling.counted) return;
    filling.writes.push_back(index);
    filling.left -= bytes;
    if (filling.left > 0) return;
    filling.counted = false;
    Pages& pages = spaces_[accesses_.key[at(index)]];
    for (int64_t p = low / kPage; p <= (high - 1) / kPage; ++p) {
      for (const int32_t other : pages[p]) {
        if (other < filling.first) records_[at(other)].rewritten(low, high);
      }
    }
  }

  const Accesses& accesses_;
  std::vector<Record> records_;
  std::vector<int32_t> seen_;       ///< the access that last looked at each record
  std::vector<int32_t> rewritten_;  ///< records that the access at hand writes over
  std::vector<Filling> fillings_;   ///< by buffer
  std::unordered_map<int64_t, Pages> spaces_;
};

}  // namespace

Waits conflict_waits(const Accesses& accesses) { return Conflicts(accesses).run(); }

Waits prune_waits(const std::vector<int32_t>& queues, const Waits& waits) {
  size_t count = 0;
  for (const int32_t queue : queues) count = std::max(count, at(queue) + 1);
  std::vector<int32_t> last(count, -1);
  std::vector<int32_t> clocks(queues.size() * count, -1);
  std::vector<int32_t> order;
  Waits result;
  for (size_t job = 0; job < queues.size(); ++job) {
    const size_t queue = at(queues[job]);
    int32_t* clock = clocks.data() + job * count;
    if (last[queue] >= 0) {
      std::copy_n(clocks.data() + at(last[queue]) * count, count, clock);
      clock[queue] = last[queue];
    }
    order.assign(waits.waits.begin() + waits.offsets[job],
                 waits.waits.begin() + waits.offsets[job + 1]);
    // The latest first: what it implies need not be waited for itself.
    std::sort(order.rbegin(), order.rend());
    const size_t begin = result.waits.size();
    for (const int32_t other : order) {
      int32_t& known = clock[at(queues[at(other)])];
      if (known >= other) continue;
      result.waits.push_back(other);
      known = other;
      const int32_t* theirs = clocks.data() + at(other) * count;
      for (size_t q = 0; q < count; ++q) clock[q] = std::max(clock[q], theirs[q]);
    }
    std::reverse(result.waits.begin() + static_cast<std::ptrdiff_t>(begin), result.waits.end());
    result.offsets.push_back(static_cast<int64_t>(result.waits.size()));
    last[queue] = static_cast<int32_t>(job);
  }
  return result;
}

}  // namespace pulsar2
