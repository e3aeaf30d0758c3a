#define PULSAR2_TARGET portable
#define PULSAR2_TARGET_ID 0

#include "row_products.h"
#include "target.h"

#include "row_products.inc"
