#pragma once

#include <cstdint>
#include <vector>

#include "common.h"
#include "packed_matrix.h"
#include "pulsar2/kernels/isa.h"

namespace pulsar2::kernels {

/// Depthwise convolution of 8-bit factors whose channels are contiguous: a vector of channels is
/// multiplied by the weights of one kernel tap at a time. Weights are packed in blocks of channels,
/// block by block, tap by tap:
///
///   Plain   [channel] as s16                        portable C++
///   Pairs   [channel][2 taps] as s16                vpmaddwd; channels in the order of its unpacks
///   Spread  4 vectors of s8, vector b holding the weights of channels 4 i + b, the rest 0: vpdpbusd
///           then adds one product, and no shuffle is needed to keep channels apart
enum class DepthwiseKind : uint8_t { Plain, Pairs, Spread };

/// A group of output positions.
struct DepthwiseTile {
  int64_t pixels = 0;
  int64_t channels = 0;
  int64_t taps = 0;
  const uint8_t* const* x = nullptr;        ///< per pixel: where its offsets count from
  const int64_t* const* offsets = nullptr;  ///< per pixel: byte offset of each tap, [taps]
  bool x_signed = false;
  const uint8_t* weights = nullptr;
  const int32_t* offset = nullptr;  ///< added to the sums, per channel, in packed order
  int32_t* raw = nullptr;  ///< if given, the s32 sums go here, [pixel][channel]

  // Otherwise 8-bit outputs, as in GemmTile.
  uint8_t* const* y = nullptr;
  const float* mult = nullptr;  ///< per channel, in packed order
  int32_t zero_point = 0;
  int32_t lo = 0;
  int32_t hi = 255;
  bool y_signed = false;
};

struct DepthwiseOps {
  DepthwiseKind kind;
  int block;  ///< channels of a block
  void (*tile)(const DepthwiseTile& tile);
};

const DepthwiseOps& depthwise_ops(Isa isa);

/// Weights of a depthwise convolution in packed form.
struct PackedDepthwise {
  DepthwiseKind kind = DepthwiseKind::Plain;
  int block = 0;
  AlignedBuffer data;
  std::vector<int32_t> sum;      ///< of the packed weights, per channel
  std::vector<int64_t> abs_sum;  ///< of |weight - zero point|, per channel
  bool exact = true;             ///< false if a weight less its zero point does not fit the packing
};

/// `source` has depth 1, and a column per channel.
PackedDepthwise pack_depthwise(const MatrixSource& source, const DepthwiseOps& ops);

/// Where channel c of a block stands in the packed order.
inline int packed_position(DepthwiseKind kind, int block, int c) {
  switch (kind) {
    case DepthwiseKind::Pairs:
      // Two vectors of eight: the in-lane unpacks give channels 0-3 and 8-11, then the others.
      return (c / 4 % 2) * 8 + c / 8 * 4 + c % 4;
    case DepthwiseKind::Spread:
      return c % 4 * (block / 4) + c / 4;
    default:
      return c;
  }
}

}  // namespace pulsar2::kernels
