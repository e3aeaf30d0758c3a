// Depthwise convolution of 8-bit factors, vectorized over channels.

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "conv.h"
#include "depthwise.h"
#include "gemm_driver.h"

namespace pulsar2::kernels {
namespace {

struct DepthwiseWeights : KernelState {
  Snapshot snapshot;
  std::vector<int32_t> zero;
  Isa isa = Isa::Portable;  ///< the path that was asked for; the weights may allow another
  PackedDepthwise packed;

  bool fits(const ConvProblem& p) const {
    return isa == p.isa && zero == p.w_zero && snapshot.matches(p.w, p.constant_weights);
  }

  void pack(const ConvProblem& p) {
    snapshot.take(p.w, p.constant_weights);
    zero = p.w_zero;
    isa = p.isa;
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
    packed = pack_depthwise(source, depthwise_ops(isa));
    if (!packed.exact) packed = pack_depthwise(source, depthwise_ops(Isa::Avx2));
  }
};

/// What all lines of one job share.
struct Plan {
  const ConvProblem& p;
  const DepthwiseOps& ops;
  const ElementOps& elements;
  DepthwiseLine line;  ///< without its place
  bool simple;
  std::vector<int32_t> offset;
  std::vector<float> mult;
  std::vector<uint8_t> pad;  ///< zero points for all channels
};

/// Runs lines on one thread.
class LineRunner {
 public:
  explicit LineRunner(const Plan& plan) : plan_(plan), rows_(static_cast<size_t>(plan.p.kernel_h)) {
    if (!plan.simple) raw_.resize(static_cast<size_t>(plan.p.out_w * plan.p.out_channels));
  }

  void run(int64_t image, int64_t oh) {
    const ConvProblem& p = plan_.p;
    for (int64_t kh = 0; kh < p.kernel_h; ++kh) {
      const int64_t ih = oh * p.stride_h - p.pad_top + kh * p.dil_h;
      rows_[static_cast<size_t>(kh)] =
          ih < 0 || ih >= p.in_h ? nullptr
                                 : p.x.data + image * p.x.strides[0] + ih * p.x.strides[2];
    }
    DepthwiseLine line = plan_.line;
    line.rows = rows_.data();
    line.y = p.y.data + image * p.y.strides[0] + oh * p.y.strides[2];
    line.raw = plan_.simple ? nullptr : raw_.data();
    line.scratch = scratch_;
    plan_.ops.line(line);
    if (!plan_.simple) finish_raw(line.y);
  }

 private:
  void finish_raw(uint8_t* y) {
    const ConvProblem& p = plan_.p;
    for (int64_t i = 0; i < p.out_w; ++i) {
      const int32_t* sums = raw_.data() + i * p.out_channels;
      for (int64_t c = 0; c < p.out_channels; c += kBlock) {
        p.requant.apply_biased(plan_.elements, sums + c, c, std::min(kBlock, p.out_channels - c),
                               y + i * p.y.strides[3] + c * p.y.strides[1], p.y.strides[1], {});
      }
    }
  }

  const Plan& plan_;
  std::vector<const uint8_t*> rows_;
  std::vector<int32_t> raw_;
  alignas(64) uint8_t scratch_[kDepthwiseScratch];
};

/// Offsets and multipliers in packed order. Returns false if a sum can leave s32.
bool prepare_channels(Plan& plan, const PackedDepthwise& packed) {
  const ConvProblem& p = plan.p;
  const DepthwiseOps& ops = *packed.ops;
  const int64_t blocks = (p.out_channels + ops.block - 1) / ops.block;
  plan.offset.assign(static_cast<size_t>(blocks * ops.block), 0);
  plan.mult.assign(static_cast<size_t>(blocks * ops.block), 0.0f);
  const int64_t bound = factor_bound(p.x);
  // The vector kinds read S8 as U8 + 128.
  const bool flipped = ops.kind != DepthwiseKind::Plain && p.x.dtype == DType::S8;
  const int32_t zero = p.x.zero_point + (flipped ? 128 : 0);
  for (int64_t b = 0; b < blocks; ++b) {
    const int64_t first = first_channel(ops, p.out_channels, b);
    const int64_t n = std::min<int64_t>(ops.block, p.out_channels - first);
    for (int64_t c = 0; c < n; ++c) {
      const auto i = static_cast<size_t>(first + c);
      const auto at = static_cast<size_t>(
          b * ops.block + packed_position(ops.kind, ops.block, static_cast<int>(c)));
      const int32_t bias = p.requant.int_bias[i];
      const int64_t most = bound * packed.abs_sum[i] + std::llabs(bias);
      if (most > std::numeric_limits<int32_t>::max()) return false;
      plan.offset[at] =
          static_cast<int32_t>(static_cast<uint32_t>(bias) -
                               static_cast<uint32_t>(zero) * static_cast<uint32_t>(packed.sum[i]));
      plan.mult[at] = p.requant.mult[i];
      // The line converts the product to s32 unclamped.
      plan.simple = plan.simple && static_cast<float>(most) * std::abs(plan.mult[at]) < 0x1p30f;
    }
  }
  return true;
}

}  // namespace

bool conv_depthwise(const ConvProblem& p) {
  if (!is_8bit(p.x.dtype) || !is_8bit(p.w.dtype)) return false;
  if (p.group != p.in_channels || p.group != p.out_channels || p.group == 1) return false;
  if (p.x.strides[1] != 1) return false;
  if (p.requant.raw || p.sums.data != nullptr) return false;
  const int64_t reach = (p.kernel_w - 1) * p.dil_w + 1;
  if (reach * ((p.kernel_h + 1) / 2) > kDepthwiseColumns) return false;
  std::unique_ptr<KernelState> fresh;
  std::unique_ptr<KernelState>& state = p.state != nullptr ? *p.state : fresh;
  auto* weights = dynamic_cast<DepthwiseWeights*>(state.get());
  if (weights == nullptr || !weights->fits(p)) {
    auto made = std::make_unique<DepthwiseWeights>();
    made->pack(p);
    weights = made.get();
    state = std::move(made);
  }
  Plan plan{p, *weights->packed.ops, element_ops(p.isa), {}, false, {}, {}, {}};
  plan.simple = is_8bit(p.y.dtype) && p.y.strides[1] == 1 && p.requant.bias_mode != kFloatBias;
  if (!prepare_channels(plan, weights->packed)) return false;
  plan.pad.assign(static_cast<size_t>(p.in_channels), static_cast<uint8_t>(p.x.zero_point));
  DepthwiseLine& line = plan.line;
  line.pixels = p.out_w;
  line.channels = p.out_channels;
  line.kernel_h = p.kernel_h;
  line.kernel_w = p.kernel_w;
  line.stride = p.stride_w;
  line.dilation = p.dil_w;
  line.first_column = -p.pad_left;
  line.in_w = p.in_w;
  line.x_step = p.x.strides[3];
  line.pad = plan.pad.data();
  line.x_signed = p.x.dtype == DType::S8;
  line.weights = weights->packed.data.data();
  line.offset = plan.offset.data();
  line.y_step = p.y.strides[3];
  line.mult = plan.mult.data();
  line.zero_point = p.requant.zero_point;
  line.lo = static_cast<int32_t>(p.requant.clamp.lo);
  line.hi = static_cast<int32_t>(p.requant.clamp.hi);
  line.y_signed = p.y.dtype == DType::S8;
  const int64_t row_work = p.out_w * p.out_channels * p.kernel_h * p.kernel_w;
  const int64_t grain = std::max<int64_t>(1, (1 << 17) / row_work);
  parallel_for(p.parallel, p.batch * p.out_h, grain, [&](int64_t begin, int64_t end) {
    LineRunner runner(plan);
    for (int64_t row = begin; row < end; ++row) runner.run(row / p.out_h, row % p.out_h);
  });
  return true;
}

}  // namespace pulsar2::kernels
