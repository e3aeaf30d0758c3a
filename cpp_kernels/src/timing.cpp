#include "pulsar2/timing.h"

#include <algorithm>
#include <cmath>

namespace pulsar2 {
namespace {

/// Rounded up. Work that no machine will ever do, of programs made to harm, stays below 2^50.
int64_t ceil_cycles(double cycles) {
  return static_cast<int64_t>(std::ceil(std::min(std::max(cycles, 0.0), 0x1p50)));
}

double ceil_div(double n, double d) { return std::ceil(n / d); }

int64_t elements(const Operand& v) {
  int64_t n = 1;
  for (int d = 0; d < v.ndim; ++d) n *= v.shape[d];
  return n;
}

/// Bytes of the different elements: repeated ones count once.
int64_t distinct_bytes(const Operand& v) {
  int64_t n = 1;
  for (int d = 0; d < v.ndim; ++d) n *= v.strides[d] == 0 ? 1 : v.shape[d];
  return (n * dtype_bits(v.dtype) + 7) / 8;
}

double element_bytes(const Operand& v) { return dtype_bits(v.dtype) / 8.0; }

/// Work of the multiplier array: `sums` output elements per output channel and group, each a sum
/// over `taps` x `channels_in`. Whole numbers, as f64 because their products may be large.
struct Contraction {
  double groups;
  double sums;
  double taps;
  double channels_in;
  double channels_out;

  double macs() const { return groups * sums * taps * channels_in * channels_out; }
};

double array_steps(const Contraction& c, const TargetTiming& t) {
  const double taps_at_once = std::max(1.0, std::floor(t.conv_lanes_in / c.channels_in));
  const double dense = c.groups * c.sums * ceil_div(c.taps, taps_at_once) *
                       ceil_div(c.channels_in, t.conv_lanes_in) *
                       ceil_div(c.channels_out, t.conv_lanes_out);
  if (c.groups == 1) return dense;
  // Groups side by side: output lanes hold channels of several groups, each multiplying on its own.
  const double filled = ceil_div(c.groups * c.channels_out, t.conv_lanes_out) * t.conv_lanes_out;
  return std::min(dense, c.sums * c.taps * c.channels_in * filled / t.conv_depthwise_lanes);
}

/// How much faster than 8 by 8 bits the array works on these operands.
double array_factor(const Operand& x, const Operand& w, const TargetTiming& t) {
  double factor = 1.0;
  for (int bits = 16; bits <= dtype_bits(x.dtype); bits *= 2) factor *= t.conv_16bit_factor;
  for (int bits = 16; bits <= dtype_bits(w.dtype); bits *= 2) factor *= t.conv_16bit_factor;
  return dtype_bits(w.dtype) == 4 ? factor * t.conv_4bit_factor : factor;
}

Contraction contraction_of(const Job& job, const Operand* v, const int32_t* params) {
  const Operand& w = v[1];
  const Operand& y = v[2];
  const bool is_conv = job.opcode == static_cast<uint16_t>(Opcode::Conv) ||
                       job.opcode == static_cast<uint16_t>(Opcode::ConvSums);
  if (is_conv && w.ndim == 4 && y.ndim == 4) {
    const double groups = std::max(1, params[6]);
    return {groups, static_cast<double>(y.shape[0]) * y.shape[2] * y.shape[3],
            static_cast<double>(w.shape[2]) * w.shape[3], static_cast<double>(w.shape[1]),
            std::max(1.0, std::floor(y.shape[1] / groups))};
  }
  const double k = v[0].ndim > 0 ? v[0].shape[v[0].ndim - 1] : 1;
  const double n = y.ndim > 0 ? y.shape[y.ndim - 1] : 1;
  return {1, static_cast<double>(elements(y)) / n, 1, k, n};
}

bool is_function(const Job& job, const int32_t* params) {
  switch (static_cast<Opcode>(job.opcode)) {
    case Opcode::Eltwise:
      return params[0] == 3 || params[0] == 6;  // div, pow
    case Opcode::Unary: {
      // identity, relu, clip, leaky_relu, abs, neg, floor, ceil, round and not are simple.
      static constexpr int32_t kSimple[] = {0, 1, 2, 12, 17, 18, 19, 20, 21, 26};
      return std::find(std::begin(kSimple), std::end(kSimple), params[0]) == std::end(kSimple);
    }
    default:
      return false;
  }
}

double teng_cycles(const Job& job, const Operand* v, const int32_t* params, const TargetTiming& t) {
  const Operand& y = v[job.output];
  const auto count = static_cast<double>(elements(y));
  double widest = element_bytes(y);
  for (uint32_t i = 0; i < job.num_operands; ++i) widest = std::max(widest, element_bytes(v[i]));
  switch (static_cast<Opcode>(job.opcode)) {
    case Opcode::Lut:
      return count * element_bytes(y) / t.teng_table_lanes;
    case Opcode::Pool:
      return count * params[1] * params[2] * widest / t.teng_lanes;
    case Opcode::Reduce: {
      const auto terms = static_cast<double>(elements(v[0]));
      const double passes = terms * widest / t.teng_lanes;
      // log_sum_exp looks for the greatest first.
      return params[0] == 7 ? 2.0 * passes + terms / t.teng_f32_lanes : passes;
    }
    case Opcode::Softmax:
    case Opcode::LogSoftmax:
      // The greatest, then exp and sum, then the scaling.
      return count * (1.0 / t.teng_f32_lanes + 2.0 * widest / t.teng_lanes);
    case Opcode::Norm: {
      // The sums over x, then the scaling in f32.
      const double wide = std::max(element_bytes(v[0]), element_bytes(y));
      return count * (wide + 4.0) / t.teng_lanes;
    }
    case Opcode::Resize:
      // Linear: four elements make one.
      return count * (params[0] == 1 ? 4.0 : 1.0) * widest / t.teng_lanes;
    case Opcode::GridSample: {
      // A few f32 operations for each place, and four elements for each result if linear.
      const double places = static_cast<double>(elements(v[1]));
      return 4.0 * places / t.teng_f32_lanes +
             count * (params[0] == 1 ? 4.0 : 1.0) * widest / t.teng_lanes;
    }
    case Opcode::RoiAlign:
      // Four elements for each sample.
      return count * 4.0 * params[2] * params[2] * widest / t.teng_lanes;
    default:
      return is_function(job, params) ? count / t.teng_f32_lanes : count * widest / t.teng_lanes;
  }
}

}  // namespace

const std::vector<std::pair<const char*, double TargetTiming::*>>& timing_fields() {
  static const std::vector<std::pair<const char*, double TargetTiming::*>> fields = {
      {"clock_mhz", &TargetTiming::clock_mhz},
      {"conv_lanes_in", &TargetTiming::conv_lanes_in},
      {"conv_lanes_out", &TargetTiming::conv_lanes_out},
      {"conv_depthwise_lanes", &TargetTiming::conv_depthwise_lanes},
      {"conv_16bit_factor", &TargetTiming::conv_16bit_factor},
      {"conv_4bit_factor", &TargetTiming::conv_4bit_factor},
      {"conv_launch", &TargetTiming::conv_launch},
      {"teng_lanes", &TargetTiming::teng_lanes},
      {"teng_table_lanes", &TargetTiming::teng_table_lanes},
      {"teng_f32_lanes", &TargetTiming::teng_f32_lanes},
      {"teng_launch", &TargetTiming::teng_launch},
      {"cv_launch", &TargetTiming::cv_launch},
      {"sdma_launch", &TargetTiming::sdma_launch},
      {"port_bytes", &TargetTiming::port_bytes},
      {"sdma_bytes", &TargetTiming::sdma_bytes},
      {"ddr_bytes", &TargetTiming::ddr_bytes},
  };
  return fields;
}

JobCost job_cost(const Program& program, const Job& job, const TargetTiming& t) {
  const Operand* v = program.operands_of(job);
  const int32_t* params = program.params_of(job);
  JobCost cost;
  int64_t read = 0;
  int64_t written = 0;
  for (uint32_t i = 0; i < job.num_operands; ++i) {
    const bool is_output = static_cast<int32_t>(i) == job.output;
    const int64_t bytes = distinct_bytes(v[i]);
    (is_output ? written : read) += bytes;
    if (in_ddr(v[i].space)) (is_output ? cost.ddr_write : cost.ddr_read) += bytes;
  }
  const EuKind kind = program.eus[job.eu].kind;
  double compute = 0;
  double launch = 0;
  double port = t.port_bytes;
  auto bytes = static_cast<double>(std::max(read, written));
  switch (kind) {
    case EuKind::Conv: {
      const Contraction c = contraction_of(job, v, params);
      cost.macs = static_cast<int64_t>(std::min(c.macs(), 0x1p62));
      compute = array_steps(c, t) / array_factor(v[0], v[1], t);
      launch = t.conv_launch;
      bytes = static_cast<double>(read + written);
      break;
    }
    case EuKind::Teng:
      compute = teng_cycles(job, v, params, t);
      launch = t.teng_launch;
      bytes = static_cast<double>(read + written);
      break;
    case EuKind::Sdma:
      launch = t.sdma_launch;
      port = t.sdma_bytes;
      break;
    case EuKind::Cv:
      launch = t.cv_launch;
      break;
  }
  cost.compute_cycles = ceil_cycles(compute);
  cost.port_cycles = ceil_cycles(bytes / port);
  cost.cycles = ceil_cycles(launch) + std::max(cost.compute_cycles, cost.port_cycles);
  return cost;
}

}  // namespace pulsar2
