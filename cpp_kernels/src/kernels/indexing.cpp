// Opcodes 99 to 102: elements at computed places, and where the greatest ones are.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "families.h"
#include "loop_nest.h"
#include "rows.h"

namespace pulsar2::kernels {
namespace {

constexpr int64_t kGrain = 1 << 14;
constexpr int64_t kRun = 1024;

/// How an update joins what is there, as numbered in the job table.
enum class Reduction : int32_t { None, Add, Mul, Max, Min };
constexpr int32_t kNumReductions = 5;

int check_axis(const KernelCall& call, const char* op, const View& x) {
  const int32_t axis = call.params[0];
  if (axis < 0 || axis >= x.ndim) fail("%s: axis %d of a rank %d tensor", op, axis, x.ndim);
  return axis;
}

void check_indices(const View& view, const char* op) {
  check_view(view, op, "indices");
  if (view.dtype != DType::S32) fail("%s: indices are %s", op, dtype_name(view.dtype));
}

/// The view without moving along one axis.
View standing(View view, int axis) {
  view.strides[axis] = 0;
  return view;
}

/// An index, counted from the end where it is negative; throws where it is none of `size`.
int64_t place(const uint8_t* p, int64_t size, const char* op) {
  int32_t index;
  std::memcpy(&index, p, sizeof index);
  if (index < -size || index >= size) {
    fail("%s: index %d of %lld elements", op, index, static_cast<long long>(size));
  }
  return index < 0 ? index + size : index;
}

/// A stored element, exactly.
double number(const uint8_t* p, DType dtype) {
  if (dtype != DType::F32) return static_cast<double>(load_int(p, dtype));
  float value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

template <typename T>
T joined(Reduction reduction, T old, T update) {
  switch (reduction) {
    case Reduction::Add:
      return old + update;
    case Reduction::Mul:
      return old * update;
    case Reduction::Max:
      return old < update ? update : old;
    case Reduction::Min:
      return update < old ? update : old;
    default:
      return update;
  }
}

/// *y = *y joined with *update; integers wrap around.
void join(Reduction reduction, DType dtype, uint8_t* y, const uint8_t* update, size_t size) {
  if (reduction == Reduction::None) {
    std::memcpy(y, update, size);
  } else if (dtype == DType::F32) {
    float old;
    float now;
    std::memcpy(&old, y, sizeof old);
    std::memcpy(&now, update, sizeof now);
    now = joined(reduction, old, now);
    std::memcpy(y, &now, sizeof now);
  } else {
    // Unsigned products of 32 bits fit; sums of any two, too.
    const int64_t now = joined(reduction, load_int(y, dtype), load_int(update, dtype));
    std::memcpy(y, &now, size);
  }
}

void copy_elements(const View& x, const View& y, Parallel* parallel) {
  const auto size = static_cast<size_t>(dtype_size(y.dtype));
  const LoopNest<2> nest(y.ndim, y.shape, {{y.data, y.strides}, {x.data, x.strides}});
  nest.run(parallel, kRun, kGrain, [&](uint8_t* const* p, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
      std::memcpy(p[0] + i * nest.inner_stride[0], p[1] + i * nest.inner_stride[1], size);
    }
  });
}

/// Calls body(offsets) for every element of `shape` in row-major order; offsets in bytes.
template <int N, typename Body>
void in_order(const View& shape, const int32_t* const (&strides)[N], const Body& body) {
  int64_t offset[N] = {};
  int64_t index[kMaxDims] = {};
  for (int64_t left = num_elements(shape); left > 0; --left) {
    body(offset);
    for (int d = shape.ndim - 1; d >= 0; --d) {
      for (int k = 0; k < N; ++k) offset[k] += strides[k][d];
      if (++index[d] < shape.shape[d]) break;
      for (int k = 0; k < N; ++k) offset[k] -= int64_t{strides[k][d]} * shape.shape[d];
      index[d] = 0;
    }
  }
}

/// Calls body(row, values, out) for every row of x along `axis`; `out` is where its row of y
/// begins.
template <typename Body>
void for_rows(const KernelCall& call, const View& x, const View& y, int axis, const Body& body) {
  View wide = y;
  wide.shape[axis] = x.shape[axis];
  const Rows rows({&x, &wide, nullptr, nullptr}, uint32_t{1} << axis);
  const int64_t grain = std::max<int64_t>(1, (1 << 12) / rows.length());
  parallel_for(call.parallel, rows.count(), grain, [&](int64_t begin, int64_t end) {
    std::vector<double> values(static_cast<size_t>(rows.length()));
    for (int64_t row = begin; row < end; ++row) {
      const uint8_t* from = rows.begin(0, row);
      for (double& value : values) {
        value = number(from, x.dtype);
        from += x.strides[axis];
      }
      body(values, rows.begin(1, row));
    }
  });
}

void check_ranked(const KernelCall& call, const char* op) {
  check_counts(call, op, 2, 2);
  const View& x = call.operands[0];
  const View& y = call.operands[1];
  check_view(x, op, "x");
  check_indices(y, op);
  check_rank(y, op, "y", x.ndim);
  const int axis = check_axis(call, op, x);
  for (int d = 0; d < x.ndim; ++d) {
    if (d != axis && x.shape[d] != y.shape[d]) fail("%s: y does not have the shape of x", op);
  }
  if (y.shape[axis] > x.shape[axis]) {
    fail("%s: %d of %d elements", op, y.shape[axis], x.shape[axis]);
  }
  if (call.params[1] != 0 && call.params[1] != 1) fail("%s: largest is %d", op, call.params[1]);
}

/// Whether a comes before b among the largest (or smallest) ones. A NaN is larger than any number.
bool before(double a, double b, bool largest) {
  const bool a_nan = std::isnan(a);
  const bool b_nan = std::isnan(b);
  if (a_nan || b_nan) return largest ? a_nan && !b_nan : b_nan && !a_nan;
  return largest ? a > b : a < b;
}

}  // namespace

void run_gather_elements(const KernelCall& call) {
  constexpr const char* kOp = "gather_elements";
  check_counts(call, kOp, 3, 1);
  const View& x = call.operands[0];
  const View& indices = call.operands[1];
  const View& y = call.operands[2];
  check_view(x, kOp, "x");
  check_indices(indices, kOp);
  check_view(y, kOp, "y");
  check_same_shape(indices, y, kOp, "indices", "y");
  check_rank(x, kOp, "x", y.ndim);
  const int axis = check_axis(call, kOp, x);
  for (int d = 0; d < x.ndim; ++d) {
    if (d != axis && x.shape[d] < y.shape[d]) fail("%s: dimension %d of x is too small", kOp, d);
  }
  if (x.dtype != y.dtype)
    fail("%s: x is %s, y is %s", kOp, dtype_name(x.dtype), dtype_name(y.dtype));
  const auto size = static_cast<size_t>(dtype_size(y.dtype));
  const View fixed = standing(x, axis);
  const int64_t step = x.strides[axis];
  const LoopNest<3> nest(
      y.ndim, y.shape,
      {{y.data, y.strides}, {indices.data, indices.strides}, {x.data, fixed.strides}});
  nest.run(call.parallel, kRun, kGrain, [&](uint8_t* const* p, int64_t n) {
    const int64_t* s = nest.inner_stride;
    for (int64_t i = 0; i < n; ++i) {
      const int64_t index = place(p[1] + i * s[1], x.shape[axis], kOp);
      std::memcpy(p[0] + i * s[0], p[2] + i * s[2] + index * step, size);
    }
  });
}

void run_scatter_elements(const KernelCall& call) {
  constexpr const char* kOp = "scatter_elements";
  check_counts(call, kOp, 4, 2);
  const View& x = call.operands[0];
  const View& indices = call.operands[1];
  const View& updates = call.operands[2];
  const View& y = call.operands[3];
  check_view(x, kOp, "x");
  check_indices(indices, kOp);
  check_view(updates, kOp, "updates");
  check_view(y, kOp, "y");
  check_same_shape(x, y, kOp, "x", "y");
  check_same_shape(indices, updates, kOp, "indices", "updates");
  check_rank(indices, kOp, "indices", y.ndim);
  const int axis = check_axis(call, kOp, x);
  for (int d = 0; d < x.ndim; ++d) {
    if (d != axis && y.shape[d] < indices.shape[d]) fail("%s: dimension %d is too small", kOp, d);
  }
  if (x.dtype != y.dtype || updates.dtype != y.dtype) {
    fail("%s: x is %s, updates are %s, y is %s", kOp, dtype_name(x.dtype),
         dtype_name(updates.dtype), dtype_name(y.dtype));
  }
  const int32_t number = call.params[1];
  if (number < 0 || number >= kNumReductions) fail("%s: no reduction has number %d", kOp, number);
  const auto reduction = static_cast<Reduction>(number);
  const auto size = static_cast<size_t>(dtype_size(y.dtype));
  copy_elements(x, y, call.parallel);
  const View fixed = standing(y, axis);
  const int64_t step = y.strides[axis];
  // Updates of one place follow one another in the order of the indices, so on one thread.
  in_order<3>(indices, {indices.strides, updates.strides, fixed.strides}, [&](const int64_t* at) {
    const int64_t index = place(indices.data + at[0], y.shape[axis], kOp);
    join(reduction, y.dtype, y.data + at[2] + index * step, updates.data + at[1], size);
  });
}

void run_arg(const KernelCall& call) {
  check_ranked(call, "arg");
  const View& x = call.operands[0];
  const View& y = call.operands[1];
  const int axis = call.params[0];
  const bool largest = call.params[1] != 0;
  if (y.shape[axis] != 1) fail("arg: y has %d elements along the axis", y.shape[axis]);
  for_rows(call, x, y, axis, [&](const std::vector<double>& values, uint8_t* out) {
    int32_t best = 0;
    for (size_t i = 1; i < values.size(); ++i) {
      if (before(values[i], values[static_cast<size_t>(best)], largest)) {
        best = static_cast<int32_t>(i);
      }
    }
    std::memcpy(out, &best, sizeof best);
  });
}

void run_top_k(const KernelCall& call) {
  check_ranked(call, "top_k");
  const View& x = call.operands[0];
  const View& y = call.operands[1];
  const int axis = call.params[0];
  const bool largest = call.params[1] != 0;
  for_rows(call, x, y, axis, [&](const std::vector<double>& values, uint8_t* out) {
    std::vector<int32_t> order(values.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int32_t>(i);
    std::partial_sort(order.begin(), order.begin() + y.shape[axis], order.end(),
                      [&](int32_t a, int32_t b) {
                        const double va = values[static_cast<size_t>(a)];
                        const double vb = values[static_cast<size_t>(b)];
                        if (before(va, vb, largest)) return true;
                        return !before(vb, va, largest) && a < b;
                      });
    for (int32_t i = 0; i < y.shape[axis]; ++i) {
      std::memcpy(out + int64_t{i} * y.strides[axis], &order[static_cast<size_t>(i)],
                  sizeof(int32_t));
    }
  });
}

}  // namespace pulsar2::kernels
