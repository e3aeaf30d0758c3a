#include "pulsar2/allocate.h"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "canonical_search.h"
#include "random.h"

namespace pulsar2 {
namespace {

using Order = std::vector<int32_t>;

constexpr size_t kMostSearched = 4096;  // buffers: each is one level of recursion
constexpr int64_t kFirst = 1 << 15;     // effort of the first searches
constexpr int64_t kShort = 1 << 14;     // of the first one that learns
constexpr int64_t kBlurred = 1 << 13;   // of those that are blurred
constexpr int64_t kLonger = 30;  // by this part of the one before each search that learns is longer
constexpr uint64_t kFew = 64;    // turns between which there is a climb
constexpr int64_t kClimb = 1 << 17;
constexpr int64_t kSearchSpeed = 16;  // buffers that the search looks at while one is placed

/// Buffers that share no step with any other group of buffers, and so are placed by themselves.
class Packer {
 public:
  Packer(const Lives& lives, std::vector<int32_t> members, int64_t capacity)
      : lives_(lives), members_(std::move(members)), capacity_(capacity) {
    const size_t n = members_.size();
    offset_.assign(n, 0);
    position_.assign(n, 0);
    find_neighbours();
  }

  /// Whether all fit; spends from `effort` and leaves the offsets.
  bool run(int64_t* effort, std::vector<int64_t>* offsets) {
    Order best;
    int64_t best_peak = INT64_MAX;
    for (const Order& order : first_orders()) {
      const int64_t peak = place(order);
      *effort -= static_cast<int64_t>(order.size());
      if (peak < best_peak) {
        best_peak = peak;
        best = order;
      }
      if (best_peak <= capacity_) break;
    }
    if (best_peak > capacity_) return improve(&best, best_peak, effort, offsets);
    place(best);
    write(offset_, offsets);
    return true;
  }

 private:
  int64_t begin(int32_t i) const { return lives_.begin[member(i)]; }
  int64_t end(int32_t i) const { return lives_.end[member(i)]; }
  int64_t size(int32_t i) const { return lives_.size[member(i)]; }
  size_t member(int32_t i) const { return static_cast<size_t>(members_[static_cast<size_t>(i)]); }

  void write(const std::vector<int64_t>& found, std::vector<int64_t>* offsets) const {
    for (size_t i = 0; i < members_.size(); ++i)
      (*offsets)[static_cast<size_t>(members_[i])] = found[i];
  }

  /// Every ranking has its try. Then searches that learn from the conflicts of all before them, and
  /// get more and more effort, take turns with short blurred ones, and now and then with climbing.
  bool improve(Order* best, int64_t best_peak, int64_t* effort, std::vector<int64_t>* offsets) {
    if (members_.size() > kMostSearched) return climbs(best, &best_peak, *effort, effort, offsets);
    CanonicalSearch search(lives_, members_, capacity_);
    Outcome outcome = Outcome::GivenUp;
    const auto ends = [&](Ranking ranking, uint64_t seed, int64_t most) {
      const int64_t given = std::min(most, *effort);
      int64_t left = given * kSearchSpeed;
      std::vector<int64_t> found;
      outcome = search.run(ranking, seed, &left, &found);
      *effort -= given - std::max<int64_t>(left, 0) / kSearchSpeed;
      if (outcome == Outcome::Found) write(found, offsets);
      return outcome != Outcome::GivenUp;
    };
    for (const Ranking ranking : kRankings) {
      if (ends(ranking, 0, kFirst)) return outcome == Outcome::Found;
    }
    int64_t longer = kShort;
    for (uint64_t turn = 1; *effort >= static_cast<int64_t>(members_.size()); ++turn) {
      if (ends(Ranking::Conflicts, 0, longer)) return outcome == Outcome::Found;
      longer += longer / kLonger;
      const Ranking ranking = kRankings[turn % std::size(kRankings)];
      if (ends(ranking, turn / std::size(kRankings) + 1, kBlurred))
        return outcome == Outcome::Found;
      if (turn % kFew == 0 && climbs(best, &best_peak, kClimb, effort, offsets)) return true;
    }
    return false;
  }

  bool climbs(Order* best, int64_t* best_peak, int64_t most, int64_t* effort,
              std::vector<int64_t>* offsets) {
    int64_t given = std::min(most, *effort);
    *effort -= given;
    *best_peak = climb(best, *best_peak, &given);
    if (*best_peak > capacity_) return false;
    place(*best);
    write(offset_, offsets);
    return true;
  }

  void find_neighbours() {
    const auto n = static_cast<int32_t>(members_.size());
    Order by_begin(members_.size());
    std::iota(by_begin.begin(), by_begin.end(), 0);
    std::sort(by_begin.begin(), by_begin.end(), [&](int32_t a, int32_t b) {
      return std::pair(begin(a), a) < std::pair(begin(b), b);
    });
    neighbours_.resize(members_.size());
    Order alive;
    for (const int32_t i : by_begin) {
      size_t kept = 0;
      for (const int32_t other : alive) {
        if (end(other) <= begin(i)) continue;
        alive[kept++] = other;
        neighbours_[static_cast<size_t>(i)].push_back(other);
        neighbours_[static_cast<size_t>(other)].push_back(i);
      }
      alive.resize(kept);
      alive.push_back(i);
    }
    // Most bytes alive at once during each life: where it is tight.
    crowd_.assign(members_.size(), 0);
    for (int32_t i = 0; i < n; ++i) {
      int64_t total = size(i);
      for (const int32_t other : neighbours_[static_cast<size_t>(i)]) total += size(other);
      crowd_[static_cast<size_t>(i)] = total;
    }
  }

  template <typename Key>
  Order ordered(Key key) const {
    Order order(members_.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](int32_t a, int32_t b) { return key(a) < key(b); });
    return order;
  }

  std::vector<Order> first_orders() const {
    const auto length = [&](int32_t i) { return end(i) - begin(i); };
    const auto crowd = [&](int32_t i) { return crowd_[static_cast<size_t>(i)]; };
    return {
        ordered([&](int32_t i) { return std::pair(-size(i), begin(i)); }),
        ordered([&](int32_t i) { return std::pair(-size(i) * length(i), begin(i)); }),
        ordered([&](int32_t i) { return std::pair(-length(i), -size(i)); }),
        ordered([&](int32_t i) { return std::pair(-crowd(i), -size(i)); }),
        ordered([&](int32_t i) { return std::pair(begin(i), -size(i)); }),
        ordered([&](int32_t i) { return std::pair(end(i), -size(i)); }),
    };
  }

  /// Places each buffer, in order, at the lowest offset where it fits. The highest byte used.
  int64_t place(const Order& order) {
    placed_.assign(members_.size(), false);
    int64_t peak = 0;
    for (const int32_t i : order) {
      taken_.clear();
      for (const int32_t other : neighbours_[static_cast<size_t>(i)]) {
        if (!placed_[static_cast<size_t>(other)]) continue;
        const int64_t low = offset_[static_cast<size_t>(other)];
        taken_.emplace_back(low, low + size(other));
      }
      std::sort(taken_.begin(), taken_.end());
      int64_t offset = 0;
      for (const auto& [low, high] : taken_) {
        if (low - offset >= size(i)) break;
        offset = std::max(offset, high);
      }
      offset_[static_cast<size_t>(i)] = offset;
      placed_[static_cast<size_t>(i)] = true;
      peak = std::max(peak, offset + size(i));
    }
    return peak;
  }

  /// Hill climbing on the order. Of equal peaks the newer is kept, so that plateaus are crossed.
  int64_t climb(Order* best, int64_t best_peak, int64_t* effort) {
    const auto n = static_cast<int64_t>(members_.size());
    if (n < 3) return best_peak;
    int64_t current_peak = place(*best);
    Order current = *best;
    Order trial;
    while (*effort >= n && best_peak > capacity_) {
      trial = current;
      swap_at_top(&trial, current_peak);
      const int64_t peak = place(trial);
      *effort -= n;
      if (peak <= current_peak) {
        current.swap(trial);
        current_peak = peak;
        if (peak < best_peak) {
          best_peak = peak;
          *best = current;
        }
      } else {
        place(current);
        *effort -= n;
      }
    }
    return best_peak;
  }

  /// Exchanges two buffers of the order: one at the top or below it, and one that is in its way.
  void swap_at_top(Order* order, int64_t peak) {
    for (size_t k = 0; k < order->size(); ++k) {
      position_[static_cast<size_t>((*order)[k])] = static_cast<int32_t>(k);
    }
    involved_.clear();
    for (const int32_t i : *order) {
      if (offset_[static_cast<size_t>(i)] + size(i) == peak) involved_.push_back(i);
    }
    const int32_t top = involved_[random_.below(involved_.size())];
    involved_.assign(1, top);
    // What supports the top: neighbours that end where it begins, and what they stand on.
    for (size_t at = 0; at < involved_.size() && involved_.size() < 64; ++at) {
      const int32_t i = involved_[at];
      for (const int32_t other : neighbours_[static_cast<size_t>(i)]) {
        const bool below =
            offset_[static_cast<size_t>(other)] + size(other) == offset_[static_cast<size_t>(i)];
        if (below && std::find(involved_.begin(), involved_.end(), other) == involved_.end()) {
          involved_.push_back(other);
        }
      }
    }
    const int32_t one = involved_[random_.below(involved_.size())];
    const auto& near = neighbours_[static_cast<size_t>(one)];
    if (near.empty()) return;
    const int32_t two = near[random_.below(near.size())];
    auto a = static_cast<size_t>(position_[static_cast<size_t>(one)]);
    auto b = static_cast<size_t>(position_[static_cast<size_t>(two)]);
    if (random_.below(2) == 0) {
      std::swap((*order)[a], (*order)[b]);
      return;
    }
    if (a > b) std::swap(a, b);
    // The later one moves before the earlier one.
    std::rotate(order->begin() + static_cast<std::ptrdiff_t>(a),
                order->begin() + static_cast<std::ptrdiff_t>(b),
                order->begin() + static_cast<std::ptrdiff_t>(b) + 1);
  }

  const Lives& lives_;
  std::vector<int32_t> members_;
  int64_t capacity_;
  std::vector<Order> neighbours_;
  std::vector<int64_t> crowd_;
  std::vector<int64_t> offset_;
  std::vector<bool> placed_;
  std::vector<int32_t> position_;
  std::vector<std::pair<int64_t, int64_t>> taken_;
  Order involved_;
  Random random_;
};

/// Buffers by the stretches of time between which nothing is alive.
std::vector<std::vector<int32_t>> components(const Lives& lives) {
  std::vector<int32_t> order(lives.size.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    return lives.begin[static_cast<size_t>(a)] < lives.begin[static_cast<size_t>(b)];
  });
  std::vector<std::vector<int32_t>> groups;
  int64_t reach = INT64_MIN;
  for (const int32_t i : order) {
    if (lives.size[static_cast<size_t>(i)] == 0) continue;  // fits anywhere
    if (groups.empty() || lives.begin[static_cast<size_t>(i)] >= reach) groups.emplace_back();
    groups.back().push_back(i);
    reach = std::max(reach, lives.end[static_cast<size_t>(i)]);
  }
  return groups;
}

/// Throws where a buffer is not within `capacity`, or shares bytes with another one that is alive
/// at once. Nothing behind the allocation could tell: the job that reads such bytes may well be
/// ordered behind both that write them.
void check_placed(const Lives& lives, int64_t capacity, const std::vector<int64_t>& offsets) {
  std::vector<size_t> by_begin(offsets.size());
  std::iota(by_begin.begin(), by_begin.end(), 0);
  std::sort(by_begin.begin(), by_begin.end(),
            [&](size_t a, size_t b) { return lives.begin[a] < lives.begin[b]; });
  std::vector<size_t> alive;
  for (const size_t i : by_begin) {
    if (lives.size[i] == 0) continue;
    if (offsets[i] < 0 || offsets[i] > capacity - lives.size[i])
      throw std::logic_error("allocation: a buffer is not within the capacity");
    size_t kept = 0;
    for (const size_t other : alive) {
      if (lives.end[other] <= lives.begin[i]) continue;
      alive[kept++] = other;
      if (offsets[i] < offsets[other] + lives.size[other] &&
          offsets[other] < offsets[i] + lives.size[i]) {
        throw std::logic_error("allocation: two buffers that are alive at once share bytes");
      }
    }
    alive.resize(kept);
    alive.push_back(i);
  }
}

}  // namespace

bool assign_offsets(const Lives& lives, int64_t capacity, int64_t effort,
                    std::vector<int64_t>* offsets) {
  offsets->assign(lives.size.size(), 0);
  for (std::vector<int32_t>& group : components(lives)) {
    if (!Packer(lives, std::move(group), capacity).run(&effort, offsets)) return false;
  }
  check_placed(lives, capacity, *offsets);
  return true;
}

}  // namespace pulsar2
