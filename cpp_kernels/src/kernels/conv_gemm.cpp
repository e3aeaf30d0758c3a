// Convolution of 8-bit factors as a matrix product: a row of A is what one output position sees.

#include <algorithm>

#include "conv.h"
#include "gemm_driver.h"

namespace pulsar2::kernels {
namespace {

/// Rows of A for one group. Where the tile can read a pixel's channels in place (`direct`), a row
/// is one pointer per kernel tap; otherwise the taps are gathered into scratch.
class ConvRows : public GemmRows {
 public:
  ConvRows(const ConvProblem& p, const GemmOps& ops, int64_t group, bool direct)
      : p_(p), ops_(ops), depth_(p.in_channels / p.group), direct_(direct) {
    x_ = p.x.data + group * depth_ * p.x.strides[1];
    y_ = p.y.data + group * (p.out_channels / p.group) * p.y.strides[1];
    element_ = ops.a_bytes;
    const int64_t taps = p.kernel_h * p.kernel_w;
    row_bytes_ = (taps * depth_ + ops.group - 1) / ops.group * ops.group * element_;
    contiguous_ = p.x.strides[1] == 1 || depth_ == 1;
    // One kernel row of neighbouring pixels is one run of memory.
    run_ = contiguous_ && p.dil_w == 1 && p.x.strides[3] == depth_;
    is_signed_ = p.x.dtype == DType::S8;
    pad_value_ = static_cast<uint8_t>(packed_a_zero(ops, p.x));
    // Padding of 16-bit elements is 0: their zero point is gone.
    if (element_ == 2) pad_value_ = 0;
    pad_.assign(static_cast<size_t>(depth_), pad_value_);
  }

  int64_t scratch_bytes() const override { return direct_ ? 0 : row_bytes_; }

  void fetch(int64_t begin, int64_t end, uint8_t* scratch, const uint8_t** table,
             int64_t pitch) const override {
    Position at(p_, begin);
    for (int64_t i = begin; i < end; ++i, at.next(p_)) {
      if (direct_) {
        point(at, table + (i - begin), pitch);
      } else {
        uint8_t* row = scratch + (i - begin) * row_bytes_;
        gather(at, row);
        table[i - begin] = row;
      }
    }
  }

  void locate(int64_t begin, int64_t end, uint8_t** y) const override {
    Position at(p_, begin);
    for (int64_t i = begin; i < end; ++i, at.next(p_)) {
      *y++ = y_ + at.image * p_.y.strides[0] + at.oh * p_.y.strides[2] + at.ow * p_.y.strides[3];
    }
  }

 private:
  struct Position {
    int64_t image, oh, ow;

    Position(const ConvProblem& p, int64_t index) {
      ow = index % p.out_w;
      oh = index / p.out_w % p.out_h;
      image = index / p.out_w / p.out_h;
    }

    void next(const ConvProblem& p) {
      if (++ow < p.out_w) return;
      ow = 0;
      if (++oh < p.out_h) return;
      oh = 0;
      ++image;
    }
  };

  /// One pointer per tap.
  void point(const Position& at, const uint8_t** table, int64_t pitch) const {
    const uint8_t* image = x_ + at.image * p_.x.strides[0];
    for (int64_t kh = 0; kh < p_.kernel_h; ++kh) {
      const int64_t ih = at.oh * p_.stride_h - p_.pad_top + kh * p_.dil_h;
      const bool inside = ih >= 0 && ih < p_.in_h;
      const uint8_t* line = image + ih * p_.x.strides[2];
      for (int64_t kw = 0; kw < p_.kernel_w; ++kw, table += pitch) {
        const int64_t iw = at.ow * p_.stride_w - p_.pad_left + kw * p_.dil_w;
        *table = inside && iw >= 0 && iw < p_.in_w ? line + iw * p_.x.strides[3] : pad_.data();
      }
    }
  }

  /// All taps one after another.
  void gather(const Position& at, uint8_t* row) const {
    const uint8_t* image = x_ + at.image * p_.x.strides[0];
    const int64_t iw0 = at.ow * p_.stride_w - p_.pad_left;
    const int64_t line_elements = p_.kernel_w * depth_;
    for (int64_t kh = 0; kh < p_.kernel_h; ++kh) {
      uint8_t* dst = row + kh * line_elements * element_;
      const int64_t ih = at.oh * p_.stride_h - p_.pad_top + kh * p_.dil_h;
      if (ih < 0 || ih >= p_.in_h) {
        pad(dst, line_elements);
        continue;
      }
      const uint8_t* line = image + ih * p_.x.strides[2];
      if (run_) {
        gather_run(line, iw0, dst);
      } else {
        for (int64_t kw = 0; kw < p_.kernel_w; ++kw) {
          const int64_t iw = iw0 + kw * p_.dil_w;
          uint8_t* tap = dst + kw * depth_ * element_;
          if (iw < 0 || iw >= p_.in_w) {
            pad(tap, depth_);
          } else {
            gather_pixel(line + iw * p_.x.strides[3], tap);
          }
        }
      }
    }
  }

  void gather_run(const uint8_t* line, int64_t iw0, uint8_t* dst) const {
    const int64_t first = std::min(std::max<int64_t>(0, -iw0), p_.kernel_w);
    const int64_t last = std::max(first, std::min(p_.kernel_w, p_.in_w - iw0));
    if (first > 0) pad(dst, first * depth_);
    if (last > first) {
      const int64_t n = (last - first) * depth_;
      const uint8_t* src = line + (iw0 + first) * depth_;
      // Sixteen bytes may be read where that many of this line are left.
      const bool slack = (p_.in_w - iw0 - first) * depth_ >= 16;
      ops_.pack_a(src, n, is_signed_, p_.x.zero_point, slack, dst + first * depth_ * element_);
    }
    if (last < p_.kernel_w) pad(dst + last * depth_ * element_, (p_.kernel_w - last) * depth_);
  }

  void gather_pixel(const uint8_t* src, uint8_t* dst) const {
    if (contiguous_) {
      ops_.pack_a(src, depth_, is_signed_, p_.x.zero_point, false, dst);
      return;
    }
    constexpr int64_t kPart = 64;
    uint8_t part[kPart];
    for (int64_t c = 0; c < depth_; c += kPart) {
      const int64_t n = std::min(kPart, depth_ - c);
      for (int64_t i = 0; i < n; ++i) part[i] = src[(c + i) * p_.x.strides[1]];
      ops_.pack_a(part, n, is_signed_, p_.x.zero_point, false, dst + c * element_);
    }
  }

  void pad(uint8_t* dst, int64_t n) const {
    std::memset(dst, pad_value_, static_cast<size_t>(n * element_));
  }

  const ConvProblem& p_;
  const GemmOps& ops_;
  const int64_t depth_;
  const bool direct_;
  const uint8_t* x_;
  uint8_t* y_;
  int64_t element_;
  int64_t row_bytes_;
  bool contiguous_;
  bool run_;
  bool is_signed_;
  uint8_t pad_value_;
  std::vector<uint8_t> pad_;
};

/// Packed weights of a job, and what they were packed from.
struct ConvWeights : KernelState {
  Snapshot snapshot;
  std::vector<int32_t> zero;
  int64_t group = 0;
  GemmKind kind = GemmKind::Dot1;
  bool flat = false;
  std::vector<PackedMatrix> matrices;  ///< one per group

  bool fits(const ConvProblem& p, GemmKind wanted_kind, bool wanted_flat) const {
    return group == p.group && kind == wanted_kind && flat == wanted_flat && zero == p.w_zero &&
           snapshot.matches(p.w);
  }

  void pack(const ConvProblem& p, const GemmOps& ops, bool wanted_flat) {
    snapshot.take(p.w);
    zero = p.w_zero;
    group = p.group;
    kind = ops.kind;
    flat = wanted_flat;
    matrices.clear();
    const int64_t columns = p.out_channels / p.group;
    MatrixSource source;
    source.dtype = p.w.dtype;
    source.columns = columns;
    source.taps_h = p.kernel_h;
    source.taps_w = p.kernel_w;
    source.depth = p.in_channels / p.group;
    source.column_stride = p.w.strides[0];
    source.depth_stride = p.w.strides[1];
    source.tap_h_stride = p.w.strides[2];
    source.tap_w_stride = p.w.strides[3];
    for (int64_t g = 0; g < p.group; ++g) {
      source.data = p.w.data + g * columns * p.w.strides[0];
      source.zero = zero.data() + g * columns;
      matrices.push_back(pack_matrix(source, ops, flat));
    }
  }
};

}  // namespace

bool conv_gemm(const ConvProblem& p) {
  if (!is_8bit(p.x.dtype) || !is_8bit(p.w.dtype)) return false;
  const GemmOps& ops = gemm_ops(p.isa);
  const int64_t depth = p.in_channels / p.group;
  const bool direct = ops.kind == GemmKind::Dot4 && p.x.dtype == DType::U8 &&
                      p.x.strides[1] == 1 && depth % 4 == 0;

  std::unique_ptr<KernelState> fresh;
  std::unique_ptr<KernelState>& state = p.state != nullptr ? *p.state : fresh;
  auto* weights = dynamic_cast<ConvWeights*>(state.get());
  if (weights == nullptr || !weights->fits(p, ops.kind, !direct)) {
    auto packed = std::make_unique<ConvWeights>();
    packed->pack(p, ops, !direct);
    weights = packed.get();
    state = std::move(packed);
  }
  const int64_t columns = p.out_channels / p.group;
  const int64_t bound = factor_bound(p.x);
  for (int64_t g = 0; g < p.group; ++g) {
    const PackedMatrix& b = weights->matrices[static_cast<size_t>(g)];
    if (!sums_fit(b, bound, p.requant, g * columns)) return false;
  }
  for (int64_t g = 0; g < p.group; ++g) {
    const ConvRows rows(p, ops, g, direct);
    Gemm gemm;
    gemm.b = &weights->matrices[static_cast<size_t>(g)];
    gemm.rows = &rows;
    gemm.num_rows = p.batch * p.out_h * p.out_w;
    gemm.a_zero = packed_a_zero(ops, p.x);
    gemm.requant = &p.requant;
    gemm.first_channel = g * columns;
    gemm.column_stride = p.y.strides[1];
    gemm.parallel = p.parallel;
    gemm.isa = p.isa;
    run_gemm(gemm, bound);
  }
  return true;
}

}  // namespace pulsar2::kernels
