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
/// A is a row of elements as they lie in memory (Dot4: S8 comes with its sign bit flipped), or
/// 16-bit elements with the zero point subtracted. B is packed in panels of kPanel columns:
/// [tap][group][column][element], where a group is the 4, 2 or 1 elements multiplied at once.
enum class GemmKind : uint8_t { Dot1, Dot2, Dot4 };

constexpr int kPanel = 16;      ///< columns of a panel
constexpr int kMaxPanels = 4;   ///< panels that one tile spans
constexpr int kMaxTileRows = 8;

/// One tile: up to kMaxTileRows rows times up to kMaxPanels panels, over the whole of K.
struct GemmTile {
  const uint8_t* const* a = nullptr;  ///< row r of tap t starts at a[t * tap_pitch + r]
  int64_t tap_pitch = 0;
  int64_t taps = 1;
  int64_t groups = 0;       ///< per tap
  const uint8_t* b = nullptr;
  int64_t panel_bytes = 0;  ///< from one panel to the next
  int rows = 0;
  int panels = 0;
  int64_t columns = 0;            ///< columns to write, at most panels * kPanel
  const int32_t* offset = nullptr;  ///< added to the sums, per column; padded to whole panels

  int32_t* raw = nullptr;  ///< if given, the s32 sums go here, [row][kMaxPanels * kPanel]

  // Otherwise 8-bit outputs: sat(rne(f32(sum) * mult) + zero_point), then clamped to [lo, hi].
  // The caller vouches that |sum * mult| < 2^31.
  uint8_t* const* y = nullptr;  ///< per row
  const float* mult = nullptr;  ///< per column, padded to whole panels
  int32_t zero_point = 0;
  int32_t lo = 0;
  int32_t hi = 255;
  bool is_signed = false;  ///< the output is S8
};

struct GemmOps {
  GemmKind kind;
  int group;    ///< elements multiplied at once
  int a_bytes;  ///< bytes of an element of A
  int b_bytes;  ///< bytes of an element of B
  int max_rows[kMaxPanels + 1];  ///< rows of a tile by its panels
  void (*tile)(const GemmTile& tile);
  /// Prepares n contiguous bytes of U8 or S8 for A. For 16-bit A, `zero` is subtracted.
  /// `slack` says that 16 bytes can be read at src and 16 elements written at dst in any case.
  void (*pack_a)(const uint8_t* src, int64_t n, bool is_signed, int32_t zero, bool slack,
                 uint8_t* dst);
};

const GemmOps& gemm_ops(Isa isa);

}  // namespace pulsar2::kernels
