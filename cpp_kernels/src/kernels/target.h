// Compiling one piece of code for several instruction sets.
//
// A source file that is to be compiled for a path defines PULSAR2_TARGET as `portable`, `avx2`,
// `avxvnni` or `avx512` and PULSAR2_TARGET_ID as 0 to 3, includes every header, then this one,
// and puts its code between PULSAR2_TARGET_BEGIN and PULSAR2_TARGET_END, inside the namespace
// PULSAR2_TARGET. Attributes on functions, and not flags on files, keep inline functions of the
// standard library out of the wide instruction sets: the linker may merge those with everybody's.

// PULSAR2_UNROLL stands before loops over arrays of vectors: unrolled early, the arrays become
// registers.

#if defined(__clang__)
#define PULSAR2_UNROLL _Pragma("unroll")
#else
#define PULSAR2_UNROLL _Pragma("GCC unroll 8")
#endif

#if PULSAR2_TARGET_ID == 0
#define PULSAR2_TARGET_BEGIN
#define PULSAR2_TARGET_END
#elif defined(__clang__)
#if PULSAR2_TARGET_ID == 1
#define PULSAR2_TARGET_BEGIN \
  _Pragma("clang attribute push(__attribute__((target(\"avx2\"))), apply_to = function)")
#elif PULSAR2_TARGET_ID == 2
#define PULSAR2_TARGET_BEGIN \
  _Pragma("clang attribute push(__attribute__((target(\"avx2,avxvnni\"))), apply_to = function)")
#else
// _Pragma takes one literal, not several side by side.
#define PULSAR2_TARGET_BEGIN \
  _Pragma(                   \
      "clang attribute push(__attribute__((target(\"avx2,avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni\"))), apply_to = function)")
#endif
#define PULSAR2_TARGET_END _Pragma("clang attribute pop")
#else
#if PULSAR2_TARGET_ID == 1
#define PULSAR2_TARGET_BEGIN _Pragma("GCC push_options") _Pragma("GCC target(\"avx2\")")
#elif PULSAR2_TARGET_ID == 2
#define PULSAR2_TARGET_BEGIN _Pragma("GCC push_options") _Pragma("GCC target(\"avx2,avxvnni\")")
#else
#define PULSAR2_TARGET_BEGIN           \
  _Pragma("GCC push_options") _Pragma( \
      "GCC target(\"avx2,avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni,prefer-vector-width=512\")")
#endif
#define PULSAR2_TARGET_END _Pragma("GCC pop_options")
#endif
