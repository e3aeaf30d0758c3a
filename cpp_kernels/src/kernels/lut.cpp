// Opcode 6: a table of 256 entries indexed by the raw byte of x.

#include "byte_ops.h"
#include "families.h"
#include "loop_nest.h"

namespace pulsar2::kernels {
namespace {

constexpr int64_t kLutBlock = 1 << 12;

template <typename T>
void look_up(const uint8_t* x, int64_t x_stride, const uint8_t* table, int64_t table_stride,
             int64_t row_stride, uint8_t* y, int64_t y_stride, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    T v;
    std::memcpy(&v, table + i * row_stride + x[i * x_stride] * table_stride, sizeof v);
    std::memcpy(y + i * y_stride, &v, sizeof v);
  }
}

}  // namespace

void run_lut(const KernelCall& call) {
  check_counts(call, "lut", 3, 1);
  const View& x = call.operands[0];
  const View& table = call.operands[1];
  const View& y = call.operands[2];
  check_view(x, "lut", "x");
  check_view(table, "lut", "table");
  check_view(y, "lut", "y");
  check_same_shape(x, y, "lut", "x", "y");
  if (!is_8bit(x.dtype)) fail("lut: x is %s, expected an 8-bit type", dtype_name(x.dtype));
  if (table.dtype != y.dtype) {
    fail("lut: table is %s, y is %s", dtype_name(table.dtype), dtype_name(y.dtype));
  }
  const int size = dtype_size(y.dtype);
  const int32_t axis = call.params[0];
  if (axis < -1 || axis >= x.ndim) fail("lut: axis %d of a rank %d tensor", axis, x.ndim);
  check_rank(table, "lut", "table", axis < 0 ? 1 : 2);
  if (table.shape[table.ndim - 1] != 256) {
    fail("lut: a table has %d entries, expected 256", table.shape[table.ndim - 1]);
  }
  int32_t row_strides[kMaxDims] = {};
  if (axis >= 0) {
    if (table.shape[0] != x.shape[axis]) {
      fail("lut: %d tables for %d channels", table.shape[0], x.shape[axis]);
    }
    row_strides[axis] = table.strides[0];
  }
  const int64_t entry = table.strides[table.ndim - 1];
  const LoopNest<3> nest(y.ndim, y.shape,
                         {{y.data, y.strides}, {x.data, x.strides}, {table.data, row_strides}});
  const int64_t ys = nest.inner_stride[0];
  const int64_t xs = nest.inner_stride[1];
  const int64_t rows = nest.inner_stride[2];
  if (size == 1 && ys == 1 && xs == 1 && rows == 0 && entry == 1) {
    const ByteOps& ops = byte_ops(current_isa());
    nest.run(call.parallel, kLutBlock, kLutBlock,
             [&](uint8_t* const* p, int64_t n) { ops.lut(p[2], p[1], p[0], n); });
    return;
  }
  nest.run(call.parallel, kLutBlock, kLutBlock, [&](uint8_t* const* p, int64_t n) {
    switch (size) {
      case 1:
        return look_up<uint8_t>(p[1], xs, p[2], entry, rows, p[0], ys, n);
      case 2:
        return look_up<uint16_t>(p[1], xs, p[2], entry, rows, p[0], ys, n);
      case 4:
        return look_up<uint32_t>(p[1], xs, p[2], entry, rows, p[0], ys, n);
      default:
        return look_up<uint64_t>(p[1], xs, p[2], entry, rows, p[0], ys, n);
    }
  });
}

}  // namespace pulsar2::kernels
