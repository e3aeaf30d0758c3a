#define PULSAR2_TARGET portable
#define PULSAR2_TARGET_ID 0

#include <cstring>

#include "byte_ops.h"
#include "target.h"

namespace pulsar2::kernels {
namespace portable {
namespace {

#include "byte_ops.inc"

void lut(const uint8_t* table, const uint8_t* x, uint8_t* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = table[x[i]];
}

}  // namespace

extern const ByteOps kByteOps;
const ByteOps kByteOps = {lut, max_bytes, sum_bytes};

}  // namespace portable

namespace avx2 {
extern const ByteOps kByteOps;
}
namespace avx512 {
extern const ByteOps kByteOps;
}

const ByteOps& byte_ops(Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::Avx512) return avx512::kByteOps;
  if (isa != Isa::Portable) return avx2::kByteOps;
#else
  (void)isa;
#endif
  return portable::kByteOps;
}

}  // namespace pulsar2::kernels
