#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "pulsar2/allocate.h"

namespace pulsar2 {

enum class Outcome { Found, Impossible, GivenUp };

/// What decides between buffers that could lie equally low: the greater come first. The total of a
/// buffer is the most bytes that are alive at once in its life; its conflicts are those that
/// earlier searches ran into.
enum class Ranking {
  TotalLengthArea,
  TotalNeighboursLength,
  TotalAreaLength,
  LengthAreaTotal,
  AreaTotalLength,
  SizeLength,
  Conflicts
};
/// Those that know nothing of earlier searches.
constexpr Ranking kRankings[] = {Ranking::TotalLengthArea, Ranking::TotalNeighboursLength,
                                 Ranking::TotalAreaLength, Ranking::LengthAreaTotal,
                                 Ranking::AreaTotalLength, Ranking::SizeLength};

/// Depth-first search over canonical packings, in which no buffer could sink: buffers are placed in
/// the order of their offsets, each as low as those placed before it let it.
///
/// A branch ends where the buffers of some step that cannot lie lower than some offset have more
/// bytes than there is room above it; a buffer is not placed while another one fits wholly below
/// it; buffers left that share no step with the others are placed by themselves. It ends with the
/// proof that nothing fits, if it may go on for long enough.
class CanonicalSearch {
 public:
  /// Of the buffers `members` of `lives`.
  CanonicalSearch(const Lives& lives, const std::vector<int32_t>& members, int64_t capacity);

  /// `effort` is spent by one for each buffer that a step of the search looks at. A `seed` other
  /// than 0 blurs the ranking: where one search gets lost, another finds its way at once.
  /// `offsets`, of the members in their order, hold the packing when one is found.
  Outcome run(Ranking ranking, uint64_t seed, int64_t* effort, std::vector<int64_t>* offsets);

 private:
  using Items = std::vector<int32_t>;

  void rank(Ranking ranking, uint64_t seed);
  Outcome place_all(const Items& items, int64_t offset, int32_t last);
  Outcome place_connected(const Items& items, int64_t offset, int32_t last);
  bool bound(const Items& items, int64_t offset, int32_t last);
  void blame(const Items& items, int32_t i, int64_t room);
  bool waits(int32_t i, int64_t offset, int32_t last) const;
  int64_t rise(int32_t i) const;

  int64_t capacity_;
  std::vector<int64_t> begin_, size_, area_, length_, total_;
  std::vector<int32_t> first_, end_;  ///< sections of time, between which lives begin and end
  std::vector<Items> neighbours_;
  Items by_begin_;
  std::vector<int32_t> rank_;
  std::vector<int64_t> lowest_;  ///< the top of what was placed below each buffer
  std::vector<bool> placed_;
  std::vector<int64_t> bound_;  ///< no buffer left lies lower, in the packings still to be seen
  std::vector<int64_t> left_;
  std::vector<std::pair<int64_t, int32_t>> highest_first_;
  std::vector<int64_t> conflicts_;  ///< by buffer; those of earlier searches fade
  int64_t* effort_ = nullptr;
};

}  // namespace pulsar2
