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

/// Some elements of the columns of one panel.
using Chunk = int16_t[kPanel][kChunk];

template <typename T>
struct ByteOf {
  static constexpr int64_t kSize = 1;
  static int16_t read(const uint8_t* p) { return static_cast<T>(*p); }
};

/// Half of a 16-bit element whose sign bit is flipped by kFlip.
template <uint16_t kFlip, Part kPart>
struct HalfOf {
  static constexpr int64_t kSize = 2;
  static int16_t read(const uint8_t* p) {
    const int16_t v = static_cast<int16_t>(load_as<uint16_t>(p) ^ kFlip);
    return static_cast<int16_t>(kPart == Part::High ? v >> 8 : v & 255);
  }
};

/// Reads elements [first, first + n) of a tap for `columns` columns.
template <typename E>
void read_chunk(const MatrixSource& source, const uint8_t* tap, int64_t columns, int64_t first,
                int64_t n, Chunk& chunk) {
  const uint8_t* src = tap + first * source.depth_stride;
  if (source.depth_stride == E::kSize) {
    for (int64_t c = 0; c < columns; ++c) {
      const uint8_t* column = src + c * source.column_stride;
      for (int64_t k = 0; k < n; ++k) chunk[c][k] = E::read(column + k * E::kSize);
    }
  } else {
    for (int64_t k = 0; k < n; ++k) {
      const uint8_t* row = src + k * source.depth_stride;
      for (int64_t c = 0; c < columns; ++c) chunk[c][k] = E::read(row + c * source.column_stride);
    }
  }
}

/// Adds up a column's elements: packed values, and magnitudes less the zero point.
void add_up(const int16_t* elements, int64_t n, int32_t zero, int32_t packed_offset, int32_t* sum,
            int64_t* abs_sum) {
  int32_t total = 0;
  int32_t magnitude = 0;
  for (int64_t k = 0; k < n; ++k) {
    const int32_t v = elements[k];
    total += v - packed_offset;
    magnitude += v < zero ? zero - v : v - zero;
  }
  *sum = static_cast<int32_t>(static_cast<uint32_t>(*sum) + static_cast<uint32_t>(total));
  *abs_sum += magnitude;
}

/// Writes a chunk into a panel, groups of kGroup elements of type P after one another; `first` is
/// the position of the chunk in its run.
template <typename P, int kGroup>
void write_chunk(const Chunk& chunk, int64_t columns, int64_t first, int64_t n,
                 const int32_t* offset, uint8_t* panel) {
  constexpr int64_t kSize = sizeof(P);
  constexpr int64_t kGroupBytes = kPanel * kGroup * kSize;
  for (int64_t c = 0; c < columns; ++c) {
    const int32_t z = offset[c];
    for (int64_t k = 0; k < n; ++k) {
      const P v = static_cast<P>(chunk[c][k] - z);
      const int64_t at = first + k;
      std::memcpy(panel + at / kGroup * kGroupBytes + (c * kGroup + at % kGroup) * kSize, &v,
                  sizeof v);
    }
  }
}

void write_chunk_of(GemmKind kind, const Chunk& chunk, int64_t columns, int64_t first, int64_t n,
                    const int32_t* offset, uint8_t* panel) {
  switch (kind) {
    case GemmKind::Dot4:
      return write_chunk<int8_t, 4>(chunk, columns, first, n, offset, panel);
    case GemmKind::Dot2:
      return write_chunk<int16_t, 2>(chunk, columns, first, n, offset, panel);
    case GemmKind::Dot1:
      return write_chunk<int16_t, 1>(chunk, columns, first, n, offset, panel);
  }
}

/// Packs the columns of one panel.
template <typename E>
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
      read_chunk<E>(source, tap, columns, k, n, chunk);
      write_chunk_of(ops.kind, chunk, columns, start + k, n, offset, panel);
      for (int64_t c = 0; c < columns; ++c) {
        const auto i = static_cast<size_t>(first_column + c);
        add_up(chunk[c], n, source.zero[i], offset[c], &m.sum[i], &m.abs_sum[i]);
      }
    }
  }
}

}  // namespace

PackedMatrix pack_matrix(const MatrixSource& source, const GemmOps& ops, bool flat, Part part) {
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
  for (int64_t first = 0; first < source.columns; first += kPanel) {
    // What packing subtracts: U8 becomes S8 for Dot4, other bytes lose their zero point.
    int32_t offset[kPanel] = {};
    for (int64_t c = 0; c < std::min<int64_t>(kPanel, source.columns - first); ++c) {
      const auto i = static_cast<size_t>(first + c);
      if (part != Part::Byte) continue;
      offset[c] = source.zero[i];
      if (ops.kind == GemmKind::Dot4) offset[c] = source.dtype == DType::U8 ? 128 : 0;
      m.zero[i] = source.zero[i] - offset[c];
      m.has_zero |= m.zero[i] != 0;
    }
    uint8_t* panel = data + first / kPanel * m.panel_bytes;
    const auto pack = [&](auto fn) { fn(source, ops, first, offset, m, panel); };
    if (part == Part::High) {
      source.dtype == DType::U16 ? pack(pack_panel<HalfOf<0x8000, Part::High>>)
                                 : pack(pack_panel<HalfOf<0, Part::High>>);
    } else if (part == Part::Low) {
      source.dtype == DType::U16 ? pack(pack_panel<HalfOf<0x8000, Part::Low>>)
                                 : pack(pack_panel<HalfOf<0, Part::Low>>);
    } else {
      source.dtype == DType::U8 ? pack(pack_panel<ByteOf<uint8_t>>)
                                : pack(pack_panel<ByteOf<int8_t>>);
    }
  }
  return m;
}

PackedFactor pack_factor(const MatrixSource& source, const GemmOps& ops, bool flat) {
  PackedFactor f;
  f.wide = source.dtype == DType::U16 || source.dtype == DType::S16;
  f.zero.assign(static_cast<size_t>(source.columns), 0);
  if (!f.wide) {
    f.matrix = pack_matrix(source, ops, flat);
    return f;
  }
  f.matrix = pack_matrix(source, ops, flat, Part::Low);
  f.high = pack_matrix(source, ops, flat, Part::High);
  const int32_t shift = source.dtype == DType::U16 ? 32768 : 0;
  for (int64_t c = 0; c < source.columns; ++c) {
    f.zero[static_cast<size_t>(c)] = source.zero[c] - shift;
  }
  return f;
}

namespace {

bool same_layout(const View& a, const View& b) {
  return a.dtype == b.dtype && a.ndim == b.ndim && std::equal(a.shape, a.shape + a.ndim, b.shape) &&
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

bool Snapshot::matches(const View& view, bool constant) const {
  if (!taken_ || !same_layout(view, view_)) return false;
  if (constant) return true;
  if (bytes_.empty()) return false;
  const uint8_t* saved = bytes_.data();
  return for_runs(view, [&](const uint8_t* p, int64_t n) {
    const bool same = std::memcmp(saved, p, static_cast<size_t>(n)) == 0;
    saved += n;
    return same;
  });
}

void Snapshot::take(const View& view, bool constant) {
  view_ = view;
  taken_ = true;
  bytes_.clear();
  if (constant) return;
  bytes_.resize(static_cast<size_t>(num_elements(view) * dtype_size(view.dtype)));
  uint8_t* saved = bytes_.data();
  for_runs(view, [&](const uint8_t* p, int64_t n) {
    std::memcpy(saved, p, static_cast<size_t>(n));
    saved += n;
    return true;
  });
}

}  // namespace pulsar2::kernels
