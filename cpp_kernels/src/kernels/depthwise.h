#pragma once

#include <cstdint>
#include <vector>

#include "common.h"
#include "packed_matrix.h"
#include "pulsar2/kernels/isa.h"

namespace pulsar2::kernels {

/// Depthwise convolution of 8-bit factors whose channels are contiguous, an output line at a time.
///
///   Plain  one kernel tap after the other, in plain C++
///   Pairs  two kernel rows at a time: s16 x s16 (vpmaddwd)
///   Quads  four kernel rows at a time: u8 x s8 (vpdpbusd)
///
/// Pairs and Quads first interleave the bytes of their rows, for each input column once; every
/// output position that sees the column then multiplies it without further shuffles. S8 inputs are
/// read as U8 + 128. Weights are packed as [block of channels][kernel column][group of rows]
/// [channel in packed order][row of the group] (Plain: [block][kernel row][kernel
/// column][channel]).
enum class DepthwiseKind : uint8_t { Plain, Pairs, Quads };

/// One line of outputs.
struct DepthwiseLine {
  int64_t pixels = 0;
  int64_t channels = 0;
  int64_t kernel_h = 0;
  int64_t kernel_w = 0;
  int64_t stride = 1;                    ///< input columns from one output to the next
  int64_t dilation = 1;                  ///< input columns from one tap to the next
  const uint8_t* const* rows = nullptr;  ///< per kernel row: column 0 of x; nullptr is padding
  int64_t first_column = 0;              ///< of x, that tap 0 of output 0 sees; may be outside
  int64_t in_w = 0;
  int64_t x_step = 0;            ///< bytes from one column of x to the next
  const uint8_t* pad = nullptr;  ///< a zero point for each channel
  bool x_signed = false;
  const uint8_t* weights = nullptr;
  const int32_t* offset = nullptr;  ///< added to the sums, per channel, in packed order
  uint8_t* scratch = nullptr;       ///< kDepthwiseScratch bytes, aligned to 64

  int32_t* raw = nullptr;  ///< if given, the s32 sums go here, [output][channel]

  // Otherwise 8-bit outputs, as in GemmTile.
  uint8_t* y = nullptr;
  int64_t y_step = 0;
  const float* mult = nullptr;  ///< per channel, in packed order
  int32_t zero_point = 0;
  int32_t lo = 0;
  int32_t hi = 255;
  bool y_signed = false;
};

constexpr int64_t kDepthwiseScratch = 24 << 10;  ///< half of an L1 cache

/// The largest kernel line that fits the scratch: (reach + 1) columns times groups of rows.
constexpr int64_t kDepthwiseColumns = kDepthwiseScratch / 256;

struct DepthwiseOps {
  DepthwiseKind kind;
  int block;     ///< channels of a block
  bool overlap;  ///< the last block is the last `block` channels, if there are that many
  void (*line)(const DepthwiseLine& line);
};

const DepthwiseOps& depthwise_ops(Isa isa);

inline int rows_of_group(DepthwiseKind kind) {
  return kind == DepthwiseKind::Quads ? 4 : kind == DepthwiseKind::Pairs ? 2 : 1;
}

/// Weights of a depthwise convolution in packed form.
struct PackedDepthwise {
  const DepthwiseOps* ops = nullptr;
  int64_t channels = 0;
  AlignedBuffer data;
  std::vector<int32_t> sum;      ///< of the packed weights, per channel
  std::vector<int64_t> abs_sum;  ///< of |weight - zero point|, per channel
  bool exact = true;             ///< false if a weight less its zero point does not fit the packing
};

/// `source` has depth 1, and a column per channel.
PackedDepthwise pack_depthwise(const MatrixSource& source, const DepthwiseOps& ops);

/// The first channel of a block.
inline int64_t first_channel(const DepthwiseOps& ops, int64_t channels, int64_t block) {
  const int64_t first = block * ops.block;
  return ops.overlap && channels >= ops.block && channels - first < ops.block ? channels - ops.block
                                                                              : first;
}

/// Where channel c of a block stands in the packed order: the in-lane unpacks leave each of four
/// vectors with four channels of every 16.
inline int packed_position(DepthwiseKind kind, int block, int c) {
  if (kind == DepthwiseKind::Plain) return c;
  return c % 16 / 4 * (block / 4) + c / 16 * 4 + c % 4;
}

}  // namespace pulsar2::kernels
