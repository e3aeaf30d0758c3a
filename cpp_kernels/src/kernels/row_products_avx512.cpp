#if defined(__x86_64__)
#define PULSAR2_TARGET avx512
#define PULSAR2_TARGET_ID 3

#include "row_products.h"
#include "target.h"

#include "row_products.inc"

#endif
