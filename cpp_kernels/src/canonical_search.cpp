#include "canonical_search.h"

#include <algorithm>
#include <numeric>
#include <tuple>

namespace pulsar2 {
namespace {

constexpr int64_t kConflict = 1024;
constexpr int64_t kFading = 5;  // one of so many conflicts is forgotten after each search

size_t at(int32_t i) { return static_cast<size_t>(i); }

}  // namespace

CanonicalSearch::CanonicalSearch(const Lives& lives, const std::vector<int32_t>& members,
                                 int64_t capacity)
    : capacity_(capacity) {
  const size_t n = members.size();
  std::vector<int64_t> times;
  for (const int32_t m : members) {
    times.push_back(lives.begin[at(m)]);
    times.push_back(lives.end[at(m)]);
  }
  std::sort(times.begin(), times.end());
  times.erase(std::unique(times.begin(), times.end()), times.end());
  const auto section = [&](int64_t time) {
    return static_cast<int32_t>(std::lower_bound(times.begin(), times.end(), time) - times.begin());
  };
  for (const int32_t m : members) {
    begin_.push_back(lives.begin[at(m)]);
    size_.push_back(lives.size[at(m)]);
    length_.push_back(lives.end[at(m)] - lives.begin[at(m)]);
    area_.push_back(size_.back() * length_.back());
    first_.push_back(section(lives.begin[at(m)]));
    end_.push_back(section(lives.end[at(m)]));
  }
  conflicts_.assign(n, 0);
  left_.assign(times.size(), 0);
  for (size_t i = 0; i < n; ++i) {
    for (int32_t s = first_[i]; s < end_[i]; ++s) left_[at(s)] += size_[i];
  }
  for (size_t i = 0; i < n; ++i)
    total_.push_back(*std::max_element(left_.begin() + first_[i], left_.begin() + end_[i]));
  by_begin_.resize(n);
  std::iota(by_begin_.begin(), by_begin_.end(), 0);
  std::stable_sort(by_begin_.begin(), by_begin_.end(),
                   [&](int32_t a, int32_t b) { return begin_[at(a)] < begin_[at(b)]; });
  neighbours_.resize(n);
  Items alive;
  for (const int32_t i : by_begin_) {
    size_t kept = 0;
    for (const int32_t other : alive) {
      if (end_[at(other)] <= first_[at(i)]) continue;
      alive[kept++] = other;
      neighbours_[at(i)].push_back(other);
      neighbours_[at(other)].push_back(i);
    }
    alive.resize(kept);
    alive.push_back(i);
  }
}

void CanonicalSearch::rank(Ranking ranking, uint64_t seed) {
  const auto blurred = [&](int64_t value, int32_t i) {
    if (seed == 0) return -value * 1024;
    uint64_t noise = (seed * 0x9E3779B97F4A7C15ULL) ^ (static_cast<uint64_t>(i) + 1);
    noise = (noise ^ (noise >> 31)) * 0xBF58476D1CE4E5B9ULL;
    noise = (noise ^ (noise >> 29)) * 0x94D049BB133111EBULL;
    return -value * static_cast<int64_t>(1024 + ((noise >> 32) & 511));
  };
  const auto key = [&](int32_t i) {
    const int64_t total = total_[at(i)];
    const int64_t area = area_[at(i)];
    const int64_t length = length_[at(i)];
    const auto neighbours = static_cast<int64_t>(neighbours_[at(i)].size());
    switch (ranking) {
      case Ranking::TotalLengthArea:
        return std::tuple(blurred(total, i), -length, -area, i);
      case Ranking::TotalNeighboursLength:
        return std::tuple(blurred(total, i), -neighbours, -length, i);
      case Ranking::TotalAreaLength:
        return std::tuple(blurred(total, i), -area, -length, i);
      case Ranking::LengthAreaTotal:
        return std::tuple(blurred(length, i), -area, -total, i);
      case Ranking::AreaTotalLength:
        return std::tuple(blurred(area, i), -total, -length, i);
      case Ranking::SizeLength:
        return std::tuple(blurred(size_[at(i)], i), -length, -total, i);
      case Ranking::Conflicts:
        break;
    }
    return std::tuple(-conflicts_[at(i)], -length, -area, i);
  };
  Items order = by_begin_;
  std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return key(a) < key(b); });
  rank_.resize(order.size());
  for (size_t k = 0; k < order.size(); ++k) rank_[at(order[k])] = static_cast<int32_t>(k);
}

Outcome CanonicalSearch::run(Ranking ranking, uint64_t seed, int64_t* effort,
                             std::vector<int64_t>* offsets) {
  rank(ranking, seed);
  effort_ = effort;
  lowest_.assign(size_.size(), 0);
  bound_.assign(size_.size(), 0);
  placed_.assign(size_.size(), false);
  const Outcome outcome = place_all(by_begin_, 0, -1);
  for (int64_t& each : conflicts_) each -= each / kFading;
  if (outcome == Outcome::Found) *offsets = lowest_;
  return outcome;
}

/// Places `items`, in the order of their begins, not lower than `offset`, and there only those
/// behind the rank `last`. Only a packing that is found leaves a trace.
Outcome CanonicalSearch::place_all(const Items& items, int64_t offset, int32_t last) {
  size_t from = 0;
  int32_t reach = -1;
  Items part;
  std::vector<Items> parts;
  for (size_t k = 0; k <= items.size(); ++k) {
    if (k == items.size() || (k > from && first_[at(items[k])] >= reach)) {
      if (k > from)
        parts.emplace_back(items.begin() + static_cast<std::ptrdiff_t>(from),
                           items.begin() + static_cast<std::ptrdiff_t>(k));
      from = k;
    }
    if (k < items.size()) reach = std::max(reach, end_[at(items[k])]);
  }
  // What is impossible in one part is so in all: look before the search in any.
  for (const Items& each : parts) {
    if (!bound(each, offset, last)) return Outcome::Impossible;
  }
  std::vector<int64_t> before;
  for (size_t k = 0; k < parts.size(); ++k) {
    if (k + 1 < parts.size()) {
      for (const int32_t i : parts[k]) before.push_back(lowest_[at(i)]);
    }
    const Outcome outcome = place_connected(parts[k], offset, last);
    if (outcome == Outcome::Found) continue;
    size_t position = 0;
    for (size_t done = 0; done < k; ++done) {
      for (const int32_t i : parts[done]) {
        placed_[at(i)] = false;
        lowest_[at(i)] = before[position++];
      }
    }
    return outcome;
  }
  return Outcome::Found;
}

/// Whether `i` cannot be the next one: it was passed over, so that it has to rise first.
bool CanonicalSearch::waits(int32_t i, int64_t offset, int32_t last) const {
  return std::pair(lowest_[at(i)], rank_[at(i)]) < std::pair(offset, last);
}

/// The lowest place of one that waits: on top of the first of its neighbours left.
int64_t CanonicalSearch::rise(int32_t i) const {
  int64_t low = INT64_MAX;
  for (const int32_t other : neighbours_[at(i)]) {
    if (!placed_[at(other)]) low = std::min(low, bound_[at(other)] + size_[at(other)]);
  }
  return low;
}

/// Sets `bound_` of the items; false where those of a section that cannot lie lower than some
/// offset have more bytes than there is room above it.
bool CanonicalSearch::bound(const Items& items, int64_t offset, int32_t last) {
  *effort_ -= static_cast<int64_t>(items.size());
  int32_t begin = INT32_MAX;
  int32_t end = 0;
  for (const int32_t i : items) {
    begin = std::min(begin, first_[at(i)]);
    end = std::max(end, end_[at(i)]);
    bound_[at(i)] = std::max(lowest_[at(i)], offset);
  }
  highest_first_.clear();
  for (const int32_t i : items) {
    if (waits(i, offset, last)) bound_[at(i)] = rise(i);
    highest_first_.emplace_back(-bound_[at(i)], i);
  }
  std::sort(highest_first_.begin(), highest_first_.end());
  std::fill(left_.begin() + begin, left_.begin() + end, 0);
  for (const auto& [high, i] : highest_first_) {
    const int64_t room = capacity_ + high;
    const int64_t size = size_[at(i)];
    int64_t spare = 0;  // negative where any step has none
    for (int32_t s = first_[at(i)]; s < end_[at(i)]; ++s) spare |= room - (left_[at(s)] += size);
    if (spare < 0) {
      blame(items, i, room);
      return false;
    }
  }
  return true;
}

/// Counts a conflict for what cannot lie lower than `i` in the first of its sections that has more
/// bytes than `room`.
void CanonicalSearch::blame(const Items& items, int32_t i, int64_t room) {
  int32_t s = first_[at(i)];
  while (left_[at(s)] <= room) ++s;
  for (const int32_t other : items) {
    if (bound_[at(other)] >= bound_[at(i)] && first_[at(other)] <= s && s < end_[at(other)])
      conflicts_[at(other)] += kConflict;
  }
}

/// Places items that hang together in time, whose bounds are known.
Outcome CanonicalSearch::place_connected(const Items& items, int64_t offset, int32_t last) {
  if (*effort_ <= 0) return Outcome::GivenUp;
  // Whoever lies no lower than some other one could end would leave room for it below.
  int64_t lid = INT64_MAX;
  for (const int32_t i : items) {
    if (!waits(i, offset, last)) lid = std::min(lid, lowest_[at(i)] + size_[at(i)]);
  }
  std::vector<std::pair<int64_t, int32_t>> candidates;
  for (const int32_t i : items) {
    if (!waits(i, offset, last) && lowest_[at(i)] < lid)
      candidates.emplace_back(lowest_[at(i)], rank_[at(i)]);
  }
  std::sort(candidates.begin(), candidates.end());
  Items rest;
  std::vector<std::pair<int32_t, int64_t>> changed;
  Items tried;
  for (const auto& [low, rank] : candidates) {
    rest.clear();
    int32_t chosen = -1;
    for (const int32_t i : items) {
      if (rank_[at(i)] == rank) {
        chosen = i;
      } else {
        rest.push_back(i);
      }
    }
    // One like another that was tried makes no difference.
    const auto alike = [&, c = chosen](int32_t other) {
      return first_[at(other)] == first_[at(c)] && end_[at(other)] == end_[at(c)] &&
             size_[at(other)] == size_[at(c)];
    };
    if (std::any_of(tried.begin(), tried.end(), alike)) continue;
    tried.push_back(chosen);
    placed_[at(chosen)] = true;
    changed.clear();
    const int64_t top = low + size_[at(chosen)];
    for (const int32_t other : neighbours_[at(chosen)]) {
      if (placed_[at(other)] || lowest_[at(other)] >= top) continue;
      changed.emplace_back(other, lowest_[at(other)]);
      lowest_[at(other)] = top;
    }
    const Outcome outcome = place_all(rest, low, rank);
    if (outcome == Outcome::Found) return outcome;
    for (const auto& [other, before] : changed) lowest_[at(other)] = before;
    placed_[at(chosen)] = false;
    if (outcome == Outcome::GivenUp) return outcome;
  }
  return Outcome::Impossible;
}

}  // namespace pulsar2
