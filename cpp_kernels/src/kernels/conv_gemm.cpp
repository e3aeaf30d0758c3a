// Convolution as a matrix product: a row of A is what one output position sees.

#include <algorithm>

#include "conv.h"
#include "gemm_driver.h"

namespace pulsar2::kernels {
namespace {

/// A range of output columns, empty if begin >= end.
struct Range {
  int64_t begin, end;
};

/// Rows of A for one group. Where the tile can read a pixel's channels in place (`direct`), a row
/// is one pointer per kernel tap; otherwise the taps are gathered into scratch.
class ConvRows : public GemmRows {
 public:
  ConvRows(const ConvProblem& p, const GemmOps& ops, int64_t group, bool direct)
      : p_(p), ops_(ops), depth_(p.in_channels / p.group), direct_(direct) {
    x_ = p.x.data + group * depth_ * p.x.strides[1];
    first_channel_ = group * (p.out_channels / p.group);
    element_ = ops.a_bytes;
    size_ = dtype_size(p.x.dtype);
    contiguous_ = p.x.strides[1] == size_ || depth_ == 1;
    // One kernel row of neighbouring pixels is one run of memory.
    const bool whole_lines = contiguous_ && p.dil_w == 1 && p.x.strides[3] == depth_ * size_;
    run_taps_ = whole_lines ? p.kernel_w : 1;
    const int64_t depth_all = p.kernel_h * p.kernel_w * depth_;
    const int64_t run = run_taps_ * depth_;
    // Short runs are written as blocks, the last of which may stick out of the row.
    const int64_t overhang = size_ == 1 && run <= kPackSlack ? kPackSlack - run : 0;
    row_bytes_ = (depth_all + overhang + ops.group - 1) / ops.group * ops.group * element_;
    if (p.kernel_h == 1 && p.kernel_w == 1 && depth_ % ops.group == 0 && overhang == 0) {
      row_bytes_ = depth_ * element_;
    }
    // Padding has the value that the tile takes for the zero point.
    const int32_t zero = packed_a_zero(ops, p.x);
    pad_.resize(static_cast<size_t>(depth_ * element_));
    for (int64_t i = 0; i < depth_; ++i) {
      std::memcpy(pad_.data() + i * element_, &zero, static_cast<size_t>(element_));
    }
  }

  int64_t scratch_bytes() const override { return direct_ ? 0 : row_bytes_; }

  void fetch(int64_t begin, int64_t end, uint8_t* scratch, const uint8_t** table,
             int64_t pitch) const override {
    for_segments(begin, end, [&](int64_t image, int64_t oh, int64_t ow, int64_t n, int64_t i) {
      const uint8_t* x = x_ + image * p_.x.strides[0];
      if (direct_) {
        point(x, oh, ow, n, table + i, pitch);
      } else {
        gather(x, oh, ow, n, scratch + i * row_bytes_);
      }
    });
    if (direct_) return;
    for (int64_t i = 0; i < end - begin; ++i) table[i] = scratch + i * row_bytes_;
  }

  void locate(int64_t begin, int64_t end, const View& of, uint8_t** rows) const override {
    const int64_t step = of.strides[3];
    uint8_t* first = of.data + first_channel_ * of.strides[1];
    for_segments(begin, end, [&](int64_t image, int64_t oh, int64_t ow, int64_t n, int64_t i) {
      uint8_t* out = first + image * of.strides[0] + oh * of.strides[2] + ow * step;
      for (int64_t k = 0; k < n; ++k) rows[i + k] = out + k * step;
    });
  }

 private:
  /// Calls body(image, oh, ow, n, index) for the pieces of output lines that make up the range.
  template <typename Body>
  void for_segments(int64_t begin, int64_t end, const Body& body) const {
    int64_t ow = begin % p_.out_w;
    int64_t oh = begin / p_.out_w % p_.out_h;
    int64_t image = begin / p_.out_w / p_.out_h;
    for (int64_t i = begin; i < end;) {
      const int64_t n = std::min(end - i, p_.out_w - ow);
      body(image, oh, ow, n, i - begin);
      i += n;
      ow = 0;
      if (++oh == p_.out_h) {
        oh = 0;
        ++image;
      }
    }
  }

  int64_t in_row(int64_t oh, int64_t kh) const {
    return oh * p_.stride_h - p_.pad_top + kh * p_.dil_h;
  }
  int64_t in_column(int64_t ow, int64_t kw) const {
    return ow * p_.stride_w - p_.pad_left + kw * p_.dil_w;
  }

  /// The columns of [ow, ow + n) whose taps kw .. kw + taps - 1 are all inside x.
  Range inside(int64_t ow, int64_t n, int64_t kw, int64_t taps) const {
    const int64_t first = in_column(0, kw);
    const int64_t last = p_.in_w - 1 - in_column(0, kw + taps - 1);
    const int64_t begin = first >= 0 ? 0 : (-first + p_.stride_w - 1) / p_.stride_w;
    const int64_t end = last < 0 ? 0 : last / p_.stride_w + 1;
    const int64_t from = std::min(std::max(begin, ow), ow + n);
    return {from, std::max(from, std::min(end, ow + n))};
  }

  /// One pointer per tap for n output positions.
  void point(const uint8_t* x, int64_t oh, int64_t ow, int64_t n, const uint8_t** table,
             int64_t pitch) const {
    const int64_t step = p_.stride_w * p_.x.strides[3];
    for (int64_t kh = 0; kh < p_.kernel_h; ++kh) {
      const int64_t ih = in_row(oh, kh);
      const bool row_inside = ih >= 0 && ih < p_.in_h;
      for (int64_t kw = 0; kw < p_.kernel_w; ++kw, table += pitch) {
        const Range r = row_inside ? inside(ow, n, kw, 1) : Range{ow + n, ow + n};
        for (int64_t i = ow; i < r.begin; ++i) table[i - ow] = pad_.data();
        const uint8_t* src = x + ih * p_.x.strides[2] + in_column(r.begin, kw) * p_.x.strides[3];
        for (int64_t i = r.begin; i < r.end; ++i, src += step) table[i - ow] = src;
        for (int64_t i = r.end; i < ow + n; ++i) table[i - ow] = pad_.data();
      }
    }
  }

  /// All taps of n output positions, one after another. Runs go in ascending order, since short
  /// ones overwrite the start of what follows.
  void gather(const uint8_t* x, int64_t oh, int64_t ow, int64_t n, uint8_t* rows) const {
    for (int64_t kh = 0; kh < p_.kernel_h; ++kh) {
      const int64_t ih = in_row(oh, kh);
      const bool row_inside = ih >= 0 && ih < p_.in_h;
      const uint8_t* line = x + ih * p_.x.strides[2];
      for (int64_t kw = 0; kw < p_.kernel_w; kw += run_taps_) {
        const Range r = row_inside ? inside(ow, n, kw, run_taps_) : Range{ow, ow};
        uint8_t* dst = rows + (kh * p_.kernel_w + kw) * depth_ * element_;
        if (r.end > r.begin) {
          gather_runs(line, r, kw, dst + (r.begin - ow) * row_bytes_);
        }
        for (int64_t i = ow; i < ow + n; i = i + 1 == r.begin ? r.end : i + 1) {
          if (i >= r.begin && i < r.end) continue;
          gather_border(row_inside ? line : nullptr, i, kw, dst + (i - ow) * row_bytes_);
        }
      }
    }
  }

  /// Taps kw .. kw + run_taps - 1 of positions that see no padding there.
  void gather_runs(const uint8_t* line, Range r, int64_t kw, uint8_t* dst) const {
    const uint8_t* src = line + in_column(r.begin, kw) * p_.x.strides[3];
    if (!contiguous_) {
      for (int64_t i = r.begin; i < r.end; ++i) {
        gather_apart(src + (i - r.begin) * p_.stride_w * p_.x.strides[3],
                     dst + (i - r.begin) * row_bytes_);
      }
      return;
    }
    PackRuns runs = new_runs();
    runs.src = src;
    runs.src_step = p_.stride_w * p_.x.strides[3];
    runs.count = r.end - r.begin;
    runs.n = run_taps_ * depth_;
    runs.dst = dst;
    runs.dst_step = row_bytes_;
    // What is described from the start of a run to the end of its line.
    const auto left = [&](int64_t i) {
      return (p_.in_w - 1 - in_column(i, kw)) * p_.x.strides[3] + depth_ * size_;
    };
    const int64_t wanted = runs.n <= 16 ? 16 : kPackSlack;
    runs.readable = left(r.end - 1);
    if (runs.n <= kPackSlack && runs.readable < wanted) {
      // The runs at the end of the line one by one, byte by byte.
      int64_t whole = runs.count;
      while (whole > 0 && left(r.begin + whole - 1) < wanted) --whole;
      PackRuns rest = runs;
      rest.src += whole * runs.src_step;
      rest.dst += whole * runs.dst_step;
      rest.count -= whole;
      rest.readable = runs.n;
      runs.count = whole;
      runs.readable = wanted;
      ops_.pack_a(runs);
      ops_.pack_a(rest);
    } else {
      ops_.pack_a(runs);
    }
  }

  /// The same for one position that may see padding; line is null where the row is padding.
  void gather_border(const uint8_t* line, int64_t ow, int64_t kw, uint8_t* dst) const {
    for (int64_t t = kw; t < kw + run_taps_; ++t, dst += depth_ * element_) {
      const int64_t iw = in_column(ow, t);
      if (line == nullptr || iw < 0 || iw >= p_.in_w) {
        std::memcpy(dst, pad_.data(), pad_.size());
        continue;
      }
      const uint8_t* src = line + iw * p_.x.strides[3];
      if (contiguous_) {
        PackRuns run = new_runs();
        run.src = src;
        run.count = 1;
        run.n = depth_;
        run.dst = dst;
        ops_.pack_a(run);
      } else {
        gather_apart(src, dst);
      }
    }
  }

  /// One pixel whose channels are not contiguous.
  void gather_apart(const uint8_t* src, uint8_t* dst) const {
    constexpr int64_t kPart = 64;
    uint8_t part[2 * kPart];
    PackRuns run = new_runs();
    run.src = part;
    run.count = 1;
    for (int64_t c = 0; c < depth_; c += kPart) {
      run.n = std::min(kPart, depth_ - c);
      run.dst = dst + c * element_;
      for (int64_t i = 0; i < run.n; ++i) {
        std::memcpy(part + i * size_, src + (c + i) * p_.x.strides[1], static_cast<size_t>(size_));
      }
      ops_.pack_a(run);
    }
  }

  PackRuns new_runs() const {
    PackRuns runs;
    runs.src_bytes = static_cast<int>(size_);
    runs.is_signed = p_.x.dtype == DType::S8 || p_.x.dtype == DType::S16;
    runs.zero = p_.x.zero_point;
    return runs;
  }

  const ConvProblem& p_;
  const GemmOps& ops_;
  const int64_t depth_;
  const bool direct_;
  const uint8_t* x_;
  int64_t first_channel_;
  int64_t size_;     ///< bytes of an element of x
  int64_t element_;  ///< bytes of an element of A
  int64_t row_bytes_;
  bool contiguous_;
  int64_t run_taps_;          ///< taps that are one run of memory
  std::vector<uint8_t> pad_;  ///< one pixel of padding as A has it
};

/// Packed weights of a job, and what they were packed from.
struct ConvWeights : KernelState {
  Snapshot snapshot;
  std::vector<int32_t> zero;
  int64_t group = 0;
  const GemmOps* ops = nullptr;
  bool flat = false;
  std::vector<PackedFactor> factors;  ///< one per group

  bool fits(const ConvProblem& p, const GemmOps& wanted, bool wanted_flat) const {
    return group == p.group && ops == &wanted && flat == wanted_flat && zero == p.w_zero &&
           snapshot.matches(p.w, p.constant_weights);
  }

  void pack(const ConvProblem& p, const GemmOps& wanted, bool wanted_flat) {
    snapshot.take(p.w, p.constant_weights);
    zero = p.w_zero;
    group = p.group;
    ops = &wanted;
    flat = wanted_flat;
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
      factors.push_back(pack_factor(source, wanted, flat));
    }
  }
};

}  // namespace

bool conv_gemm(const ConvProblem& p) {
  const bool narrow = is_8bit(p.x.dtype) && is_8bit(p.w.dtype);
  const GemmOps& ops = narrow ? gemm_ops(p.isa) : wide_gemm_ops(p.isa);
  const int64_t depth = p.in_channels / p.group;
  const bool direct =
      ops.kind == GemmKind::Dot4 && p.x.dtype == DType::U8 && p.x.strides[1] == 1 && depth % 4 == 0;

  std::unique_ptr<KernelState> fresh;
  std::unique_ptr<KernelState>& state = p.state != nullptr ? *p.state : fresh;
  auto* weights = dynamic_cast<ConvWeights*>(state.get());
  if (weights == nullptr || !weights->fits(p, ops, !direct)) {
    auto packed = std::make_unique<ConvWeights>();
    packed->pack(p, ops, !direct);
    weights = packed.get();
    state = std::move(packed);
  }
  const int64_t columns = p.out_channels / p.group;
  const int64_t bound = factor_bound(p.x);
  bool fit = is_8bit(p.w.dtype);
  for (int64_t g = 0; g < p.group && fit; ++g) {
    fit = sums_fit(weights->factors[static_cast<size_t>(g)].matrix, bound, p.requant, g * columns);
  }
  if (narrow && !fit) return false;
  for (int64_t g = 0; g < p.group; ++g) {
    const ConvRows rows(p, ops, g, direct);
    const PackedFactor& w = weights->factors[static_cast<size_t>(g)];
    Gemm gemm;
    gemm.b = &w.matrix;
    gemm.rows = &rows;
    gemm.num_rows = p.batch * p.out_h * p.out_w;
    gemm.a_zero = packed_a_zero(ops, p.x);
    gemm.requant = &p.requant;
    gemm.y = &p.y;
    gemm.sums = p.sums.data == nullptr ? nullptr : &p.sums;
    gemm.sums_stride = p.sums.strides[1];
    gemm.first_channel = g * columns;
    gemm.column_stride = p.y.strides[1];
    gemm.parallel = p.parallel;
    gemm.ops = &ops;
    gemm.isa = p.isa;
    if (fit) {
      run_gemm(gemm, bound);
    } else {
      run_wide_gemm(gemm, w.wide ? &w.high : nullptr, w.zero);
    }
  }
  return true;
}

}  // namespace pulsar2::kernels
