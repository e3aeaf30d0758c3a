#if defined(__x86_64__)
#define PULSAR2_TARGET avx2
#define PULSAR2_TARGET_ID 1

#include <cmath>
#include <cstring>

#include "element_ops.h"
#include "half.h"
#include "target.h"

#include "element_ops.inc"

#endif
