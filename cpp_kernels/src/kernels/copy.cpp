// Opcodes 1 (copy) and 2 (fill).

#include "families.h"
#include "loop_nest.h"

namespace pulsar2::kernels {
namespace {

constexpr int64_t kCopyBlock = 1 << 14;

template <typename T>
void copy_run(const uint8_t* x, int64_t x_stride, uint8_t* y, int64_t y_stride, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    T v;
    std::memcpy(&v, x + i * x_stride, sizeof v);
    std::memcpy(y + i * y_stride, &v, sizeof v);
  }
}

void copy_elements(const uint8_t* x, int64_t x_stride, uint8_t* y, int64_t y_stride, int size,
                   int64_t n) {
  if (x_stride == size && y_stride == size) {
    std::memcpy(y, x, static_cast<size_t>(n * size));
    return;
  }
  switch (size) {
    case 1:
      return copy_run<uint8_t>(x, x_stride, y, y_stride, n);
    case 2:
      return copy_run<uint16_t>(x, x_stride, y, y_stride, n);
    case 4:
      return copy_run<uint32_t>(x, x_stride, y, y_stride, n);
    default:
      return copy_run<uint64_t>(x, x_stride, y, y_stride, n);
  }
}

}  // namespace

void run_copy(const KernelCall& call) {
  check_counts(call, "copy", 2, 0);
  const View& x = call.operands[0];
  const View& y = call.operands[1];
  check_view(x, "copy", "x");
  check_view(y, "copy", "y");
  check_same_shape(x, y, "copy", "x", "y");
  if (x.dtype != y.dtype) {
    fail("copy: x is %s, y is %s", dtype_name(x.dtype), dtype_name(y.dtype));
  }
  const int size = dtype_size(x.dtype);
  const LoopNest<2> nest(y.ndim, y.shape, {{y.data, y.strides}, {x.data, x.strides}});
  nest.run(call.parallel, kCopyBlock, kCopyBlock, [&](uint8_t* const* p, int64_t n) {
    copy_elements(p[1], nest.inner_stride[1], p[0], nest.inner_stride[0], size, n);
  });
}

void run_fill(const KernelCall& call) {
  check_counts(call, "fill", 1, 1);
  const View& y = call.operands[0];
  check_view(y, "fill", "y");
  const int32_t value = call.params[0];
  const int size = dtype_size(y.dtype);
  uint8_t bytes[8] = {};
  if (y.dtype == DType::S64) {
    store_as<int64_t>(bytes, value);
  } else if (y.dtype == DType::F32 || y.dtype == DType::U32 || y.dtype == DType::S32) {
    store_as<int32_t>(bytes, value);
  } else if (y.dtype == DType::F16) {
    if (value < 0 || value > 0xffff) fail("fill: %d is no bit pattern of an F16", value);
    store_as<uint16_t>(bytes, static_cast<uint16_t>(value));
  } else {
    const IntRange range = dtype_range(y.dtype);
    if (value < range.lo || value > range.hi) {
      fail("fill: value %d does not fit %s", value, dtype_name(y.dtype));
    }
    if (size == 1) {
      bytes[0] = static_cast<uint8_t>(value);
    } else {
      store_as<uint16_t>(bytes, static_cast<uint16_t>(value));
    }
  }
  const LoopNest<1> nest(y.ndim, y.shape, {{y.data, y.strides}});
  nest.run(call.parallel, kCopyBlock, kCopyBlock, [&](uint8_t* const* p, int64_t n) {
    if (size == 1 && nest.inner_stride[0] == 1) {
      std::memset(p[0], bytes[0], static_cast<size_t>(n));
    } else {
      copy_elements(bytes, 0, p[0], nest.inner_stride[0], size, n);
    }
  });
}

}  // namespace pulsar2::kernels
