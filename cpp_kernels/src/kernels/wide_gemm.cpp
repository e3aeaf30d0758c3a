// Integer matrix products whose sums need 64 bits: 16-bit factors.

#include <algorithm>

#include "gemm_driver.h"

namespace pulsar2::kernels {
namespace {

/// Elements whose products s32 can sum: |a| <= 2^15, |b| <= 255.
constexpr int64_t kChunk = 256;
constexpr int64_t kRows = 8;  ///< rows whose s64 sums are kept at a time
static_assert(kChunk * 255 * 32768 < int64_t{1} << 31, "a chunk's sums fit s32");

/// What all blocks of one product share.
struct Plan {
  const Gemm& gemm;
  const PackedMatrix* high;
  const std::vector<int32_t>& b_zero;
  bool has_zero;
  int64_t block_rows;
  const ElementOps& elements;
  std::vector<int64_t> offset;  ///< per column: what the zero point of A takes away
};

/// Adds `factor` times the product of some rows with panels from `first` on to acc.
void add_product(const Plan& plan, const PackedMatrix& b, int64_t factor,
                 const uint8_t* const* rows, int64_t n, int64_t panel, int panels, int64_t* acc) {
  const GemmOps& ops = *plan.gemm.ops;
  static constexpr int32_t kNoOffset[kRawPitch] = {};
  alignas(64) int32_t raw[kRows * kRawPitch];
  const int64_t group_bytes = int64_t{kPanel} * ops.group * ops.b_bytes;
  const int64_t chunk = kChunk / ops.group;
  GemmTile tile;
  tile.rows = n;
  tile.panels = panels;
  tile.panel_bytes = b.panel_bytes;
  tile.offset = kNoOffset;
  tile.raw = raw;
  const uint8_t* a[kRows];
  tile.a = a;
  for (int64_t g = 0; g < b.groups; g += chunk) {
    for (int64_t r = 0; r < n; ++r) a[r] = rows[r] + g * ops.group * ops.a_bytes;
    tile.groups = std::min(chunk, b.groups - g);
    tile.b = b.data.data() + panel * b.panel_bytes + g * group_bytes;
    ops.tile(tile);
    for (int64_t r = 0; r < n; ++r) {
      for (int64_t c = 0; c < int64_t{panels} * kPanel; ++c) {
        acc[r * kRawPitch + c] += factor * raw[r * kRawPitch + c];
      }
    }
  }
}

/// Sum of the elements of one row of A less their zero point.
int64_t sum_row(const Plan& plan, const uint8_t* row) {
  int64_t sum = 0;
  for (int64_t k = 0; k < plan.gemm.b->depth; ++k) sum += load_as<int16_t>(row + 2 * k);
  return sum - plan.gemm.b->depth * plan.gemm.a_zero;
}

void run_block(const Plan& plan, int64_t begin, int64_t end) {
  const Gemm& gemm = plan.gemm;
  const PackedMatrix& b = *gemm.b;
  GemmWorkspace& w = gemm_workspace();
  const int64_t pitch = plan.block_rows;
  uint8_t* scratch =
      w.scratch.reserve(static_cast<size_t>(pitch * gemm.rows->scratch_bytes() + kScratchSlack));
  w.table.resize(static_cast<size_t>(pitch));
  gemm.rows->fetch(begin, end, scratch, w.table.data(), pitch);
  locate_rows(gemm, begin, end, pitch, w);
  for (int64_t row = 0; row < end - begin; row += kRows) {
    const int64_t n = std::min(kRows, end - begin - row);
    const uint8_t* const* rows = w.table.data() + row;
    int64_t row_sum[kRows] = {};
    for (int64_t r = 0; r < n && plan.has_zero; ++r) row_sum[r] = sum_row(plan, rows[r]);
    for_tiles(b.panels(), gemm.ops->max_panels, [&](int64_t panel, int64_t panels) {
      int64_t acc[kRows * kRawPitch] = {};
      const int count = static_cast<int>(panels);
      if (plan.high != nullptr) {
        add_product(plan, *plan.high, 256, rows, n, panel, count, acc);
      }
      add_product(plan, b, 1, rows, n, panel, count, acc);
      const int64_t first = panel * kPanel;
      const int64_t columns = std::min(b.columns - first, panels * kPanel);
      for (int64_t r = 0; r < n; ++r) {
        int64_t* sums = acc + r * kRawPitch;
        for (int64_t c = 0; c < columns; ++c) {
          const auto i = static_cast<size_t>(first + c);
          sums[c] -= plan.offset[i] + plan.b_zero[i] * row_sum[r];
        }
        gemm.requant->apply(plan.elements, sums, gemm.first_channel + first, columns,
                            w.y[static_cast<size_t>(row + r)] + first * gemm.column_stride,
                            gemm.column_stride,
                            sums_of(gemm, w.sums[static_cast<size_t>(row + r)], first));
      }
    });
  }
}

}  // namespace

void run_wide_gemm(const Gemm& gemm, const PackedMatrix* high, const std::vector<int32_t>& b_zero) {
  const PackedMatrix& b = *gemm.b;
  const bool has_zero = std::any_of(b_zero.begin(), b_zero.end(), [](int32_t z) { return z != 0; });
  Plan plan{gemm, high, b_zero, has_zero, choose_block_rows(gemm), element_ops(gemm.isa), {}};
  for (int64_t c = 0; c < b.columns; ++c) {
    const auto i = static_cast<size_t>(c);
    const int64_t sum = b.sum[i] + (high == nullptr ? 0 : int64_t{256} * high->sum[i]);
    plan.offset.push_back(gemm.a_zero * sum);
  }
  const int64_t blocks = (gemm.num_rows + plan.block_rows - 1) / plan.block_rows;
  parallel_for(gemm.parallel, blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      run_block(plan, block * plan.block_rows,
                std::min(gemm.num_rows, (block + 1) * plan.block_rows));
    }
  });
}

}  // namespace pulsar2::kernels
