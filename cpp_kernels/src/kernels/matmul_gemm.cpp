// Matrix product of integers by tiles.

#include <algorithm>

#include "gemm_driver.h"
#include "matmul.h"

namespace pulsar2::kernels {
namespace {

/// Rows of A of one product, or of all products of a batch that shares B.
class MatmulRows : public GemmRows {
 public:
  MatmulRows(const MatmulProblem& p, const GemmOps& ops, int64_t first_image)
      : p_(p), ops_(ops), first_image_(first_image) {
    const int rank = p.y.ndim;
    a_row_ = p.a.strides[rank - 2];
    a_step_ = p.a.strides[rank - 1];
    size_ = dtype_size(p.a.dtype);
    direct_ = ops.kind == GemmKind::Dot4 && p.a.dtype == DType::U8 && p.k % 4 == 0 && a_step_ == 1;
    row_bytes_ = (p.k + ops.group - 1) / ops.group * ops.group * ops.a_bytes;
  }

  int64_t scratch_bytes() const override { return direct_ ? 0 : row_bytes_; }

  void fetch(int64_t begin, int64_t end, uint8_t* scratch, const uint8_t** table,
             int64_t /*pitch*/) const override {
    for_images(begin, end, [&](int64_t image, int64_t row, int64_t n, int64_t index) {
      const uint8_t* a = p_.a.data + p_.offset(p_.a, image) + row * a_row_;
      for (int64_t i = 0; i < n; ++i, a += a_row_) {
        const uint8_t* source = a;
        if (!direct_) {
          uint8_t* packed = scratch + (index + i) * row_bytes_;
          pack(a, packed);
          source = packed;
        }
        table[index + i] = source;
      }
    });
  }

  void locate(int64_t begin, int64_t end, const View& of, uint8_t** rows) const override {
    const int64_t step = of.strides[of.ndim - 2];
    for_images(begin, end, [&](int64_t image, int64_t row, int64_t n, int64_t index) {
      uint8_t* out = of.data + p_.offset(of, image) + row * step;
      for (int64_t i = 0; i < n; ++i) rows[index + i] = out + i * step;
    });
  }

 private:
  /// Calls body(image, row, n, index) for the pieces of images that make up the range.
  template <typename Body>
  void for_images(int64_t begin, int64_t end, const Body& body) const {
    for (int64_t i = begin; i < end;) {
      const int64_t row = i % p_.m;
      const int64_t n = std::min(end - i, p_.m - row);
      body(first_image_ + i / p_.m, row, n, i - begin);
      i += n;
    }
  }

  void pack(const uint8_t* a, uint8_t* packed) const {
    PackRuns run;
    run.count = 1;
    run.src_bytes = static_cast<int>(size_);
    run.is_signed = p_.a.dtype == DType::S8 || p_.a.dtype == DType::S16;
    run.zero = p_.a.zero_point;
    if (a_step_ == size_) {
      run.src = a;
      run.n = p_.k;
      run.dst = packed;
      ops_.pack_a(run);
      return;
    }
    constexpr int64_t kPart = 64;
    uint8_t part[2 * kPart];
    run.src = part;
    for (int64_t k = 0; k < p_.k; k += kPart) {
      run.n = std::min(kPart, p_.k - k);
      run.dst = packed + k * ops_.a_bytes;
      for (int64_t i = 0; i < run.n; ++i) {
        std::memcpy(part + i * size_, a + (k + i) * a_step_, static_cast<size_t>(size_));
      }
      ops_.pack_a(run);
    }
  }

  const MatmulProblem& p_;
  const GemmOps& ops_;
  const int64_t first_image_;
  int64_t a_row_, a_step_, size_, row_bytes_;
  bool direct_;
};

PackedFactor pack_b(const MatmulProblem& p, const GemmOps& ops, int64_t image) {
  const int rank = p.y.ndim;
  const std::vector<int32_t> zero(static_cast<size_t>(p.n), p.b.zero_point);
  MatrixSource source;
  source.data = p.b.data + p.offset(p.b, image);
  source.dtype = p.b.dtype;
  source.columns = p.n;
  source.taps_h = 1;
  source.taps_w = 1;
  source.depth = p.k;
  source.column_stride = p.b.strides[rank - 1];
  source.depth_stride = p.b.strides[rank - 2];
  source.tap_h_stride = 0;
  source.tap_w_stride = 0;
  source.zero = zero.data();
  return pack_factor(source, ops, true);
}

/// A packed B that all images share, and what it was packed from.
struct MatmulWeights : KernelState {
  Snapshot snapshot;
  int32_t zero_point = 0;
  const GemmOps* ops = nullptr;
  PackedFactor b;

  bool fits(const MatmulProblem& p, const GemmOps& wanted) const {
    return ops == &wanted && zero_point == p.b.zero_point && snapshot.matches(p.b, p.constant_b);
  }
};

/// Images [first, first + images) by one B; `fit` says that its sums fit s32.
void run_images(const MatmulProblem& p, const GemmOps& ops, const PackedFactor& b, bool fit,
                int64_t first, int64_t images, Parallel* parallel) {
  const MatmulRows rows(p, ops, first);
  Gemm gemm;
  gemm.b = &b.matrix;
  gemm.rows = &rows;
  gemm.num_rows = images * p.m;
  gemm.a_zero = packed_a_zero(ops, p.a);
  gemm.requant = &p.requant;
  gemm.y = &p.y;
  gemm.sums = p.sums.data == nullptr ? nullptr : &p.sums;
  gemm.sums_stride = p.sums.strides[p.y.ndim - 1];
  gemm.column_stride = p.y.strides[p.y.ndim - 1];
  gemm.parallel = parallel;
  gemm.ops = &ops;
  gemm.isa = p.isa;
  if (fit) {
    run_gemm(gemm, factor_bound(p.a));
  } else {
    run_wide_gemm(gemm, b.wide ? &b.high : nullptr, b.zero);
  }
}

/// Whether sums fit s32 for any B of the job's type.
bool always_fits(const MatmulProblem& p) {
  if (factor_bound(p.a) * factor_bound(p.b) > (int64_t{1} << 30) / p.k) return false;
  return std::all_of(p.requant.int_bias.begin(), p.requant.int_bias.end(),
                     [](int32_t bias) { return bias < 1 << 30 && bias > -(1 << 30); });
}

}  // namespace

bool matmul_gemm(const MatmulProblem& p) {
  const bool narrow = is_8bit(p.a.dtype) && is_8bit(p.b.dtype);
  const GemmOps& ops = narrow ? gemm_ops(p.isa) : wide_gemm_ops(p.isa);
  bool shared = true;
  for (int d = 0; d < p.batch_dims; ++d) {
    shared = shared && (p.y.shape[d] == 1 || p.b.strides[d] == 0);
  }
  if (!shared) {
    const bool fit = is_8bit(p.b.dtype) && always_fits(p);
    if (narrow && !fit) return false;
    const int64_t grain = std::max<int64_t>(1, (1 << 18) / (p.m * p.n * p.k));
    parallel_for(p.parallel, p.batch, grain, [&](int64_t begin, int64_t end) {
      for (int64_t image = begin; image < end; ++image) {
        run_images(p, ops, pack_b(p, ops, image), fit, image, 1, nullptr);
      }
    });
    return true;
  }
  std::unique_ptr<KernelState> fresh;
  std::unique_ptr<KernelState>& state = p.state != nullptr ? *p.state : fresh;
  auto* weights = dynamic_cast<MatmulWeights*>(state.get());
  if (weights == nullptr || !weights->fits(p, ops)) {
    auto packed = std::make_unique<MatmulWeights>();
    packed->snapshot.take(p.b, p.constant_b);
    packed->zero_point = p.b.zero_point;
    packed->ops = &ops;
    packed->b = pack_b(p, ops, 0);
    weights = packed.get();
    state = std::move(packed);
  }
  const bool fit =
      is_8bit(p.b.dtype) && sums_fit(weights->b.matrix, factor_bound(p.a), p.requant, 0);
  if (narrow && !fit) return false;
  run_images(p, ops, weights->b, fit, 0, p.batch, p.parallel);
  return true;
}

}  // namespace pulsar2::kernels
