#if defined(__x86_64__)
#define PULSAR2_TARGET avx2
#define PULSAR2_TARGET_ID 1

#include "row_products.h"
#include "target.h"

#include "row_products.inc"

#endif
