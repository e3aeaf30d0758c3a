#pragma once

#include <cstdint>

#include "pulsar2/kernels/isa.h"

namespace pulsar2::kernels {

constexpr int kProductColumns = 16;
constexpr int kSummedRows = 16;

/// Products of rows of f32 numbers with a block of columns, as the search for scales needs them.
struct RowProducts {
  /// y[r][j] = start[j] + sum over k of x[r][k] * w[k][j], added in the order of k, so every
  /// instruction set gives the same bits. Blocks have kProductColumns columns.
  void (*multiply)(const float* x, int64_t rows, int64_t depth, const float* w, const float* start,
                   float* y);
  /// sums[j] = sum over r of (clamp(wanted[r][j]) - clamp(found[r][j]))^2, by kSummedRows rows in
  /// f32 and from there in f64.
  void (*compare)(const float* wanted, const float* found, int64_t rows, float low, float high,
                  double* sums);
};

const RowProducts& row_products(Isa isa);

}  // namespace pulsar2::kernels
