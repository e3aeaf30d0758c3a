#pragma once

#include <cstdint>
#include <vector>

namespace pulsar2 {

/// A sum of products with constant weights that reads an activation, and some rows of what it
/// reads.
struct ScaleReader {
  const float* x = nullptr;  ///< [groups][rows][depth], the windows behind sampled outputs
  int64_t rows = 0;
  int64_t groups = 1;
  int64_t depth = 0;
  const float* w = nullptr;  ///< [outputs][depth]; outputs / groups of them read each group
  int64_t outputs = 0;
  const float* bias = nullptr;  ///< [outputs], or none
  float low = 0.0F;             ///< results are kept within [low, high]
  float high = 0.0F;
  int32_t weight_limit = 127;  ///< greatest magnitude of a stored weight
  float* scales = nullptr;     ///< [outputs], of the weights: where the search starts and ends
};

/// An affine quantization of an activation.
struct ActivationRange {
  float low = 0.0F;
  float high = 0.0F;
  int32_t least = 0;  ///< integer
  int32_t greatest = 255;
};

struct ScaleSearch {
  std::vector<ScaleReader> readers;
  ActivationRange range;
  bool fixed_range = false;  ///< search for scales of weights only
  bool exact_input = false;  ///< the activation is taken as it is, for it has many bits
  bool own_error = false;    ///< others read the activation, so its own error counts too
  int32_t rounds = 2;
};

/// Searches, in turns, for the scales of the weights of all readers and for the range of what they
/// read, so that the results of the readers have the least squared error. Gives the range; scales
/// are in the readers. The sums have one order, so the outcome does not depend on the machine.
ActivationRange search_scales(const ScaleSearch& search);

}  // namespace pulsar2
