#include "packed_matrix.h"

#include <algorithm>
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

constexpr int64_t kChunk = 256;  ///< elements of a column that are packed at a time

/// Some elements of the columns of one panel, as they lie in memory.
using Chunk = uint8_t[kPanel][kChunk];

/// Reads elements [first, first + n) of a tap for `columns` columns.
void read_chunk(const MatrixSource& source, const uint8_t* tap, int64_t columns, int64_t first,
                int64_t n, Chunk& chunk) {
  const uint8_t* src = tap + first * source.depth_stride;
  if (source.depth_stride == 1) {
    for (int64_t c = 0; c < columns; ++c) {
      std::memcpy(chunk[c], src + c * source.column_stride, static_cast<size_t>(n));
    }
  } else {
    for (int64_t k = 0; k < n; ++k) {
      const uint8_t* row = src + k * source.depth_stride;
      for (int64_t c = 0; c < columns; ++c) chunk[c][k] = row[c * source.column_stride];
    }
  }
}

/// Adds up a column's elements: packed values and magnitudes less the zero point.
template <typename T>
void add_up(const uint8_t* elements, int64_t n, int32_t zero, int32_t packed_offset, int32_t* sum,
            int64_t* abs_sum) {
  int32_t total = 0;
  int32_t magnitude = 0;
  for (int64_t k = 0; k < n; ++k) {
    const int32_t v = static_cast<T>(elements[k]);
    total += v - packed_offset;
    magnitude += v < zero ? zero - v : v - zero;
  }
  *sum = static_cast<int32_t>(static_cast<uint32_t>(*sum) + static_cast<uint32_t>(total));
  *abs_sum += magnitude;
}

/// Writes a chunk into a panel, groups of kGroup elements of type P after one another; `first` is
/// the position of the chunk in its run.
template <typename T, typename P, int kGroup>
void write_chunk(const Chunk& chunk, int64_t columns, int64_t first, int64_t n,
                 const int32_t* offset, uint8_t* panel) {
  constexpr int64_t kGroupBytes = int64_t{kPanel} * kGroup * sizeof(P);
  for (int64_t c = 0; c < columns; ++c) {
    const int32_t z = offset[c];
    for (int64_t k = 0; k < n; ++k) {
      const P v = static_cast<P>(static_cast<T>(chunk[c][k]) - z);
      const int64_t at = first + k;
      std::memcpy(panel + at / kGroup * kGroupBytes + (c * kGroup + at % kGroup) * sizeof(P), &v,
                  sizeof v);
    }
  }
}

template <typename T>
void write_chunk_of(GemmKind kind, const Chunk& chunk, int64_t columns, int64_t first, int64_t n,
                    const int32_t* offset, uint8_t* panel) {
  switch (kind) {
    case GemmKind::Dot4:
      return write_chunk<T, int8_t, 4>(chunk, columns, first, n, offset, panel);
    case GemmKind::Dot2:
      return write_chunk<T, int16_t, 2>(chunk, columns, first, n, offset, panel);
    case GemmKind::Dot1:
      return write_chunk<T, int16_t, 1>(chunk, columns, first, n, offset, panel);
  }
}

/// Packs the columns of one panel.
template <typename T>
void pack_panel(const MatrixSource& source, const GemmOps& ops, int64_t first_column,
                const int32_t* offset, PackedMatrix& m, uint8_t* panel) {
  const int64_t columns = std::min<int64_t>(kPanel, source.columns - first_column);
  const bool flat = m.taps == 1;
  Chunk chunk;
  for (int64_t t = 0; t < source.taps_h * source.taps_w; ++t) {
    const uint8_t* tap = source.data + first_column * source.column_stride +
                         t / source.taps_w * source.tap_h_stride +
                         t % source.taps_w * source.tap_w_stride;
    const int64_t start = t * (flat ? source.depth : m.groups * ops.group);
    for (int64_t k = 0; k < source.depth; k += kChunk) {
      const int64_t n = std::min(kChunk, source.depth - k);
      read_chunk(source, tap, columns, k, n, chunk);
      write_chunk_of<T>(ops.kind, chunk, columns, start + k, n, offset, panel);
      for (int64_t c = 0; c < columns; ++c) {
        const auto i = static_cast<size_t>(first_column + c);
        add_up<T>(chunk[c], n, source.zero[i], offset[c], &m.sum[i], &m.abs_sum[i]);
      }
    }
  }
}

}  // namespace

PackedMatrix pack_matrix(const MatrixSource& source, const GemmOps& ops, bool flat) {
  PackedMatrix m;
  const int64_t taps = source.taps_h * source.taps_w;
  m.kind = ops.kind;
  m.columns = source.columns;
  m.taps = flat ? 1 : taps;
  m.depth = flat ? taps * source.depth : source.depth;
  m.groups = (m.depth + ops.group - 1) / ops.group;
  m.panel_bytes = m.taps * m.groups * kPanel * ops.group * ops.b_bytes;
  const auto padded = static_cast<size_t>(m.panels() * kPanel);
  m.sum.assign(padded, 0);
  m.abs_sum.assign(padded, 0);
  m.zero.assign(padded, 0);
  const auto size = static_cast<size_t>(m.panels() * m.panel_bytes);
  uint8_t* data = m.data.reserve(size);
  std::memset(data, 0, size);
  const bool is_signed = source.dtype == DType::S8;
  for (int64_t first = 0; first < source.columns; first += kPanel) {
    // What packing subtracts: U8 becomes S8 for Dot4, 16-bit elements lose their zero point.
    int32_t offset[kPanel] = {};
    for (int64_t c = 0; c < std::min<int64_t>(kPanel, source.columns - first); ++c) {
      const auto i = static_cast<size_t>(first + c);
      offset[c] = ops.kind == GemmKind::Dot4 ? (is_signed ? 0 : 128) : source.zero[i];
      m.zero[i] = source.zero[i] - offset[c];
      m.has_zero |= m.zero[i] != 0;
    }
    uint8_t* panel = data + first / kPanel * m.panel_bytes;
    if (is_signed) {
      pack_panel<int8_t>(source, ops, first, offset, m, panel);
    } else {
      pack_panel<uint8_t>(source, ops, first, offset, m, panel);
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
