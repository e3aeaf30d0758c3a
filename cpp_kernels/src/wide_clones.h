#pragma once

// Stands before functions that are compiled from one source for the machine's wide and narrow
// vectors: their results are exact, and do not depend on the choice.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__linux__)
#define PULSAR2_WIDE_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define PULSAR2_WIDE_CLONES
#endif
