#include "element_ops.h"

namespace pulsar2::kernels {

namespace portable {
extern const ElementOps kElementOps;
}
namespace avx2 {
extern const ElementOps kElementOps;
}
namespace avx512 {
extern const ElementOps kElementOps;
}

const ElementOps& element_ops(Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::Avx512) return avx512::kElementOps;
  if (isa != Isa::Portable) return avx2::kElementOps;
#else
  (void)isa;
#endif
  return portable::kElementOps;
}

}  // namespace pulsar2::kernels
