#pragma once

#include <cstdint>
#include <vector>

namespace pulsar2 {

/// Buffers to place in one flat memory: alive in steps [begin, end), `size` bytes each.
struct Lives {
  std::vector<int64_t> begin;
  std::vector<int64_t> end;
  std::vector<int64_t> size;
};

/// Offsets within `capacity` such that buffers alive at the same time do not overlap.
///
/// Several orders of lowest-fit placement are tried, then the best is improved by hill climbing:
/// a buffer at the top changes places in the order with one that lies below it. `effort` bounds
/// the work, in placements of one buffer; the result depends on nothing else. False when no
/// offsets are found.
bool assign_offsets(const Lives& lives, int64_t capacity, int64_t effort,
                    std::vector<int64_t>* offsets);

}  // namespace pulsar2
