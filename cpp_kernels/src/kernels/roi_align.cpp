// Opcode 130: regions of an image, each averaged (or its maximum taken) over a grid of bins.

#include <algorithm>
#include <cmath>

#include "element_ops.h"
#include "families.h"

namespace pulsar2::kernels {
namespace {

constexpr const char* kOp = "roi_align";
constexpr int32_t kMostSamples = 128;

enum Kind : int32_t { kAverage = 0, kMaximum = 1 };

struct RoiAlignParams {
  int32_t kind, half_pixel, samples;
  float scale;
};

/// One region in elements of x: where it starts, and the size of a bin.
struct Region {
  int64_t image;
  float top, left;
  float bin_h, bin_w;
};

/// The two elements around a position along one axis, and their weights.
struct Pair {
  int64_t low;
  int64_t high;
  float low_weight;
  float high_weight;
};

/// A position that the caller has found to be within [-1, size].
Pair pair_at(float at, int64_t size) {
  at = std::max(at, 0.0f);
  Pair p;
  p.low = static_cast<int64_t>(at);
  if (p.low >= size - 1) {
    p.high = p.low = size - 1;
    at = static_cast<float>(p.low);
  } else {
    p.high = p.low + 1;
  }
  p.high_weight = at - static_cast<float>(p.low);
  p.low_weight = 1.0f - p.high_weight;
  return p;
}

/// A checked roi_align job.
struct RoiAlignProblem {
  View x;
  View rois;
  View batch;
  View y;
  RoiAlignParams p;
};

Region region_of(const RoiAlignProblem& q, const ElementOps& ops, int64_t roi) {
  float corner[4];
  ops.load(q.rois.data + roi * q.rois.strides[0], q.rois.strides[1], q.rois.dtype, q.rois.scale,
           q.rois.zero_point, corner, 4);
  const float offset = q.p.half_pixel != 0 ? 0.5f : 0.0f;
  for (float& c : corner) c = c * q.p.scale - offset;
  float width = corner[2] - corner[0];
  float height = corner[3] - corner[1];
  if (q.p.half_pixel == 0) {
    width = std::max(width, 1.0f);
    height = std::max(height, 1.0f);
  }
  Region r;
  r.image = load_as<int32_t>(q.batch.data + roi * q.batch.strides[0]);
  r.left = corner[0];
  r.top = corner[1];
  r.bin_w = width / static_cast<float>(q.y.shape[3]);
  r.bin_h = height / static_cast<float>(q.y.shape[2]);
  return r;
}

/// Computes bins of regions.
class RoiAligner {
 public:
  explicit RoiAligner(const RoiAlignProblem& q)
      : q_(q), ops_(element_ops(current_isa())), clamp_(full_clamp(q.y.dtype)) {}

  void run(const Region& region, int64_t roi, int64_t row, int64_t column) {
    const View& y = q_.y;
    uint8_t* out = y.data + roi * y.strides[0] + row * y.strides[2] + column * y.strides[3];
    for (int64_t c = 0; c < y.shape[1]; c += kBlock) {
      const int64_t n = std::min(kBlock, y.shape[1] - c);
      bin(region, row, column, c, n);
      ops_.store(total_, out + c * y.strides[1], y.strides[1], y.dtype, y.scale, y.zero_point,
                 clamp_, n);
    }
  }

 private:
  void bin(const Region& r, int64_t row, int64_t column, int64_t c, int64_t n) {
    const int32_t samples = q_.p.samples;
    const auto count = static_cast<float>(samples);
    std::fill_n(total_, n, 0.0f);
    bool first = true;
    for (int32_t i = 0; i < samples; ++i) {
      const float h = r.top + static_cast<float>(row) * r.bin_h +
                      (static_cast<float>(i) + 0.5f) * r.bin_h / count;
      for (int32_t j = 0; j < samples; ++j) {
        const float w = r.left + static_cast<float>(column) * r.bin_w +
                        (static_cast<float>(j) + 0.5f) * r.bin_w / count;
        sample(r.image, h, w, c, n);
        if (q_.p.kind == kAverage) {
          for (int64_t k = 0; k < n; ++k) total_[k] += value_[k];
        } else {
          for (int64_t k = 0; k < n; ++k) {
            total_[k] = first || value_[k] > total_[k] ? value_[k] : total_[k];
          }
        }
        first = false;
      }
    }
    if (q_.p.kind == kAverage) {
      for (int64_t k = 0; k < n; ++k) total_[k] = total_[k] / (count * count);
    }
  }

  /// The sum, or for a maximum the greatest, of the four neighbours times their weights.
  void sample(int64_t image, float h, float w, int64_t c, int64_t n) {
    const auto height = static_cast<float>(q_.x.shape[2]);
    const auto width = static_cast<float>(q_.x.shape[3]);
    if (!(h >= -1.0f && h <= height && w >= -1.0f && w <= width)) {
      std::fill_n(value_, n, 0.0f);
      return;
    }
    const Pair rows = pair_at(h, q_.x.shape[2]);
    const Pair columns = pair_at(w, q_.x.shape[3]);
    const float weight[4] = {
        rows.low_weight * columns.low_weight, rows.low_weight * columns.high_weight,
        rows.high_weight * columns.low_weight, rows.high_weight * columns.high_weight};
    load(image, rows.low, columns.low, c, n, part_[0]);
    load(image, rows.low, columns.high, c, n, part_[1]);
    load(image, rows.high, columns.low, c, n, part_[2]);
    load(image, rows.high, columns.high, c, n, part_[3]);
    if (q_.p.kind == kAverage) {
      for (int64_t k = 0; k < n; ++k) {
        value_[k] =
            ((weight[0] * part_[0][k] + weight[1] * part_[1][k]) + weight[2] * part_[2][k]) +
            weight[3] * part_[3][k];
      }
      return;
    }
    for (int64_t k = 0; k < n; ++k) {
      const float upper = std::max(weight[0] * part_[0][k], weight[1] * part_[1][k]);
      const float lower = std::max(weight[2] * part_[2][k], weight[3] * part_[3][k]);
      value_[k] = std::max(upper, lower);
    }
  }

  void load(int64_t image, int64_t row, int64_t column, int64_t c, int64_t n, float* v) const {
    const View& x = q_.x;
    ops_.load(x.data + image * x.strides[0] + c * x.strides[1] + row * x.strides[2] +
                  column * x.strides[3],
              x.strides[1], x.dtype, x.scale, x.zero_point, v, n);
  }

  const RoiAlignProblem& q_;
  const ElementOps& ops_;
  const Clamp clamp_;
  alignas(64) float part_[4][kBlock];
  alignas(64) float value_[kBlock];
  alignas(64) float total_[kBlock];
};

RoiAlignProblem check_roi_align(const KernelCall& call) {
  check_counts(call, kOp, 4, 4);
  RoiAlignProblem q;
  static_assert(sizeof q.p == 4 * sizeof(int32_t), "one word per parameter");
  std::memcpy(&q.p, call.params, sizeof q.p);
  q.x = call.operands[0];
  q.rois = call.operands[1];
  q.batch = call.operands[2];
  q.y = call.operands[3];
  check_view(q.x, kOp, "x");
  check_view(q.rois, kOp, "rois");
  check_view(q.batch, kOp, "batch");
  check_view(q.y, kOp, "y");
  check_rank(q.x, kOp, "x", 4);
  check_rank(q.rois, kOp, "rois", 2);
  check_rank(q.batch, kOp, "batch", 1);
  check_rank(q.y, kOp, "y", 4);
  if (q.p.kind != kAverage && q.p.kind != kMaximum) {
    fail("roi_align: no kind has number %d", q.p.kind);
  }
  if (q.p.samples < 1 || q.p.samples > kMostSamples) {
    fail("roi_align: %d samples, expected 1 to %d", q.p.samples, kMostSamples);
  }
  if (q.batch.dtype != DType::S32) {
    fail("roi_align: batch is %s, expected S32", dtype_name(q.batch.dtype));
  }
  const int32_t regions = q.y.shape[0];
  if (q.rois.shape[0] != regions || q.rois.shape[1] != 4 || q.batch.shape[0] != regions) {
    fail("roi_align: rois is [%d, %d] and batch [%d] for %d regions", q.rois.shape[0],
         q.rois.shape[1], q.batch.shape[0], regions);
  }
  if (q.x.shape[1] != q.y.shape[1]) {
    fail("roi_align: x has %d channels, y %d", q.x.shape[1], q.y.shape[1]);
  }
  for (int64_t i = 0; i < regions; ++i) {
    const auto image = load_as<int32_t>(q.batch.data + i * q.batch.strides[0]);
    if (image < 0 || image >= q.x.shape[0]) {
      fail("roi_align: region %lld is of image %d, x has %d", static_cast<long long>(i), image,
           q.x.shape[0]);
    }
  }
  return q;
}

}  // namespace

void run_roi_align(const KernelCall& call) {
  const RoiAlignProblem problem = check_roi_align(call);
  const ElementOps& ops = element_ops(current_isa());
  const int64_t columns = problem.y.shape[3];
  const int64_t bins = problem.y.shape[2] * columns;
  parallel_for(call.parallel, problem.y.shape[0], 1, [&](int64_t begin, int64_t end) {
    RoiAligner aligner(problem);
    for (int64_t roi = begin; roi < end; ++roi) {
      const Region region = region_of(problem, ops, roi);
      for (int64_t i = 0; i < bins; ++i) aligner.run(region, roi, i / columns, i % columns);
    }
  });
}

}  // namespace pulsar2::kernels
