// Opcodes 96 (integer), 97 (where) and 98 (cast): integers that stand for themselves.

#include <cmath>
#include <cstdint>

#include "element_ops.h"
#include "families.h"
#include "loop_nest.h"

namespace pulsar2::kernels {
namespace {

constexpr int64_t kGrain = 1 << 14;

/// Functions of two integers, as numbered in the job table.
enum class IntegerFn : int32_t {
  Add,
  Sub,
  Mul,
  Div,
  Mod,
  Min,
  Max,
  And,
  Or,
  Xor,
  Equal,
  Greater,
  Less,
  GreaterEqual,
  LessEqual,
};
constexpr int32_t kNumIntegerFns = 15;
constexpr int32_t kFirstComparison = static_cast<int32_t>(IntegerFn::Equal);

/// Operands have at most 32 bits, so nothing overflows but for the last sign of a U32 product,
/// which wraps as it should.
int64_t integer(IntegerFn fn, int64_t a, int64_t b) {
  switch (fn) {
    case IntegerFn::Add:
      return a + b;
    case IntegerFn::Sub:
      return a - b;
    case IntegerFn::Mul:
      return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
    case IntegerFn::Div:
      return b == 0 ? 0 : a / b;
    case IntegerFn::Mod: {
      const int64_t rest = b == 0 ? 0 : a % b;
      return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
    }
    case IntegerFn::Min:
      return a < b ? a : b;
    case IntegerFn::Max:
      return a > b ? a : b;
    case IntegerFn::And:
      return a & b;
    case IntegerFn::Or:
      return a | b;
    case IntegerFn::Xor:
      return a ^ b;
    case IntegerFn::Equal:
      return a == b;
    case IntegerFn::Greater:
      return a > b;
    case IntegerFn::Less:
      return a < b;
    case IntegerFn::GreaterEqual:
      return a >= b;
    default:
      return a <= b;
  }
}

void load_integers(const uint8_t* p, int64_t stride, DType dtype, int64_t* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = load_int(p + i * stride, dtype);
}

/// The low bytes of the numbers; of a BOOL whether they are other than 0.
void store_integers(const int64_t* v, uint8_t* p, int64_t stride, DType dtype, int64_t n) {
  if (dtype == DType::BOOL) {
    for (int64_t i = 0; i < n; ++i) p[i * stride] = v[i] != 0 ? 1 : 0;
    return;
  }
  const auto size = static_cast<size_t>(dtype_size(dtype));
  for (int64_t i = 0; i < n; ++i) std::memcpy(p + i * stride, &v[i], size);
}

bool is_plain(const View& view) {
  return !is_float(view.dtype) && view.scale == 1.0f && view.zero_point == 0;
}

void check_plain(const View& view, const char* op, const char* name) {
  if (!is_plain(view)) fail("%s: %s holds no plain integers", op, name);
}

/// Truncated, within the type's range, 0 for a NaN; of a BOOL whether it is other than 0.
int64_t truncated(float v, DType dtype, const IntRange& range) {
  if (dtype == DType::BOOL) return v != 0.0f;
  if (v != v) return 0;
  if (v >= 0x1p62f) return range.hi;
  if (v <= -0x1p62f) return range.lo;
  const auto whole = static_cast<int64_t>(v);
  return whole < range.lo ? range.lo : whole > range.hi ? range.hi : whole;
}

/// From integers to integers.
void cast_integers(const KernelCall& call, bool saturate) {
  const View& x = call.operands[0];
  const View& y = call.operands[1];
  const IntRange range = dtype_range(y.dtype);
  const LoopNest<2> nest(y.ndim, y.shape, {{y.data, y.strides}, {x.data, x.strides}});
  nest.run(call.parallel, kBlock, kGrain, [&](uint8_t* const* p, int64_t n) {
    int64_t v[kBlock];
    load_integers(p[1], nest.inner_stride[1], x.dtype, v, n);
    if (saturate && y.dtype != DType::BOOL) {
      for (int64_t i = 0; i < n; ++i) {
        v[i] = v[i] < range.lo ? range.lo : v[i] > range.hi ? range.hi : v[i];
      }
    }
    store_integers(v, p[0], nest.inner_stride[0], y.dtype, n);
  });
}

/// From real numbers to integers.
void truncate_numbers(const KernelCall& call) {
  const View& x = call.operands[0];
  const View& y = call.operands[1];
  const IntRange range = dtype_range(y.dtype);
  const ElementOps& ops = element_ops(current_isa());
  const LoopNest<2> nest(y.ndim, y.shape, {{y.data, y.strides}, {x.data, x.strides}});
  nest.run(call.parallel, kBlock, kGrain, [&](uint8_t* const* p, int64_t n) {
    alignas(64) float in[kBlock];
    int64_t v[kBlock];
    ops.load(p[1], nest.inner_stride[1], x.dtype, x.scale, x.zero_point, in, n);
    for (int64_t i = 0; i < n; ++i) v[i] = truncated(in[i], y.dtype, range);
    store_integers(v, p[0], nest.inner_stride[0], y.dtype, n);
  });
}

/// From integers to real numbers.
void round_integers(const KernelCall& call) {
  const View& x = call.operands[0];
  const View& y = call.operands[1];
  const Clamp clamp = full_clamp(y.dtype);
  const ElementOps& ops = element_ops(current_isa());
  const LoopNest<2> nest(y.ndim, y.shape, {{y.data, y.strides}, {x.data, x.strides}});
  nest.run(call.parallel, kBlock, kGrain, [&](uint8_t* const* p, int64_t n) {
    alignas(64) float out[kBlock];
    for (int64_t i = 0; i < n; ++i) {
      out[i] = static_cast<float>(load_int(p[1] + i * nest.inner_stride[1], x.dtype));
    }
    ops.store(out, p[0], nest.inner_stride[0], y.dtype, y.scale, y.zero_point, clamp, n);
  });
}

template <typename T>
void select(const uint8_t* c, int64_t c_stride, const uint8_t* a, int64_t a_stride,
            const uint8_t* b, int64_t b_stride, uint8_t* y, int64_t y_stride, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const uint8_t* from = c[i * c_stride] != 0 ? a + i * a_stride : b + i * b_stride;
    std::memcpy(y + i * y_stride, from, sizeof(T));
  }
}

}  // namespace

void run_integer(const KernelCall& call) {
  check_counts(call, "integer", 3, 1);
  const View& a = call.operands[0];
  const View& b = call.operands[1];
  const View& y = call.operands[2];
  const char* const names[] = {"a", "b", "y"};
  for (int i = 0; i < 3; ++i) {
    check_view(call.operands[i], "integer", names[i]);
    check_plain(call.operands[i], "integer", names[i]);
    check_same_shape(call.operands[i], y, "integer", names[i], "y");
  }
  const int32_t number = call.params[0];
  if (number < 0 || number >= kNumIntegerFns) fail("integer: no function has number %d", number);
  const DType expected = number < kFirstComparison ? a.dtype : DType::BOOL;
  if (a.dtype != b.dtype || y.dtype != expected || a.dtype == DType::S64) {
    fail("integer: a is %s, b is %s, y is %s", dtype_name(a.dtype), dtype_name(b.dtype),
         dtype_name(y.dtype));
  }
  const auto fn = static_cast<IntegerFn>(number);
  const LoopNest<3> nest(y.ndim, y.shape,
                         {{y.data, y.strides}, {a.data, a.strides}, {b.data, b.strides}});
  nest.run(call.parallel, kBlock, kGrain, [&](uint8_t* const* p, int64_t n) {
    int64_t in_a[kBlock];
    int64_t in_b[kBlock];
    load_integers(p[1], nest.inner_stride[1], a.dtype, in_a, n);
    load_integers(p[2], nest.inner_stride[2], b.dtype, in_b, n);
    for (int64_t i = 0; i < n; ++i) in_a[i] = integer(fn, in_a[i], in_b[i]);
    store_integers(in_a, p[0], nest.inner_stride[0], y.dtype, n);
  });
}

void run_where(const KernelCall& call) {
  check_counts(call, "where", 4, 0);
  const View& c = call.operands[0];
  const View& a = call.operands[1];
  const View& b = call.operands[2];
  const View& y = call.operands[3];
  const char* const names[] = {"c", "a", "b", "y"};
  for (int i = 0; i < 4; ++i) {
    check_view(call.operands[i], "where", names[i]);
    check_same_shape(call.operands[i], y, "where", names[i], "y");
  }
  if (c.dtype != DType::BOOL || a.dtype != y.dtype || b.dtype != y.dtype) {
    fail("where: c is %s, a is %s, b is %s, y is %s", dtype_name(c.dtype), dtype_name(a.dtype),
         dtype_name(b.dtype), dtype_name(y.dtype));
  }
  const int size = dtype_size(y.dtype);
  const LoopNest<4> nest(
      y.ndim, y.shape,
      {{y.data, y.strides}, {c.data, c.strides}, {a.data, a.strides}, {b.data, b.strides}});
  nest.run(call.parallel, kBlock, kGrain, [&](uint8_t* const* p, int64_t n) {
    const int64_t* s = nest.inner_stride;
    switch (size) {
      case 1:
        return select<uint8_t>(p[1], s[1], p[2], s[2], p[3], s[3], p[0], s[0], n);
      case 2:
        return select<uint16_t>(p[1], s[1], p[2], s[2], p[3], s[3], p[0], s[0], n);
      case 4:
        return select<uint32_t>(p[1], s[1], p[2], s[2], p[3], s[3], p[0], s[0], n);
      default:
        return select<uint64_t>(p[1], s[1], p[2], s[2], p[3], s[3], p[0], s[0], n);
    }
  });
}

void run_cast(const KernelCall& call) {
  check_counts(call, "cast", 2, 1);
  const View& x = call.operands[0];
  const View& y = call.operands[1];
  check_view(x, "cast", "x");
  check_view(y, "cast", "y");
  check_same_shape(x, y, "cast", "x", "y");
  const int32_t saturate = call.params[0];
  if (saturate != 0 && saturate != 1) fail("cast: saturate is %d", saturate);
  if (is_plain(x) && is_plain(y)) {
    cast_integers(call, saturate != 0);
  } else if (is_plain(x)) {
    round_integers(call);
  } else if (is_plain(y)) {
    truncate_numbers(call);
  } else {
    fail("cast: neither x nor y holds plain integers");
  }
}

}  // namespace pulsar2::kernels
