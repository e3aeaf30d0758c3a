// Opcode 128: resizing of images, nearest or linear.

#include <algorithm>
#include <cmath>
#include <vector>

#include "element_ops.h"
#include "families.h"

namespace pulsar2::kernels {
namespace {

constexpr const char* kOp = "resize";

enum Kind : int32_t { kNearest = 0, kLinear = 1 };

enum Coordinates : int32_t {
  kAsymmetric = 0,
  kHalfPixel = 1,
  kPytorchHalfPixel = 2,
  kAlignCorners = 3,
  kHalfPixelSymmetric = 4,
};

enum Rounding : int32_t {
  kFloor = 0,
  kCeil = 1,
  kRoundPreferFloor = 2,
  kRoundPreferCeil = 3,
};

struct ResizeParams {
  int32_t kind, coordinates, rounding, in_h, in_w, out_h, out_w;
  float scale_h, scale_w;
  int32_t in_row, in_column, out_row, out_column;
};

/// How one axis of the whole tensors is resized, and where the operands begin on it.
struct Axis {
  int64_t in, out;  ///< sizes of the whole tensors
  double scale;
  int64_t first_in, first_out;
};

/// What one output position reads along one axis: (1 - ratio) * [low] + ratio * [high].
struct Sample {
  int64_t low;
  int64_t high;
  double ratio;
};

/// Where output position i lies among the input's positions.
double source_position(const Axis& axis, int32_t coordinates, int64_t i) {
  const auto in = static_cast<double>(axis.in);
  const double out = axis.scale * in;
  const auto at = static_cast<double>(i);
  switch (coordinates) {
    case kAsymmetric:
      return at / axis.scale;
    case kAlignCorners:
      return out == 1.0 ? 0.0 : at * (in - 1.0) / (out - 1.0);
    case kPytorchHalfPixel:
      if (out == 1.0) return -0.5;
      break;
    case kHalfPixelSymmetric: {
      const double offset = in / 2.0 * (1.0 - static_cast<double>(axis.out) / out);
      return offset + (at + 0.5) / axis.scale - 0.5;
    }
    default:
      break;
  }
  return (at + 0.5) / axis.scale - 0.5;
}

double rounded(double position, int32_t rounding) {
  const double low = std::floor(position);
  switch (rounding) {
    case kFloor:
      return low;
    case kCeil:
      return std::ceil(position);
    case kRoundPreferFloor:
      return position - low > 0.5 ? low + 1.0 : low;
    default:
      return position - low >= 0.5 ? low + 1.0 : low;
  }
}

/// The nearest position of the whole input, as a position of the operand, which must have it.
int64_t inside(const Axis& axis, double position, int64_t size, const char* what) {
  // Written so that a NaN becomes 0.
  const double last = static_cast<double>(axis.in - 1);
  const auto whole = static_cast<int64_t>(position > 0.0 ? std::min(position, last) : 0.0);
  const int64_t index = whole - axis.first_in;
  if (index < 0 || index >= size) {
    fail("resize: %s %lld of the input is needed, x has %lld to %lld", what,
         static_cast<long long>(whole), static_cast<long long>(axis.first_in),
         static_cast<long long>(axis.first_in + size - 1));
  }
  return index;
}

/// The samples of all output positions of the operand along one axis.
std::vector<Sample> samples_of(const Axis& axis, const ResizeParams& p, int64_t in_size,
                               int64_t out_size, const char* what) {
  std::vector<Sample> samples(static_cast<size_t>(out_size));
  for (int64_t i = 0; i < out_size; ++i) {
    const double position = source_position(axis, p.coordinates, axis.first_out + i);
    Sample& s = samples[static_cast<size_t>(i)];
    if (p.kind == kNearest) {
      s.low = s.high = inside(axis, rounded(position, p.rounding), in_size, what);
      s.ratio = 0.0;
      continue;
    }
    const double low = std::floor(position);
    s.low = inside(axis, low, in_size, what);
    s.ratio = position - low;
    s.high = s.ratio > 0.0 ? inside(axis, low + 1.0, in_size, what) : s.low;
    // Both are the same beyond an edge.
    if (!(s.ratio > 0.0) || s.high == s.low) s.ratio = 0.0;
  }
  return samples;
}

Axis axis_of(int32_t in, int32_t out, float scale, int32_t first_in, int32_t first_out) {
  if (in <= 0 || out <= 0) fail("resize: from %d to %d elements", in, out);
  if (!(scale >= 0.0f) || !std::isfinite(scale)) {
    fail("resize: scale %g", static_cast<double>(scale));
  }
  Axis axis;
  axis.in = in;
  axis.out = out;
  // A scale of 0 stands for the quotient of the sizes.
  axis.scale = scale == 0.0f ? static_cast<double>(out) / static_cast<double>(in)
                             : static_cast<double>(scale);
  axis.first_in = first_in;
  axis.first_out = first_out;
  return axis;
}

/// A checked resize job.
struct ResizeProblem {
  View x;
  View y;
  std::vector<Sample> rows;
  std::vector<Sample> columns;
};

/// One output row of the nearest elements: pixel by pixel, or the row above once more.
void nearest_row(const ResizeProblem& q, int64_t image, int64_t row, bool repeat) {
  const View& y = q.y;
  const int64_t size = dtype_size(y.dtype);
  const int64_t channels = y.shape[1];
  const int64_t width = y.shape[3];
  uint8_t* out = y.data + image * y.strides[0] + row * y.strides[2];
  const bool packed = channels == 1 || (y.strides[1] == size && q.x.strides[1] == size);
  if (repeat && packed && (width == 1 || y.strides[3] == channels * size)) {
    std::memcpy(out, out - y.strides[2], static_cast<size_t>(width * channels * size));
    return;
  }
  const uint8_t* in =
      q.x.data + image * q.x.strides[0] + q.rows[static_cast<size_t>(row)].low * q.x.strides[2];
  for (int64_t column = 0; column < width; ++column) {
    const uint8_t* from = in + q.columns[static_cast<size_t>(column)].low * q.x.strides[3];
    uint8_t* to = out + column * y.strides[3];
    if (packed) {
      std::memcpy(to, from, static_cast<size_t>(channels * size));
      continue;
    }
    for (int64_t c = 0; c < channels; ++c) {
      std::memcpy(to + c * y.strides[1], from + c * q.x.strides[1], static_cast<size_t>(size));
    }
  }
}

/// Linear interpolation of one image, row by row: first between two input rows, then within.
class LinearRows {
 public:
  explicit LinearRows(const ResizeProblem& q)
      : q_(q),
        ops_(element_ops(current_isa())),
        channels_(q.x.shape[1]),
        line_(static_cast<size_t>(q.x.shape[3]) * static_cast<size_t>(channels_)),
        clamp_(full_clamp(q.y.dtype)) {
    for (Line& line : lines_) line.values.resize(line_.size());
    left_.reserve(q.columns.size());
    for (const Sample& s : q.columns) {
      left_.push_back(static_cast<int32_t>(s.low));
      right_.push_back(static_cast<int32_t>(s.high));
      ratio_.push_back(s.ratio);
    }
  }

  void run(int64_t image, int64_t row) {
    const Sample& s = q_.rows[static_cast<size_t>(row)];
    const auto n = static_cast<int64_t>(line_.size());
    const float* low = input_row(image, s.low);
    const float* high = s.ratio > 0.0 ? input_row(image, s.high) : low;
    ops_.blend(low, high, s.ratio, line_.data(), n);
    uint8_t* out = q_.y.data + image * q_.y.strides[0] + row * q_.y.strides[2];
    const int64_t width = q_.y.shape[3];
    // As many pixels at a time as fit the buffer, or a part of one.
    const int64_t pixels = std::max<int64_t>(1, kBlock / channels_);
    const bool runs =
        q_.y.strides[1] == dtype_size(q_.y.dtype) && q_.y.strides[3] == channels_ * q_.y.strides[1];
    alignas(64) float v[kBlock];
    for (int64_t column = 0; column < width; column += pixels) {
      const int64_t count = std::min(pixels, width - column);
      for (int64_t c = 0; c < channels_; c += kBlock) {
        const int64_t part = std::min(kBlock, channels_ - c);
        ops_.blend_columns(line_.data() + c, left_.data() + column, right_.data() + column,
                           ratio_.data() + column, count, channels_, part, v);
        uint8_t* to = out + column * q_.y.strides[3] + c * q_.y.strides[1];
        if (runs) {
          store(v, to, count * part);
          continue;
        }
        for (int64_t i = 0; i < count; ++i) store(v + i * part, to + i * q_.y.strides[3], part);
      }
    }
  }

 private:
  /// A row of x as f32, and which one it is.
  struct Line {
    int64_t image = -1;
    int64_t row = -1;
    std::vector<float> values;
  };

  void store(const float* v, uint8_t* to, int64_t n) const {
    ops_.store(v, to, q_.y.strides[1], q_.y.dtype, q_.y.scale, q_.y.zero_point, clamp_, n);
  }

  /// The input row as f32 [W][C]; the last two that were asked for are kept.
  const float* input_row(int64_t image, int64_t row) {
    Line& line = lines_[row & 1];
    if (line.image == image && line.row == row) return line.values.data();
    line.image = image;
    line.row = row;
    const View& x = q_.x;
    const uint8_t* in = x.data + image * x.strides[0] + row * x.strides[2];
    float* values = line.values.data();
    if (x.strides[1] == dtype_size(x.dtype) && x.strides[3] == channels_ * x.strides[1]) {
      const auto n = static_cast<int64_t>(line.values.size());
      for (int64_t i = 0; i < n; i += kBlock) {
        load(in + i * x.strides[1], values + i, std::min(kBlock, n - i));
      }
      return values;
    }
    for (int64_t column = 0; column < x.shape[3]; ++column) {
      for (int64_t c = 0; c < channels_; c += kBlock) {
        load(in + column * x.strides[3] + c * x.strides[1], values + column * channels_ + c,
             std::min(kBlock, channels_ - c));
      }
    }
    return values;
  }

  void load(const uint8_t* from, float* to, int64_t n) const {
    ops_.load(from, q_.x.strides[1], q_.x.dtype, q_.x.scale, q_.x.zero_point, to, n);
  }

  const ResizeProblem& q_;
  const ElementOps& ops_;
  const int64_t channels_;
  std::vector<double> line_;  ///< a row between two rows of x, [W][C]
  const Clamp clamp_;
  Line lines_[2];  ///< even and odd rows: neighbours never push each other out
  std::vector<int32_t> left_, right_;
  std::vector<double> ratio_;
};

ResizeProblem check_resize(const KernelCall& call, ResizeParams* p) {
  check_counts(call, kOp, 2, 13);
  static_assert(sizeof *p == 13 * sizeof(int32_t), "one word per parameter");
  std::memcpy(p, call.params, sizeof *p);
  ResizeProblem q;
  q.x = call.operands[0];
  q.y = call.operands[1];
  check_view(q.x, kOp, "x");
  check_view(q.y, kOp, "y");
  check_rank(q.x, kOp, "x", 4);
  check_rank(q.y, kOp, "y", 4);
  if (p->kind != kNearest && p->kind != kLinear) fail("resize: no kind has number %d", p->kind);
  if (p->coordinates < 0 || p->coordinates > kHalfPixelSymmetric) {
    fail("resize: no coordinates have number %d", p->coordinates);
  }
  if (p->rounding < 0 || p->rounding > kRoundPreferCeil) {
    fail("resize: no rounding has number %d", p->rounding);
  }
  if (q.x.shape[0] != q.y.shape[0] || q.x.shape[1] != q.y.shape[1]) {
    fail("resize: x is [%d, %d, ..], y is [%d, %d, ..]", q.x.shape[0], q.x.shape[1], q.y.shape[0],
         q.y.shape[1]);
  }
  if (p->kind == kNearest && q.x.dtype != q.y.dtype) {
    fail("resize: nearest elements keep their type, x is %s and y %s", dtype_name(q.x.dtype),
         dtype_name(q.y.dtype));
  }
  const Axis rows = axis_of(p->in_h, p->out_h, p->scale_h, p->in_row, p->out_row);
  const Axis columns = axis_of(p->in_w, p->out_w, p->scale_w, p->in_column, p->out_column);
  q.rows = samples_of(rows, *p, q.x.shape[2], q.y.shape[2], "row");
  q.columns = samples_of(columns, *p, q.x.shape[3], q.y.shape[3], "column");
  return q;
}

}  // namespace

void run_resize(const KernelCall& call) {
  ResizeParams p;
  const ResizeProblem problem = check_resize(call, &p);
  const int64_t rows = problem.y.shape[2];
  const int64_t row_work = int64_t{problem.y.shape[1]} * problem.y.shape[3];
  const int64_t grain = std::max<int64_t>(1, (1 << 15) / row_work);
  const int64_t lines = problem.y.shape[0] * rows;
  if (p.kind == kNearest) {
    parallel_for(call.parallel, lines, grain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const auto row = static_cast<size_t>(i % rows);
        const bool repeat =
            i > begin && row > 0 && problem.rows[row].low == problem.rows[row - 1].low;
        nearest_row(problem, i / rows, i % rows, repeat);
      }
    });
    return;
  }
  parallel_for(call.parallel, lines, grain, [&](int64_t begin, int64_t end) {
    LinearRows linear(problem);
    for (int64_t i = begin; i < end; ++i) linear.run(i / rows, i % rows);
  });
}

}  // namespace pulsar2::kernels
