// Depthwise convolution of 8-bit factors, vectorized over channels.

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "conv.h"
#include "depthwise.h"
#include "gemm_driver.h"

namespace pulsar2::kernels {
namespace {

constexpr int64_t kPixels = 64;  ///< output positions of a tile

struct DepthwiseWeights : KernelState {
  Snapshot snapshot;
  std::vector<int32_t> zero;
  Isa isa = Isa::Portable;   ///< the path that was asked for
  const DepthwiseOps* ops = nullptr;  ///< the one that the weights allow
  PackedDepthwise packed;

  bool fits(const ConvProblem& p) const {
    return isa == p.isa && zero == p.w_zero && snapshot.matches(p.w);
  }

  void pack(const ConvProblem& p) {
    snapshot.take(p.w);
    zero = p.w_zero;
    isa = p.isa;
    ops = &depthwise_ops(isa);
    MatrixSource source;
    source.data = p.w.data;
    source.dtype = p.w.dtype;
    source.columns = p.out_channels;
    source.taps_h = p.kernel_h;
    source.taps_w = p.kernel_w;
    source.depth = 1;
    source.column_stride = p.w.strides[0];
    source.depth_stride = p.w.strides[1];
    source.tap_h_stride = p.w.strides[2];
    source.tap_w_stride = p.w.strides[3];
    source.zero = zero.data();
    packed = pack_depthwise(source, *ops);
    if (!packed.exact) {
      ops = &depthwise_ops(Isa::Avx2);
      packed = pack_depthwise(source, *ops);
    }
  }
};

/// What all tiles of one job share.
struct Plan {
  const ConvProblem& p;
  const DepthwiseOps& ops;
  const ElementOps& elements;
  DepthwiseTile tile;  ///< without its pixels
  bool simple;
  int64_t taps;
  std::vector<int32_t> offset;
  std::vector<float> mult;
  std::vector<int64_t> inner;  ///< tap offsets of positions that see no padding
  std::vector<uint8_t> pad;    ///< zero points for all channels
};

/// Gathers positions into tiles and runs them.
class Tiler {
 public:
  explicit Tiler(const Plan& plan)
      : plan_(plan), border_(static_cast<size_t>(kPixels * plan.taps)) {
    if (!plan.simple) raw_.resize(static_cast<size_t>(kPixels * plan.p.out_channels));
  }

  void row(int64_t image, int64_t oh) {
    const ConvProblem& p = plan_.p;
    const int64_t ih = oh * p.stride_h - p.pad_top;
    const bool rows_inside = ih >= 0 && ih + (p.kernel_h - 1) * p.dil_h < p.in_h;
    const uint8_t* line = p.x.data + image * p.x.strides[0] + ih * p.x.strides[2];
    uint8_t* y = p.y.data + image * p.y.strides[0] + oh * p.y.strides[2];
    const int64_t reach = (p.kernel_w - 1) * p.dil_w;
    for (int64_t ow = 0; ow < p.out_w; ++ow) {
      const int64_t iw = ow * p.stride_w - p.pad_left;
      const uint8_t* origin = line + iw * p.x.strides[3];
      const int64_t* offsets = plan_.inner.data();
      if (!rows_inside || iw < 0 || iw + reach >= p.in_w) {
        int64_t* own = border_.data() + count_ * plan_.taps;
        border_offsets(origin, ih, iw, own);
        offsets = own;
      }
      x_[count_] = origin;
      offsets_[count_] = offsets;
      y_[count_] = y + ow * p.y.strides[3];
      if (++count_ == kPixels) flush();
    }
  }

  void flush() {
    if (count_ == 0) return;
    DepthwiseTile tile = plan_.tile;
    tile.pixels = count_;
    tile.x = x_;
    tile.offsets = offsets_;
    tile.y = y_;
    tile.raw = plan_.simple ? nullptr : raw_.data();
    plan_.ops.tile(tile);
    if (!plan_.simple) finish_raw();
    count_ = 0;
  }

 private:
  /// Offsets from `origin`, which may be outside x, to each tap or to the padding.
  void border_offsets(const uint8_t* origin, int64_t ih, int64_t iw, int64_t* offsets) const {
    const ConvProblem& p = plan_.p;
    const auto base = reinterpret_cast<intptr_t>(origin);
    const auto pad = reinterpret_cast<intptr_t>(plan_.pad.data());
    int64_t t = 0;
    for (int64_t kh = 0; kh < p.kernel_h; ++kh) {
      const int64_t h = ih + kh * p.dil_h;
      const bool inside = h >= 0 && h < p.in_h;
      for (int64_t kw = 0; kw < p.kernel_w; ++kw, ++t) {
        const int64_t w = iw + kw * p.dil_w;
        offsets[t] = inside && w >= 0 && w < p.in_w ? plan_.inner[static_cast<size_t>(t)]
                                                    : static_cast<int64_t>(pad - base);
      }
    }
  }

  void finish_raw() {
    const ConvProblem& p = plan_.p;
    for (int64_t i = 0; i < count_; ++i) {
      const int32_t* sums = raw_.data() + i * p.out_channels;
      for (int64_t c = 0; c < p.out_channels; c += kBlock) {
        p.requant.apply_biased(plan_.elements, sums + c, c, std::min(kBlock, p.out_channels - c),
                               y_[i] + c * p.y.strides[1], p.y.strides[1]);
      }
    }
  }

  const Plan& plan_;
  int64_t count_ = 0;
  const uint8_t* x_[kPixels];
  const int64_t* offsets_[kPixels];
  uint8_t* y_[kPixels];
  std::vector<int64_t> border_;
  std::vector<int32_t> raw_;
};

/// Offsets and multipliers in packed order. Returns false if a sum can leave s32.
bool prepare_channels(Plan& plan, const PackedDepthwise& packed) {
  const ConvProblem& p = plan.p;
  const int block = packed.block;
  const auto padded =
      static_cast<size_t>((p.out_channels + block - 1) / block * block);
  plan.offset.assign(padded, 0);
  plan.mult.assign(padded, 0.0f);
  const int64_t bound = factor_bound(p.x);
  // Spread reads S8 as U8 + 128.
  const bool flipped = packed.kind == DepthwiseKind::Spread && p.x.dtype == DType::S8;
  const int32_t zero = p.x.zero_point + (flipped ? 128 : 0);
  for (int64_t c = 0; c < p.out_channels; ++c) {
    const auto i = static_cast<size_t>(c);
    const auto at = static_cast<size_t>(
        c / block * block + packed_position(packed.kind, block, static_cast<int>(c % block)));
    const int32_t bias = p.requant.int_bias[i];
    const int64_t most = bound * packed.abs_sum[i] + std::llabs(bias);
    if (most > std::numeric_limits<int32_t>::max()) return false;
    plan.offset[at] = static_cast<int32_t>(
        static_cast<uint32_t>(bias) -
        static_cast<uint32_t>(zero) * static_cast<uint32_t>(packed.sum[i]));
    plan.mult[at] = p.requant.mult[i];
    plan.simple = plan.simple && static_cast<float>(most) * std::abs(plan.mult[at]) < 0x1p30f;
  }
  return true;
}

}  // namespace

bool conv_depthwise(const ConvProblem& p) {
  if (!is_8bit(p.x.dtype) || !is_8bit(p.w.dtype)) return false;
  if (p.group != p.in_channels || p.group != p.out_channels || p.group == 1) return false;
  if (p.x.strides[1] != 1) return false;
  std::unique_ptr<KernelState> fresh;
  std::unique_ptr<KernelState>& state = p.state != nullptr ? *p.state : fresh;
  auto* weights = dynamic_cast<DepthwiseWeights*>(state.get());
  if (weights == nullptr || !weights->fits(p)) {
    auto made = std::make_unique<DepthwiseWeights>();
    made->pack(p);
    weights = made.get();
    state = std::move(made);
  }
  Plan plan{p, *weights->ops, element_ops(p.isa), {}, false, p.kernel_h * p.kernel_w, {}, {}, {},
            {}};
  plan.simple = is_8bit(p.y.dtype) && p.y.strides[1] == 1 && p.requant.bias_mode != kFloatBias;
  if (!prepare_channels(plan, weights->packed)) return false;
  for (int64_t kh = 0; kh < p.kernel_h; ++kh) {
    for (int64_t kw = 0; kw < p.kernel_w; ++kw) {
      plan.inner.push_back(kh * p.dil_h * p.x.strides[2] + kw * p.dil_w * p.x.strides[3]);
    }
  }
  plan.pad.assign(static_cast<size_t>(p.in_channels), static_cast<uint8_t>(p.x.zero_point));
  DepthwiseTile& tile = plan.tile;
  tile.channels = p.out_channels;
  tile.taps = plan.taps;
  tile.x_signed = p.x.dtype == DType::S8;
  tile.weights = weights->packed.data.data();
  tile.offset = plan.offset.data();
  tile.mult = plan.mult.data();
  tile.zero_point = p.requant.zero_point;
  tile.lo = static_cast<int32_t>(p.requant.clamp.lo);
  tile.hi = static_cast<int32_t>(p.requant.clamp.hi);
  tile.y_signed = p.y.dtype == DType::S8;
  const int64_t row_work = p.out_w * p.out_channels * plan.taps;
  const int64_t grain = std::max<int64_t>(1, (1 << 17) / row_work);
  parallel_for(p.parallel, p.batch * p.out_h, grain, [&](int64_t begin, int64_t end) {
    Tiler tiler(plan);
    for (int64_t row = begin; row < end; ++row) tiler.row(row / p.out_h, row % p.out_h);
    tiler.flush();
  });
  return true;
}

}  // namespace pulsar2::kernels
