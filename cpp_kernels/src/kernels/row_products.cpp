#include "row_products.h"

namespace pulsar2::kernels {

namespace portable {
extern const RowProducts kRowProducts;
}
namespace avx2 {
extern const RowProducts kRowProducts;
}
namespace avx512 {
extern const RowProducts kRowProducts;
}

const RowProducts& row_products(Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::Avx512) return avx512::kRowProducts;
  if (isa != Isa::Portable) return avx2::kRowProducts;
#else
  (void)isa;
#endif
  return portable::kRowProducts;
}

}  // namespace pulsar2::kernels
