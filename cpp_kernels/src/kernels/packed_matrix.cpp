#include "packed_matrix.h"

#include <algorithm>
#include <cstdlib>
#include <new>
#include <utility>

#include "loop_nest.h"

namespace pulsar2::kernels {

AlignedBuffer::~AlignedBuffer() { ::operator delete(data_, std::align_val_t{64}); }

AlignedBuffer::AlignedBuffer(AlignedBuffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

AlignedBuffer& AlignedBuffer::operator=(AlignedBuffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

uint8_t* AlignedBuffer::reserve(size_t bytes) {
  if (bytes > size_) {
    ::operator delete(data_, std::align_val_t{64});
    data_ = nullptr;
    size_ = 0;
    data_ = static_cast<uint8_t*>(::operator new(bytes, std::align_val_t{64}));
    size_ = bytes;
  }
  return data_;
}

namespace {

int32_t load_byte(const uint8_t* p, bool is_signed) {
  return is_signed ? static_cast<int8_t>(*p) : static_cast<int32_t>(*p);
}

/// Packs one column into its place in a panel; `out` is the column's first element.
struct ColumnPacker {
  const MatrixSource& source;
  const GemmOps& ops;
  bool is_signed;
  bool flat;
  int64_t groups;
  int64_t group_bytes;  ///< from one group of the column to its next

  template <typename Put>
  void walk(const uint8_t* column, const Put& put) const {
    int64_t k = 0;
    for (int64_t h = 0; h < source.taps_h; ++h) {
      for (int64_t w = 0; w < source.taps_w; ++w) {
        const uint8_t* tap = column + h * source.tap_h_stride + w * source.tap_w_stride;
        if (!flat) k = (h * source.taps_w + w) * groups * ops.group;
        for (int64_t c = 0; c < source.depth; ++c, ++k) put(k, tap + c * source.depth_stride);
      }
    }
  }

  /// Dot4: signed bytes.
  void bytes(const uint8_t* column, int32_t zero, uint8_t* out, int32_t* sum,
             int64_t* abs_sum) const {
    const uint8_t flip = is_signed ? 0 : 0x80;
    uint32_t total = 0;
    int64_t magnitude = 0;
    walk(column, [&](int64_t k, const uint8_t* p) {
      const uint8_t packed = *p ^ flip;
      out[k / 4 * group_bytes + k % 4] = packed;
      total += static_cast<uint32_t>(static_cast<int8_t>(packed));
      magnitude += std::abs(load_byte(p, is_signed) - zero);
    });
    *sum = static_cast<int32_t>(total);
    *abs_sum = magnitude;
  }

  /// Dot2 and Dot1: 16-bit words without zero point.
  void words(const uint8_t* column, int32_t zero, uint8_t* out, int32_t* sum,
             int64_t* abs_sum) const {
    int64_t total = 0;
    int64_t magnitude = 0;
    const int64_t mask = ops.group - 1;
    const int shift = ops.group == 2 ? 1 : 0;
    walk(column, [&](int64_t k, const uint8_t* p) {
      const int32_t v = load_byte(p, is_signed) - zero;
      store_as<int16_t>(out + (k >> shift) * group_bytes + (k & mask) * 2,
                        static_cast<int16_t>(v));
      total += v;
      magnitude += std::abs(v);
    });
    *sum = static_cast<int32_t>(total);
    *abs_sum = magnitude;
  }
};

}  // namespace

PackedMatrix pack_matrix(const MatrixSource& source, const GemmOps& ops, bool flat) {
  PackedMatrix m;
  const int64_t taps = source.taps_h * source.taps_w;
  m.kind = ops.kind;
  m.columns = source.columns;
  m.taps = flat ? 1 : taps;
  m.depth = flat ? taps * source.depth : source.depth;
  m.groups = (m.depth + ops.group - 1) / ops.group;
  const int64_t group_bytes = static_cast<int64_t>(kPanel) * ops.group * ops.b_bytes;
  m.panel_bytes = m.taps * m.groups * group_bytes;
  const auto padded = static_cast<size_t>(m.panels() * kPanel);
  m.sum.assign(padded, 0);
  m.abs_sum.assign(padded, 0);
  m.zero.assign(padded, 0);
  const auto size = static_cast<size_t>(m.panels() * m.panel_bytes);
  uint8_t* data = m.data.reserve(size);
  std::memset(data, 0, size);
  const bool is_signed = source.dtype == DType::S8;
  const ColumnPacker packer{source, ops, is_signed, flat, m.groups, group_bytes};
  for (int64_t o = 0; o < source.columns; ++o) {
    const auto i = static_cast<size_t>(o);
    uint8_t* out = data + o / kPanel * m.panel_bytes + o % kPanel * ops.group * ops.b_bytes;
    const uint8_t* column = source.data + o * source.column_stride;
    if (ops.kind == GemmKind::Dot4) {
      packer.bytes(column, source.zero[o], out, &m.sum[i], &m.abs_sum[i]);
      m.zero[i] = source.zero[o] - (is_signed ? 0 : 128);
      m.has_zero |= m.zero[i] != 0;
    } else {
      packer.words(column, source.zero[o], out, &m.sum[i], &m.abs_sum[i]);
    }
  }
  return m;
}

namespace {

bool same_layout(const View& a, const View& b) {
  return a.dtype == b.dtype && a.ndim == b.ndim &&
         std::equal(a.shape, a.shape + a.ndim, b.shape) &&
         std::equal(a.strides, a.strides + a.ndim, b.strides);
}

/// Calls body(pointer, bytes) for the runs that a view is made of, in a fixed order, until it
/// returns false.
template <typename Body>
bool for_runs(const View& view, const Body& body) {
  const LoopNest<1> nest(view.ndim, view.shape, {{view.data, view.strides}});
  const int64_t size = dtype_size(view.dtype);
  bool go_on = true;
  nest.run(nullptr, nest.inner, 1, [&](uint8_t* const* p, int64_t n) {
    if (nest.inner_stride[0] == size) {
      go_on = go_on && body(p[0], n * size);
    } else {
      for (int64_t i = 0; go_on && i < n; ++i) go_on = body(p[0] + i * nest.inner_stride[0], size);
    }
  });
  return go_on;
}

}  // namespace

bool Snapshot::matches(const View& view) const {
  if (bytes_.empty() || !same_layout(view, view_)) return false;
  const uint8_t* saved = bytes_.data();
  return for_runs(view, [&](const uint8_t* p, int64_t n) {
    const bool same = std::memcmp(saved, p, static_cast<size_t>(n)) == 0;
    saved += n;
    return same;
  });
}

void Snapshot::take(const View& view) {
  view_ = view;
  bytes_.resize(static_cast<size_t>(num_elements(view) * dtype_size(view.dtype)));
  uint8_t* saved = bytes_.data();
  for_runs(view, [&](const uint8_t* p, int64_t n) {
    std::memcpy(saved, p, static_cast<size_t>(n));
    saved += n;
    return true;
  });
}

}  // namespace pulsar2::kernels
