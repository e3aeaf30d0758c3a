#pragma once

#include <cstdint>

#include "common.h"
#include "pulsar2/kernels/isa.h"

namespace pulsar2::kernels {

/// The groups of elements that an operation takes together: one row for each index of the kept
/// dimensions, its elements in row-major order of the others. Up to kOperands views of the shape
/// of the first are walked side by side.
class Rows {
 public:
  static constexpr int kOperands = 4;

  /// Views of one shape; bit d of `mask` says that dimension d lies within a row. A view may be
  /// null.
  Rows(const View* const (&views)[kOperands], uint32_t mask);

  int64_t count() const { return outer_.size; }
  int64_t length() const { return inner_.size * run_; }
  /// Bytes between neighbours of a run of an operand.
  int64_t stride(int operand) const { return run_stride_[operand]; }
  /// Where a row of an operand begins.
  uint8_t* begin(int operand, int64_t row) const {
    return base_[operand] + outer_.offset(operand, row);
  }

  /// Calls body(offset, first, n) for the parts of a row: `offset[k]` is the byte offset of the
  /// part's element `first` in operand k's row, and n at most `block`.
  template <typename Body>
  void for_parts(int64_t block, const Body& body) const {
    int64_t offset[kOperands] = {};
    int64_t index[kMaxDims] = {};
    for (int64_t i = 0; i < inner_.size; ++i) {
      for (int64_t first = 0; first < run_; first += block) {
        int64_t at[kOperands];
        for (int k = 0; k < kOperands; ++k) at[k] = offset[k] + first * run_stride_[k];
        body(at, i * run_ + first, run_ - first < block ? run_ - first : block);
      }
      for (int d = inner_.ndim - 1; d >= 0; --d) {
        for (int k = 0; k < kOperands; ++k) offset[k] += inner_.stride[k][d];
        if (++index[d] < inner_.shape[d]) break;
        for (int k = 0; k < kOperands; ++k) offset[k] -= inner_.stride[k][d] * inner_.shape[d];
        index[d] = 0;
      }
    }
  }

 private:
  struct Dims {
    int ndim = 0;
    int64_t shape[kMaxDims] = {};
    int64_t stride[kOperands][kMaxDims] = {};
    int64_t size = 1;

    void push(int64_t n, const int64_t (&strides)[kOperands]);
    int64_t offset(int operand, int64_t index) const;
  };

  Dims outer_;
  Dims inner_;  ///< without the last dimension, which is the run
  int64_t run_ = 1;
  int64_t run_stride_[kOperands] = {};
  uint8_t* base_[kOperands] = {};
};

/// A row of elements as f32, loaded and stored in parts.
void load_row(const Rows& rows, int operand, const uint8_t* begin, const View& view, float scale,
              Isa isa, float* out);

}  // namespace pulsar2::kernels
