#pragma once

#include <cstdint>

namespace pulsar2 {

/// Instruction sets that kernels have code paths for. Every path computes the same bits, so the
/// choice is one of speed alone. A path may use everything that the ones before it use.
enum class Isa : uint8_t {
  Portable = 0,  ///< plain C++, vectorized by the compiler for its baseline (SSE2, NEON)
  Avx2 = 1,      ///< AVX2: 16-bit multiply-add (vpmaddwd)
  AvxVnni = 2,   ///< AVX2 and AVX-VNNI: u8 x s8 dot products on 256 bits
  Avx512 = 3,    ///< AVX-512 F/BW/VL/DQ, VBMI and VNNI on 512 bits
};

/// The best path that this processor and its operating system can run.
Isa best_isa();

/// Whether this processor can run the path.
bool isa_supported(Isa isa);

/// The path that kernels called from this thread take: best_isa() unless an IsaScope says
/// otherwise.
Isa current_isa();

const char* isa_name(Isa isa);

/// The path called `name`: "portable", "avx2", "avxvnni", "avx512".
/// Throws std::invalid_argument if there is none or the processor cannot run it.
Isa isa_from_name(const char* name);

/// Forces a path for kernels called from this thread, for as long as the object lives.
class IsaScope {
 public:
  explicit IsaScope(Isa isa);
  ~IsaScope();
  IsaScope(const IsaScope&) = delete;
  IsaScope& operator=(const IsaScope&) = delete;

 private:
  Isa previous_;
};

}  // namespace pulsar2
