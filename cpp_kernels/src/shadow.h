#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

namespace pulsar2 {

/// Readers of a byte since it was last written: per unit, one past the queue position of the last.
/// Set 0 is empty. A reader that is ordered before another is left out.
class ReaderSets {
 public:
  explicit ReaderSets(size_t units) : units_(units), table_(units) {}

  const uint32_t* get(uint32_t set) const { return table_.data() + set * units_; }
  uint32_t copy(uint32_t set) {
    const size_t at = table_.size();
    table_.resize(at + units_);
    std::copy_n(table_.begin() + static_cast<std::ptrdiff_t>(set * units_), units_,
                table_.begin() + static_cast<std::ptrdiff_t>(at));
    return static_cast<uint32_t>(at / units_);
  }
  uint32_t* edit(uint32_t set) { return table_.data() + set * units_; }

 private:
  size_t units_;
  std::vector<uint32_t> table_;
};

/// What is known of every cell of a space: the last writer plus 1, and the set of readers since.
/// A cell is `cell_bytes` bytes, a size that divides every access of the space. Pages of cells that
/// are all alike are kept, and updated, as one.
class Shadow {
 public:
  static uint32_t writer(uint64_t cell) { return static_cast<uint32_t>(cell); }
  static uint32_t readers(uint64_t cell) { return static_cast<uint32_t>(cell >> 32); }
  static uint64_t make(uint32_t writer, uint32_t readers) {
    return static_cast<uint64_t>(readers) << 32 | writer;
  }

  /// Makes a space of which nothing is known. Throws std::bad_alloc.
  void open(uint64_t bytes, uint64_t cell_bytes) {
    cell_bytes_ = cell_bytes;
    const uint64_t pages = bytes / cell_bytes / kPage + 1;
    pages_.assign(pages, 0);
    // Never touched where pages stay alike, so that the system need not find memory for it.
    cells_.reset(static_cast<uint64_t*>(std::malloc(pages * kPage * sizeof(uint64_t))));
    if (!cells_) throw std::bad_alloc();
  }

  /// Replaces the cells of bytes [begin, end) by what `change(cell, begin, end)` returns for each
  /// run of equal ones.
  template <typename Change>
  void update(uint64_t begin, uint64_t end, Change&& change) {
    const uint64_t stop = end / cell_bytes_;
    uint64_t cell = begin / cell_bytes_;
    while (cell < stop) {
      const uint64_t page = cell / kPage;
      const uint64_t upto = std::min(stop, (page + 1) * kPage);
      const bool whole = upto - cell == kPage;
      if (whole && pages_[page] != kMixed) {
        uint64_t next = page + 1;
        while ((next + 1) * kPage <= stop && pages_[next] == pages_[page]) ++next;
        const uint64_t result =
            change(pages_[page], cell * cell_bytes_, next * kPage * cell_bytes_);
        std::fill_n(pages_.begin() + static_cast<std::ptrdiff_t>(page), next - page, result);
        cell = next * kPage;
        continue;
      }
      if (pages_[page] != kMixed) {
        std::fill_n(cells_.get() + page * kPage, kPage, pages_[page]);
        pages_[page] = kMixed;
      }
      update_cells(cell, upto, change);
      const uint64_t* first = cells_.get() + cell;
      if (whole && std::all_of(first, first + kPage, [&](uint64_t c) { return c == *first; })) {
        pages_[page] = *first;
      }
      cell = upto;
    }
  }

 private:
  struct Free {
    void operator()(uint64_t* p) const { std::free(p); }
  };
  static constexpr uint64_t kPage = 256;
  /// No cell has this value: it would need 2^32 - 1 jobs and as many sets of readers.
  static constexpr uint64_t kMixed = UINT64_MAX;

  template <typename Change>
  void update_cells(uint64_t from, uint64_t upto, Change&& change) {
    uint64_t* const base = cells_.get();
    while (from < upto) {
      uint64_t next = from + 1;
      while (next < upto && base[next] == base[from]) ++next;
      const uint64_t result = change(base[from], from * cell_bytes_, next * cell_bytes_);
      std::fill(base + from, base + next, result);
      from = next;
    }
  }

  std::unique_ptr<uint64_t, Free> cells_;
  std::vector<uint64_t> pages_;
  uint64_t cell_bytes_ = 1;
};

/// What one access makes of a cell's value, and whether the checks of that value found nothing.
struct Known {
  uint64_t value;
  uint64_t result;
  bool clean;
};

/// The values that one access has met so far: a hash table that is emptied at no cost.
class KnownValues {
 public:
  void reset() {
    ++round_;
    count_ = 0;
  }

  Known* find(uint64_t value) {
    for (size_t i = slot(value);; i = (i + 1) & (entries_.size() - 1)) {
      if (entries_[i].round != round_) return nullptr;
      if (entries_[i].known.value == value) return &entries_[i].known;
    }
  }

  void insert(const Known& known) {
    if (++count_ * 2 > entries_.size()) grow();
    size_t i = slot(known.value);
    while (entries_[i].round == round_) i = (i + 1) & (entries_.size() - 1);
    entries_[i] = {known, round_};
  }

 private:
  struct Entry {
    Known known;
    uint64_t round;
  };

  size_t slot(uint64_t value) const {
    return static_cast<size_t>((value * 0x9E3779B97F4A7C15u) >> 32) & (entries_.size() - 1);
  }

  void grow() {
    std::vector<Entry> old(entries_.size() * 2, Entry{});
    old.swap(entries_);
    for (const Entry& entry : old) {
      if (entry.round != round_) continue;
      size_t i = slot(entry.known.value);
      while (entries_[i].round == round_) i = (i + 1) & (entries_.size() - 1);
      entries_[i] = entry;
    }
  }

  std::vector<Entry> entries_ = std::vector<Entry>(64, Entry{});
  uint64_t round_ = 1;
  size_t count_ = 0;
};

}  // namespace pulsar2
