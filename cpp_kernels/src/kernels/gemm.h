#pragma once

#include <cstdint>

#include "pulsar2/kernels/isa.h"

namespace pulsar2::kernels {

/// Integer matrix product of rows of A (pixels) and packed columns of B (output channels), the
/// heart of conv and matmul. Each instruction set has its own way to multiply:
///
///   Dot4   u8 x s8, four products added into s32 at once (vpdpbusd; sums wrap, never saturate)
///   Dot2   s16 x s16, two products (vpmaddwd)
///   Dot1   s16 x s16, one product (plain C++)
///
/// A is a row of 8-bit elements as they lie in memory (Dot4: S8 comes with its sign bit flipped),
/// or of 16-bit elements: 8-bit ones less their zero point, S16 as it is, U16 with its sign bit
/// flipped. B is packed in panels of kPanel columns: [tap][group][column][element], where a group
/// is the 4, 2 or 1 elements multiplied at once.
enum class GemmKind : uint8_t { Dot1, Dot2, Dot4 };

constexpr int kPanel = 16;     ///< columns of a panel
constexpr int kMaxPanels = 4;  ///< panels that one tile spans
constexpr int kMaxTileRows = 8;
constexpr int kRawPitch = kMaxPanels * kPanel;

/// Some rows times up to kMaxPanels panels, over the whole of K. The multiplication goes by tiles
/// of max_rows rows, whose sums stay in registers.
struct GemmTile {
  const uint8_t* const* a = nullptr;  ///< row r of tap t starts at a[t * tap_pitch + r]
  int64_t tap_pitch = 0;
  int64_t taps = 1;
  int64_t groups = 0;  ///< per tap
  const uint8_t* b = nullptr;
  int64_t panel_bytes = 0;  ///< from one panel to the next
  int64_t rows = 0;
  int panels = 0;
  int64_t columns = 0;              ///< columns to write, at most panels * kPanel
  const int32_t* offset = nullptr;  ///< added to the sums, per column; padded to whole panels

  int32_t* raw = nullptr;  ///< if given, the s32 sums go here, [row][kRawPitch]

  // Otherwise 8-bit outputs: sat(rne(f32(sum) * mult) + zero_point), then clamped to [lo, hi].
  // The caller vouches that |sum * mult| < 2^31.
  uint8_t* const* y = nullptr;  ///< per row, of column 0 of the matrix
  int64_t first = 0;            ///< column of the matrix at which the panels begin
  const float* mult = nullptr;  ///< per column, padded to whole panels
  int32_t zero_point = 0;
  int32_t lo = 0;
  int32_t hi = 255;
  bool is_signed = false;  ///< the output is S8
};

/// Runs of bytes on their way into rows of A.
struct PackRuns {
  const uint8_t* src = nullptr;
  int64_t src_step = 0;  ///< from one run to the next
  int64_t count = 0;     ///< runs
  int64_t n = 0;         ///< elements of a run
  /// Bytes that may be read from the start of the last run; after n elements of a destination
  /// run, kPackSlack - n more may be overwritten.
  int64_t readable = 0;
  uint8_t* dst = nullptr;
  int64_t dst_step = 0;
  int src_bytes =
      1;  ///< of an element of src; with 2, `n` counts elements and U16 has its sign bit flipped
  bool is_signed = false;
  int32_t zero = 0;  ///< subtracted from 8-bit elements on their way to 16 bits
};

constexpr int64_t kPackSlack = 32;

struct GemmOps {
  GemmKind kind;
  int group;       ///< elements multiplied at once
  int a_bytes;     ///< bytes of an element of A
  int b_bytes;     ///< bytes of an element of B
  int max_panels;  ///< that `tile` takes at once
  void (*tile)(const GemmTile& tile);
  /// Prepares elements of A.
  void (*pack_a)(const PackRuns& runs);
};

/// Calls body(first row, number of rows) for tiles of nearly equal size, at most `most` rows each:
/// a small rest would use the registers badly.
template <typename Body>
inline void for_tiles(int64_t rows, int64_t most, const Body& body) {
  const int64_t tiles = (rows + most - 1) / most;
  const int64_t size = rows / tiles;
  const int64_t larger = rows % tiles;
  int64_t row = 0;
  for (int64_t i = 0; i < tiles; ++i) {
    const int64_t n = size + (i < larger ? 1 : 0);
    body(row, n);
    row += n;
  }
}

/// The fastest way to multiply 8-bit elements.
const GemmOps& gemm_ops(Isa isa);

/// The fastest way to multiply 16-bit elements of A; never Dot4.
const GemmOps& wide_gemm_ops(Isa isa);

}  // namespace pulsar2::kernels
