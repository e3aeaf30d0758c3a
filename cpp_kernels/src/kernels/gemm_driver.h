#pragma once

#include <cstdint>
#include <vector>

#include "common.h"
#include "element_ops.h"
#include "gemm.h"
#include "packed_matrix.h"
#include "requant.h"

namespace pulsar2::kernels {

/// The rows of A and of the output of one matrix product.
class GemmRows {
 public:
  virtual ~GemmRows() = default;

  /// Fills table[t * pitch + i] with row begin + i of tap t. `scratch` has scratch_bytes() per row
  /// and kScratchSlack more.
  virtual void fetch(int64_t begin, int64_t end, uint8_t* scratch, const uint8_t** table,
                     int64_t pitch) const = 0;
  /// Fills rows[i] with where row begin + i of the output lies in `of`: y, or the earlier sums.
  virtual void locate(int64_t begin, int64_t end, const View& of, uint8_t** rows) const = 0;
  virtual int64_t scratch_bytes() const = 0;
};

constexpr int64_t kScratchSlack = 64;

/// One integer matrix product with its requantization.
struct Gemm {
  const PackedMatrix* b = nullptr;
  const GemmRows* rows = nullptr;
  int64_t num_rows = 0;
  int32_t a_zero = 0;  ///< zero point of A's elements as the tile sees them
  const Requant* requant = nullptr;
  const View* y = nullptr;
  const View* sums = nullptr;  ///< of earlier parts of the reduction, if there are any
  int64_t first_channel = 0;   ///< of the output; indexes requant
  int64_t column_stride = 1;   ///< of the output, in bytes
  int64_t sums_stride = 0;     ///< the same of the sums
  Parallel* parallel = nullptr;
  const GemmOps* ops = nullptr;  ///< that B is packed for
  Isa isa = Isa::Portable;
};

/// Buffers of one thread, kept from call to call.
struct GemmWorkspace {
  AlignedBuffer scratch;
  std::vector<const uint8_t*> table;
  std::vector<uint8_t*> y;
  std::vector<uint8_t*> sums;  ///< null for each row where there are none
  std::vector<int32_t> row_sum;
};
GemmWorkspace& gemm_workspace();

/// Fills the rows of the output, and of the earlier sums, for rows [begin, end).
void locate_rows(const Gemm& gemm, int64_t begin, int64_t end, int64_t pitch, GemmWorkspace& w);

/// Where the earlier sums of a row begin, from column `first` on.
inline Sums sums_of(const Gemm& gemm, const uint8_t* row, int64_t first) {
  if (row == nullptr) return {};
  return {row + first * gemm.sums_stride, gemm.sums_stride, gemm.sums->dtype};
}

/// Rows of a block: as many as keep A within its share of L2, and all blocks alike.
int64_t choose_block_rows(const Gemm& gemm);

/// The zero point that A's elements have in a tile: S8 is read as U8 + 128 by Dot4, U16 as
/// S16 + 32768, and bytes that became 16-bit elements have none left.
int32_t packed_a_zero(const GemmOps& ops, const View& a);

/// The most that |a - zero point| can be.
int64_t factor_bound(const View& a);

/// Whether all sums of the product fit s32, bias included.
bool sums_fit(const PackedMatrix& b, int64_t a_bound, const Requant& requant,
              int64_t first_channel);

/// The product in s32 sums, which must fit.
void run_gemm(const Gemm& gemm, int64_t a_bound);

/// The product in s64 sums, for 16-bit A. B is `gemm.b`, or 256 * high + b, where `b_zero` holds
/// what is still to subtract from the elements of each column.
void run_wide_gemm(const Gemm& gemm, const PackedMatrix* high, const std::vector<int32_t>& b_zero);

}  // namespace pulsar2::kernels
