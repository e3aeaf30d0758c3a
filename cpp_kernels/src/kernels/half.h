#pragma once

#include <cstdint>

namespace pulsar2::kernels {

/// IEEE binary16 to f32, exact.
float half_to_float(uint16_t half);

/// f32 to IEEE binary16, round to nearest even; overflow gives infinity.
uint16_t float_to_half(float value);

}  // namespace pulsar2::kernels
