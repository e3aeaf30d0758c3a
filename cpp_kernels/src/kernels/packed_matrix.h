#pragma once

#include <cstdint>
#include <vector>

#include "common.h"
#include "gemm.h"

namespace pulsar2::kernels {

/// Bytes aligned to a cache line, never shrunk.
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  ~AlignedBuffer();
  AlignedBuffer(const AlignedBuffer&) = delete;
  AlignedBuffer& operator=(const AlignedBuffer&) = delete;
  AlignedBuffer(AlignedBuffer&& other) noexcept;
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept;

  /// At least `bytes` of storage; the contents are lost when it grows.
  uint8_t* reserve(size_t bytes);
  const uint8_t* data() const { return data_; }

 private:
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

/// Where the elements of a weight matrix lie: column o, tap t, element c of the tap.
struct MatrixSource {
  const uint8_t* data;
  DType dtype;
  int64_t columns, taps_h, taps_w, depth;
  int64_t column_stride, tap_h_stride, tap_w_stride, depth_stride;
  const int32_t* zero;  ///< zero point per column
};

/// B of an integer matrix product, packed for one instruction set; see GemmKind.
struct PackedMatrix {
  GemmKind kind = GemmKind::Dot1;
  int64_t columns = 0;
  int64_t taps = 0;    ///< runs of A that one row is made of
  int64_t depth = 0;   ///< elements per tap
  int64_t groups = 0;  ///< per tap
  int64_t panel_bytes = 0;
  AlignedBuffer data;
  std::vector<int32_t> sum;      ///< of the packed elements, per column, modulo 2^32
  std::vector<int64_t> abs_sum;  ///< of |element - zero point|, per column
  std::vector<int32_t> zero;     ///< per column, what is still to subtract from packed elements
  bool has_zero = false;

  int64_t panels() const { return (columns + kPanel - 1) / kPanel; }
};

/// What of an element is packed. A 16-bit element v (U16: less 32768) is 256 * High + Low; its zero
/// point is left to the caller.
enum class Part : uint8_t { Byte, High, Low };

/// Packs a matrix of 8-bit elements, or a part of one of 16-bit elements. With `flat`, the taps of
/// A lie one after another, so that they are one run.
PackedMatrix pack_matrix(const MatrixSource& source, const GemmOps& ops, bool flat,
                         Part part = Part::Byte);

/// B of one product: packed once for bytes, in two parts for 16-bit elements.
struct PackedFactor {
  PackedMatrix matrix;  ///< bytes, or the low parts
  PackedMatrix high;
  bool wide = false;          ///< there are high parts
  std::vector<int32_t> zero;  ///< per column, what is still to subtract from 16-bit elements
};

PackedFactor pack_factor(const MatrixSource& source, const GemmOps& ops, bool flat);

/// A copy of a view's elements, to tell whether they have changed.
class Snapshot {
 public:
  /// Whether the view has the shape, strides, type and elements of the copy; with `constant`, the
  /// caller vouches for the elements.
  bool matches(const View& view, bool constant) const;
  void take(const View& view, bool constant);

 private:
  View view_;
  bool taken_ = false;
  std::vector<uint8_t> bytes_;  ///< empty if the elements are constant
};

}  // namespace pulsar2::kernels
