#if defined(__x86_64__)
#define PULSAR2_TARGET avx512
#define PULSAR2_TARGET_ID 3

#include <cmath>
#include <cstring>

#include "element_ops.h"
#include "half.h"
#include "target.h"

#include "element_ops.inc"

#endif
