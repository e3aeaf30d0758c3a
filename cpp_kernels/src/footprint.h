#pragma once

#include <cstdint>

#include "pulsar2/program.h"

namespace pulsar2 {

/// The bytes of a view: runs of `run` units that repeat at strides. A unit is a byte, or half a
/// byte for the 4-bit types. Dimensions that add no bytes are left out.
struct Footprint {
  uint64_t begin = 0;  ///< in units, from the start of the space
  uint64_t run = 0;
  int dims = 0;
  uint64_t size[kMaxDims] = {};
  uint64_t stride[kMaxDims] = {};
  int units_per_byte = 1;

  /// Calls body(begin, end) with the bytes of every run, ends excluded.
  template <typename Body>
  void for_each_run(Body&& body) const {
    uint64_t index[kMaxDims] = {};
    uint64_t at = begin;
    for (;;) {
      if (units_per_byte == 1) {
        body(at, at + run);
      } else {
        body(at / 2, (at + run + 1) / 2);
      }
      int d = 0;
      while (d < dims && ++index[d] == size[d]) {
        at -= stride[d] * (size[d] - 1);
        index[d++] = 0;
      }
      if (d == dims) return;
      at += stride[d];
    }
  }
};

Footprint footprint_of(const Operand& operand);

}  // namespace pulsar2
