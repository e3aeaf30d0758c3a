// Opcode 129: elements of an image at places that another tensor gives.

#include <algorithm>
#include <cmath>

#include "element_ops.h"
#include "families.h"

namespace pulsar2::kernels {
namespace {

constexpr const char* kOp = "grid_sample";

enum Kind : int32_t { kNearest = 0, kLinear = 1 };
enum Padding : int32_t { kZeros = 0, kBorder = 1, kReflection = 2 };

struct GridSampleParams {
  int32_t kind, padding, align_corners;
};

/// What one output reads along one axis: low_weight * [low] + high_weight * [high]. -1 is padding.
struct Sample {
  int64_t low;
  int64_t high;
  float low_weight;
  float high_weight;
};

/// A position outside [least, greatest] mirrored at the ends until it is inside.
double reflected(double at, double least, double greatest) {
  const double range = greatest - least;
  const bool below = at < least;
  if (!below && !(at > greatest)) return at;
  if (!(range > 0.0)) return least;
  const double distance = below ? least - at : at - greatest;
  const double turns = std::floor(distance / range);
  const double rest = distance - turns * range;
  const bool even = std::fmod(turns, 2.0) == 0.0;
  return below == even ? least + rest : greatest - rest;
}

/// The element at an index, or -1 where there is padding.
int64_t element(double index, int64_t size, const GridSampleParams& p) {
  const double last = static_cast<double>(size - 1);
  if (p.padding == kReflection) {
    const double edge = p.align_corners != 0 ? 0.0 : 0.5;
    index = std::trunc(reflected(index, -edge, last + edge));
  }
  if (p.padding == kZeros && !(index >= 0.0 && index <= last)) return -1;
  // Written so that a NaN becomes 0.
  return static_cast<int64_t>(index > 0.0 ? std::min(index, last) : 0.0);
}

/// The sample at the coordinate `n`, where -1 and 1 are the ends of an axis of `size` elements.
Sample sample_at(float n, int64_t size, const GridSampleParams& p) {
  const auto length = static_cast<float>(size);
  float at = p.align_corners != 0 ? (n + 1.0f) / 2.0f * (length - 1.0f)
                                  : ((n + 1.0f) * length - 1.0f) / 2.0f;
  if (p.kind == kNearest) at = std::nearbyint(at);
  const float edge = p.align_corners != 0 ? 0.0f : 0.5f;
  if (at < -edge || at > length - 1.0f + edge) {
    if (p.padding == kBorder) {
      at = std::min(std::max(at, 0.0f), length - 1.0f);
    } else if (p.padding == kReflection) {
      at = static_cast<float>(reflected(static_cast<double>(at), -static_cast<double>(edge),
                                        static_cast<double>(length - 1.0f + edge)));
    }
  }
  Sample s;
  if (p.kind == kNearest) {
    s.low = s.high = element(static_cast<double>(std::trunc(at)), size, p);
    s.low_weight = 1.0f;
    s.high_weight = 0.0f;
    return s;
  }
  const float low = std::floor(at);
  s.low = element(static_cast<double>(low), size, p);
  s.high = element(static_cast<double>(low) + 1.0, size, p);
  s.high_weight = at - low;
  s.low_weight = 1.0f - s.high_weight;
  return s;
}

/// A checked grid_sample job.
struct GridSampleProblem {
  View x;
  View grid;
  View y;
  GridSampleParams p;
};

/// Computes lines of outputs.
class GridSampler {
 public:
  explicit GridSampler(const GridSampleProblem& q)
      : q_(q), ops_(element_ops(current_isa())), clamp_(full_clamp(q.y.dtype)) {}

  void run(int64_t image, int64_t row) {
    const View& y = q_.y;
    for (int64_t column = 0; column < y.shape[3]; ++column) {
      const Sample w = sample_at(coordinate(image, row, column, 0), q_.x.shape[3], q_.p);
      const Sample h = sample_at(coordinate(image, row, column, 1), q_.x.shape[2], q_.p);
      uint8_t* out = y.data + image * y.strides[0] + row * y.strides[2] + column * y.strides[3];
      for (int64_t c = 0; c < y.shape[1]; c += kBlock) {
        const int64_t n = std::min(kBlock, y.shape[1] - c);
        const float* v =
            q_.p.kind == kNearest ? nearest(image, h, w, c, n) : linear(image, h, w, c, n);
        ops_.store(v, out + c * y.strides[1], y.strides[1], y.dtype, y.scale, y.zero_point, clamp_,
                   n);
      }
    }
  }

 private:
  float coordinate(int64_t image, int64_t row, int64_t column, int64_t which) const {
    const View& g = q_.grid;
    float value;
    ops_.load(g.data + image * g.strides[0] + row * g.strides[1] + column * g.strides[2] +
                  which * g.strides[3],
              0, g.dtype, g.scale, g.zero_point, &value, 1);
    return value;
  }

  void load(int64_t image, int64_t row, int64_t column, int64_t c, int64_t n, float* v) const {
    const View& x = q_.x;
    if (row < 0 || column < 0) {
      std::fill_n(v, n, 0.0f);
      return;
    }
    ops_.load(x.data + image * x.strides[0] + c * x.strides[1] + row * x.strides[2] +
                  column * x.strides[3],
              x.strides[1], x.dtype, x.scale, x.zero_point, v, n);
  }

  const float* nearest(int64_t image, const Sample& h, const Sample& w, int64_t c, int64_t n) {
    load(image, h.low, w.low, c, n, a_);
    return a_;
  }

  const float* linear(int64_t image, const Sample& h, const Sample& w, int64_t c, int64_t n) {
    blend_row(image, h.low, w, c, n, upper_);
    blend_row(image, h.high, w, c, n, lower_);
    for (int64_t i = 0; i < n; ++i) {
      a_[i] = h.low_weight * upper_[i] + h.high_weight * lower_[i];
    }
    return a_;
  }

  void blend_row(int64_t image, int64_t row, const Sample& w, int64_t c, int64_t n, float* v) {
    if (row < 0) {
      std::fill_n(v, n, 0.0f);
      return;
    }
    load(image, row, w.low, c, n, a_);
    load(image, row, w.high, c, n, b_);
    for (int64_t i = 0; i < n; ++i) v[i] = w.low_weight * a_[i] + w.high_weight * b_[i];
  }

  const GridSampleProblem& q_;
  const ElementOps& ops_;
  const Clamp clamp_;
  alignas(64) float a_[kBlock];
  alignas(64) float b_[kBlock];
  alignas(64) float upper_[kBlock];
  alignas(64) float lower_[kBlock];
};

GridSampleProblem check_grid_sample(const KernelCall& call) {
  check_counts(call, kOp, 3, 3);
  GridSampleProblem q;
  static_assert(sizeof q.p == 3 * sizeof(int32_t), "one word per parameter");
  std::memcpy(&q.p, call.params, sizeof q.p);
  q.x = call.operands[0];
  q.grid = call.operands[1];
  q.y = call.operands[2];
  const View* views[] = {&q.x, &q.grid, &q.y};
  const char* names[] = {"x", "grid", "y"};
  for (int i = 0; i < 3; ++i) {
    check_view(*views[i], kOp, names[i]);
    check_rank(*views[i], kOp, names[i], 4);
  }
  if (q.p.kind != kNearest && q.p.kind != kLinear) {
    fail("grid_sample: no kind has number %d", q.p.kind);
  }
  if (q.p.padding < kZeros || q.p.padding > kReflection) {
    fail("grid_sample: no padding has number %d", q.p.padding);
  }
  const int32_t expected[] = {q.y.shape[0], q.y.shape[2], q.y.shape[3], 2};
  for (int d = 0; d < 4; ++d) {
    if (q.grid.shape[d] != expected[d]) {
      fail("grid_sample: dimension %d of grid is %d, expected %d", d, q.grid.shape[d], expected[d]);
    }
  }
  if (q.x.shape[0] != q.y.shape[0] || q.x.shape[1] != q.y.shape[1]) {
    fail("grid_sample: x is [%d, %d, ..], y is [%d, %d, ..]", q.x.shape[0], q.x.shape[1],
         q.y.shape[0], q.y.shape[1]);
  }
  return q;
}

}  // namespace

void run_grid_sample(const KernelCall& call) {
  const GridSampleProblem problem = check_grid_sample(call);
  const int64_t rows = problem.y.shape[2];
  const int64_t row_work = int64_t{problem.y.shape[1]} * problem.y.shape[3];
  const int64_t grain = std::max<int64_t>(1, (1 << 13) / row_work);
  parallel_for(call.parallel, problem.y.shape[0] * rows, grain, [&](int64_t begin, int64_t end) {
    GridSampler sampler(problem);
    for (int64_t i = begin; i < end; ++i) sampler.run(i / rows, i % rows);
  });
}

}  // namespace pulsar2::kernels
