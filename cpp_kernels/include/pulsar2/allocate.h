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
/// Several orders of lowest-fit placement are tried. Where none fits, two methods take turns: a
/// search over canonical packings, in several rankings of the buffers, which may also prove that
/// nothing fits; and hill climbing on the best of the orders, in which a buffer at the top changes
/// places with one that lies below it. `effort` bounds the work, in placements of one buffer; the
/// result depends on nothing else. False when no offsets are found.
bool assign_offsets(const Lives& lives, int64_t capacity, int64_t effort,
                    std::vector<int64_t>* offsets);

}  // namespace pulsar2
