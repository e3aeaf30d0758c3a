#include "pulsar2/kernels/isa.h"

#include <cstring>
#include <stdexcept>
#include <string>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace pulsar2 {
namespace {

constexpr const char* kNames[] = {"portable", "avx2", "avxvnni", "avx512"};

bool has_avx_vnni() {
#if defined(__x86_64__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __builtin_cpu_supports("avx2") && __get_cpuid_count(7, 1, &a, &b, &c, &d) &&
         (a & (1u << 4)) != 0;
#else
  return false;
#endif
}

Isa detect() {
#if defined(__x86_64__)
  // __builtin_cpu_supports also checks that the operating system saves the wide registers.
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vnni")) {
    return Isa::Avx512;
  }
  if (has_avx_vnni()) return Isa::AvxVnni;
  if (__builtin_cpu_supports("avx2")) return Isa::Avx2;
#endif
  return Isa::Portable;
}

thread_local Isa forced = best_isa();

}  // namespace

Isa best_isa() {
  static const Isa best = detect();
  return best;
}

bool isa_supported(Isa isa) {
  // A processor may have the 512-bit instructions without the VEX-coded 256-bit ones.
  if (isa == Isa::AvxVnni) return has_avx_vnni();
  return isa <= best_isa();
}

Isa current_isa() { return forced; }

const char* isa_name(Isa isa) { return kNames[static_cast<int>(isa)]; }

Isa isa_from_name(const char* name) {
  for (int i = 0; i < 4; ++i) {
    if (std::strcmp(name, kNames[i]) != 0) continue;
    const Isa isa = static_cast<Isa>(i);
    if (!isa_supported(isa)) {
      throw std::invalid_argument(std::string("this processor cannot run the ") + name + " path");
    }
    return isa;
  }
  throw std::invalid_argument(std::string("unknown instruction set '") + name +
                              "'; known: portable, avx2, avxvnni, avx512");
}

IsaScope::IsaScope(Isa isa) : previous_(forced) { forced = isa; }

IsaScope::~IsaScope() { forced = previous_; }

}  // namespace pulsar2
