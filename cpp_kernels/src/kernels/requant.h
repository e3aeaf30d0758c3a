#pragma once

#include <cstdint>
#include <vector>

#include "common.h"
#include "element_ops.h"

namespace pulsar2::kernels {

enum BiasMode : int32_t { kNoBias = 0, kIntBias = 1, kFloatBias = 2 };

/// Sums of the parts of the reduction before this one, for some channels; null without any.
struct Sums {
  const uint8_t* data = nullptr;
  int64_t stride = 0;  ///< bytes from one channel to the next
  DType dtype = DType::S32;
};

/// How the exact sums of a contraction become its output; shared by conv and matmul.
///
///   integer y, no bias or S32 bias:  y = clamp(rne(f32(acc + bias) * mult) + zero_point)
///   integer y, F32 bias:             y = clamp(rne((f32(acc) * mult + bias) / scale) + zero_point)
///   F32 y:                           y = clamp(f32(acc + bias) * mult), then + bias where it is
///   F32
///
/// Where the sums begin with those of other parts of the reduction, these are added to acc. A job
/// whose reduction goes on in another one is `raw`: y = acc, S32 or S64; what exceeds it wraps
/// around.
struct Requant {
  bool raw = false;
  DType dtype = DType::U8;
  float divisor = 1.0f;  ///< of the value before rounding; 1 where mult holds the scale of y
  int32_t zero_point = 0;
  int32_t bias_mode = kNoBias;
  Clamp clamp;
  std::vector<float> mult;        ///< per output channel
  std::vector<int32_t> int_bias;  ///< per output channel, zeros where there is none
  std::vector<float> float_bias;  ///< per output channel where bias_mode is kFloatBias

  /// Writes outputs of channels [first, first + n), n at most kBlock. `acc` has no bias yet.
  void apply(const ElementOps& ops, const int64_t* acc, int64_t first, int64_t n, uint8_t* y,
             int64_t stride, Sums sums) const;
  /// The same for sums that hold the S32 bias already.
  void apply_biased(const ElementOps& ops, const int32_t* acc, int64_t first, int64_t n, uint8_t* y,
                    int64_t stride, Sums sums) const;

 private:
  /// Writes the outputs of sums that hold the S32 bias, but not yet those of other parts.
  void finish(const ElementOps& ops, int64_t* total, int64_t first, int64_t n, uint8_t* y,
              int64_t stride, Sums sums) const;
};

/// Reads mult and bias of a job and checks them: [channels], or [1] for mult where it is shared.
Requant make_requant(const char* op, const View& y, int64_t channels, const View& mult,
                     const View* bias, int32_t bias_mode, int32_t clamp_lo, int32_t clamp_hi,
                     bool shared_mult);

/// What leaves the sums as they are, for a y of S32 or S64.
Requant make_raw(const char* op, const View& y, int64_t channels);

/// Checks the sums of earlier parts, in the shape of y.
void check_sums(const char* op, const View& sums, const View& y);

}  // namespace pulsar2::kernels
