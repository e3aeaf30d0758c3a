#include "gemm_driver.h"

#include <algorithm>
#include <cstdlib>
#include <limits>

namespace pulsar2::kernels {
namespace {

constexpr int64_t kBlockBytes = 96 << 10;  ///< of A per block of rows: leaves room in L2 for B
constexpr int64_t kLargeBytes = 256 << 10;
constexpr int64_t kMaxBlockRows = 192;
constexpr int64_t kRawRows = 16;  ///< rows whose raw sums are finished at a time

/// What all blocks of one product share.
struct Plan {
  const Gemm& gemm;
  const GemmOps& ops;
  const ElementOps& elements;
  bool simple;  ///< the tile can write the outputs itself
  int64_t block_rows;
  int64_t depth;  ///< elements of a row of A, all taps
  std::vector<int32_t> offset;
  std::vector<float> mult;
};

/// Sums of the u8 elements of each row of A, without zero point.
void sum_rows(const Plan& plan, const uint8_t* const* table, int64_t n, int32_t* sums) {
  const PackedMatrix& b = *plan.gemm.b;
  for (int64_t r = 0; r < n; ++r) {
    uint32_t total = 0;
    for (int64_t t = 0; t < b.taps; ++t) {
      const uint8_t* p = table[t * plan.block_rows + r];
      for (int64_t i = 0; i < b.depth; ++i) total += p[i];
    }
    sums[r] = static_cast<int32_t>(total - static_cast<uint32_t>(plan.depth * plan.gemm.a_zero));
  }
}

/// Finishes raw sums of n rows: what the zero points of B still owe, then requantization.
void finish_raw(const Plan& plan, const GemmTile& tile, int32_t* raw, const int32_t* row_sum,
                uint8_t* const* earlier) {
  const Gemm& gemm = plan.gemm;
  for (int64_t r = 0; r < tile.rows; ++r) {
    int32_t* sums = raw + r * kRawPitch;
    if (gemm.b->has_zero) {
      const int32_t* zero = gemm.b->zero.data() + tile.first;
      const uint32_t row = static_cast<uint32_t>(row_sum[r]);
      for (int64_t c = 0; c < tile.columns; ++c) {
        sums[c] = static_cast<int32_t>(static_cast<uint32_t>(sums[c]) -
                                       row * static_cast<uint32_t>(zero[c]));
      }
    }
    gemm.requant->apply_biased(plan.elements, sums, gemm.first_channel + tile.first, tile.columns,
                               tile.y[r] + tile.first * gemm.column_stride, gemm.column_stride,
                               sums_of(gemm, earlier[r], tile.first));
  }
}

/// The same rows in small groups, with their sums in between.
void run_raw(const Plan& plan, GemmTile tile, const int32_t* row_sum, uint8_t* const* earlier) {
  alignas(64) int32_t raw[kRawRows * kRawPitch];
  const int64_t rows = tile.rows;
  tile.raw = raw;
  for (int64_t r = 0; r < rows; r += kRawRows) {
    tile.rows = std::min(kRawRows, rows - r);
    plan.ops.tile(tile);
    finish_raw(plan, tile, raw, row_sum == nullptr ? nullptr : row_sum + r, earlier + r);
    tile.a += kRawRows;
    tile.y += kRawRows;
  }
}

/// Panels [first_panel, last_panel) of rows [begin, end).
void run_block(const Plan& plan, int64_t begin, int64_t end, int64_t first_panel,
               int64_t last_panel) {
  const Gemm& gemm = plan.gemm;
  const PackedMatrix& b = *gemm.b;
  GemmWorkspace& w = gemm_workspace();
  const int64_t pitch = plan.block_rows;
  uint8_t* scratch =
      w.scratch.reserve(static_cast<size_t>(pitch * gemm.rows->scratch_bytes() + kScratchSlack));
  w.table.resize(static_cast<size_t>(b.taps * pitch));
  gemm.rows->fetch(begin, end, scratch, w.table.data(), pitch);
  locate_rows(gemm, begin, end, pitch, w);
  const int32_t* row_sum = nullptr;
  if (b.has_zero) {
    w.row_sum.resize(static_cast<size_t>(end - begin));
    sum_rows(plan, w.table.data(), end - begin, w.row_sum.data());
    row_sum = w.row_sum.data();
  }
  GemmTile tile;
  tile.a = w.table.data();
  tile.y = w.y.data();
  tile.rows = end - begin;
  tile.tap_pitch = pitch;
  tile.taps = b.taps;
  tile.groups = b.groups;
  tile.panel_bytes = b.panel_bytes;
  tile.zero_point = gemm.requant->zero_point;
  tile.lo = static_cast<int32_t>(gemm.requant->clamp.lo);
  tile.hi = static_cast<int32_t>(gemm.requant->clamp.hi);
  tile.is_signed = gemm.requant->dtype == DType::S8;
  for_tiles(last_panel - first_panel, plan.ops.max_panels, [&](int64_t panel, int64_t n) {
    panel += first_panel;
    tile.first = panel * kPanel;
    tile.panels = static_cast<int>(n);
    tile.columns = std::min(b.columns - tile.first, n * kPanel);
    tile.b = b.data.data() + panel * b.panel_bytes;
    tile.offset = plan.offset.data() + tile.first;
    tile.mult = plan.mult.data() + tile.first;
    if (plan.simple) {
      plan.ops.tile(tile);
    } else {
      run_raw(plan, tile, row_sum, w.sums.data());
    }
  });
}

}  // namespace

GemmWorkspace& gemm_workspace() {
  static thread_local GemmWorkspace w;
  return w;
}

void locate_rows(const Gemm& gemm, int64_t begin, int64_t end, int64_t pitch, GemmWorkspace& w) {
  w.y.resize(static_cast<size_t>(pitch));
  w.sums.assign(static_cast<size_t>(pitch), nullptr);
  gemm.rows->locate(begin, end, *gemm.y, w.y.data());
  if (gemm.sums != nullptr) gemm.rows->locate(begin, end, *gemm.sums, w.sums.data());
}

int64_t choose_block_rows(const Gemm& gemm) {
  const int64_t bytes = gemm.b->taps * gemm.b->groups * gemm.ops->group * gemm.ops->a_bytes;
  // A large B comes from beyond L2 once per block, so then larger blocks pay.
  const bool large = gemm.b->panels() * gemm.b->panel_bytes > kLargeBytes;
  const int64_t most =
      std::min(kMaxBlockRows, std::max<int64_t>(24, kBlockBytes * (large ? 3 : 1) / bytes));
  const int64_t blocks = (gemm.num_rows + most - 1) / most;
  return (gemm.num_rows + blocks - 1) / blocks;
}

int32_t packed_a_zero(const GemmOps& ops, const View& a) {
  if (a.dtype == DType::U16) return a.zero_point - 32768;
  if (a.dtype == DType::S16) return a.zero_point;
  if (ops.kind != GemmKind::Dot4) return 0;
  return a.dtype == DType::S8 ? a.zero_point + 128 : a.zero_point;
}

int64_t factor_bound(const View& a) {
  const IntRange range = dtype_range(a.dtype);
  return std::max(std::llabs(range.lo - a.zero_point), std::llabs(range.hi - a.zero_point));
}

bool sums_fit(const PackedMatrix& b, int64_t a_bound, const Requant& requant,
              int64_t first_channel) {
  for (int64_t c = 0; c < b.columns; ++c) {
    const int64_t bias = requant.int_bias[static_cast<size_t>(first_channel + c)];
    const int64_t most = a_bound * b.abs_sum[static_cast<size_t>(c)] + std::llabs(bias);
    if (most > std::numeric_limits<int32_t>::max()) return false;
  }
  return true;
}

void run_gemm(const Gemm& gemm, int64_t a_bound) {
  const PackedMatrix& b = *gemm.b;
  Plan plan{
      gemm, *gemm.ops, element_ops(gemm.isa), false, choose_block_rows(gemm), b.taps * b.depth,
      {},   {}};
  const auto padded = static_cast<size_t>(b.panels() * kPanel);
  plan.offset.assign(padded, 0);
  plan.mult.assign(padded, 0.0f);
  bool simple = !b.has_zero && gemm.column_stride == 1 && is_8bit(gemm.requant->dtype) &&
                gemm.sums == nullptr && gemm.requant->bias_mode != kFloatBias;
  for (int64_t c = 0; c < b.columns; ++c) {
    const auto i = static_cast<size_t>(c);
    const auto channel = static_cast<size_t>(gemm.first_channel + c);
    const int32_t bias = gemm.requant->int_bias[channel];
    plan.offset[i] =
        static_cast<int32_t>(static_cast<uint32_t>(bias) -
                             static_cast<uint32_t>(gemm.a_zero) * static_cast<uint32_t>(b.sum[i]));
    plan.mult[i] = gemm.requant->mult[channel];
    const int64_t most = a_bound * b.abs_sum[i] + std::llabs(bias);
    // The tile converts the product to s32 unclamped.
    simple = simple && static_cast<float>(most) * std::abs(plan.mult[i]) < 0x1p30f;
  }
  plan.simple = simple;
  const int64_t blocks = (gemm.num_rows + plan.block_rows - 1) / plan.block_rows;
  // Few blocks of many columns are split by columns too.
  int64_t splits = 1;
  if (gemm.parallel != nullptr && blocks < 8) {
    splits = std::min<int64_t>((b.panels() + kMaxPanels - 1) / kMaxPanels, 8 / blocks);
  }
  const int64_t block_work = plan.block_rows * plan.depth * b.columns / splits;
  const int64_t grain = std::max<int64_t>(1, (1 << 18) / std::max<int64_t>(1, block_work));
  parallel_for(gemm.parallel, blocks * splits, grain, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t block = item / splits;
      const int64_t split = item % splits;
      run_block(plan, block * plan.block_rows,
                std::min(gemm.num_rows, (block + 1) * plan.block_rows), b.panels() * split / splits,
                b.panels() * (split + 1) / splits);
    }
  });
}

}  // namespace pulsar2::kernels
