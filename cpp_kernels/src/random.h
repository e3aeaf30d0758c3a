#pragma once

#include <cstdint>

namespace pulsar2 {

/// xorshift64*: the same numbers on every machine.
class Random {
 public:
  uint64_t below(uint64_t n) {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return ((state_ * 0x2545F4914F6CDD1DULL) >> 33) % n;
  }

 private:
  uint64_t state_ = 0x9E3779B97F4A7C15ULL;
};

}  // namespace pulsar2
