#include "pulsar2/sanitizer.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>
#include <numeric>

#include "footprint.h"
#include "order.h"

namespace pulsar2 {

const char* finding_name(FindingKind kind) {
  static constexpr const char* kNames[] = {"race",        "unwritten",    "read-only",
                                           "unreachable", "self-overlap", "output-gap",
                                           "useless-wait"};
  return kNames[static_cast<size_t>(kind)];
}

namespace {

constexpr uint64_t kMaxShadowBytes = uint64_t{1} << 32;

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
/// A cell is `cell_bytes` bytes, a size that divides every access of the space.
struct Shadow {
  struct Free {
    void operator()(uint64_t* p) const { std::free(p); }
  };
  std::unique_ptr<uint64_t, Free> cells;
  uint64_t count = 0;
  uint64_t cell_bytes = 1;

  static uint32_t writer(uint64_t cell) { return static_cast<uint32_t>(cell); }
  static uint32_t readers(uint64_t cell) { return static_cast<uint32_t>(cell >> 32); }
  static uint64_t make(uint32_t writer, uint32_t readers) {
    return static_cast<uint64_t>(readers) << 32 | writer;
  }
};

bool element_by_element(uint16_t opcode) {
  switch (static_cast<Opcode>(opcode)) {
    case Opcode::Copy:
    case Opcode::Eltwise:
    case Opcode::Lut:
    case Opcode::Unary:
    case Opcode::Convert:
      return true;
    default:
      return false;
  }
}

bool same_elements(const Operand& a, const Operand& b) {
  return a.address == b.address && a.space == b.space && a.ndim == b.ndim &&
         dtype_bits(a.dtype) == dtype_bits(b.dtype) &&
         std::equal(a.shape, a.shape + kMaxDims, b.shape) &&
         std::equal(a.strides, a.strides + kMaxDims, b.strides);
}

enum class Access { Read, ReadInPlace, Write };

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

class Sanitizer {
 public:
  Sanitizer(const Program& program, size_t limit)
      : program_(program), limit_(limit), order_(program), sets_(program.eus.size()) {}

  std::vector<Finding> run() {
    prepare();
    for (uint32_t job = 0; job < program_.jobs.size() && findings_.size() < limit_; ++job)
      check_job(job);
    check_outputs();
    if (findings_.size() > limit_) findings_.resize(limit_);
    return std::move(findings_);
  }

 private:
  void prepare() {
    footprints_.reserve(program_.operands.size());
    uint64_t unit[kNumSpaces] = {};
    for (const Operand& operand : program_.operands) {
      const Footprint f = footprint_of(operand);
      uint64_t& g = unit[static_cast<size_t>(operand.space)];
      g = std::gcd(std::gcd(g, f.begin), f.run);
      for (int d = 0; d < f.dims; ++d) g = std::gcd(g, f.stride[d]);
      if (f.units_per_byte != 1) g = 1;
      footprints_.push_back(f);
    }
    for (const IoTensor& io : program_.ios) {
      uint64_t& g = unit[static_cast<size_t>(io.is_output ? Space::Output : Space::Input)];
      g = std::gcd(std::gcd(g, io.address), io.nbytes);
    }
    for (const Space space : {Space::Ocm, Space::Input, Space::Output, Space::Swap}) {
      const uint64_t bytes = program_.space_bytes[static_cast<size_t>(space)];
      Shadow& shadow = shadows_[static_cast<size_t>(space)];
      shadow.cell_bytes = std::max<uint64_t>(unit[static_cast<size_t>(space)], 1);
      if (unit[static_cast<size_t>(space)] == 0) continue;  // nothing touches it
      if (bytes > kMaxShadowBytes) {
        throw ProgramError(std::string("space ") + space_name(space) + " of " +
                           std::to_string(bytes) + " bytes is too large to check");
      }
      shadow.count = bytes / shadow.cell_bytes + 1;
      // Zero pages from the system: a large space that is hardly touched costs little.
      shadow.cells.reset(static_cast<uint64_t*>(std::calloc(shadow.count, sizeof(uint64_t))));
      if (!shadow.cells) throw std::bad_alloc();
    }
    for (const IoTensor& io : program_.ios) {
      if (io.is_output) continue;
      Shadow& shadow = shadows_[static_cast<size_t>(Space::Input)];
      std::fill_n(shadow.cells.get() + io.address / shadow.cell_bytes,
                  io.nbytes / shadow.cell_bytes, kHost);
    }
  }

  void check_job(uint32_t index) {
    const Job& job = program_.jobs[index];
    job_ = index;
    only_me_ = 0;
    const Operand* operands = program_.operands_of(job);
    for (uint32_t i = 0; i < job.num_operands; ++i) {
      check_reach(operands[i], static_cast<int32_t>(i) == job.output);
    }
    const Operand& y = operands[job.output];
    for (uint32_t i = 0; i < job.num_operands; ++i) {
      if (static_cast<int32_t>(i) == job.output || operands[i].space == Space::Param) continue;
      // An element that is read, then overwritten by its own result, is no reader to compare with.
      const bool in_place = element_by_element(job.opcode) && same_elements(operands[i], y);
      access(operands[i], footprints_[job.first_operand + i],
             in_place ? Access::ReadInPlace : Access::Read);
    }
    if (y.space == Space::Input || y.space == Space::Param) {
      add(FindingKind::ReadOnly, -1, y.space, y.address, y.address + operand_extent(y));
    } else {
      access(y, footprints_[job.first_operand + static_cast<uint32_t>(job.output)], Access::Write);
    }
    for (const uint32_t wait : order_.useless_waits(program_, index)) {
      add(FindingKind::UselessWait, wait, Space::Ocm, 0, 0);
    }
  }

  void check_reach(const Operand& operand, bool written) {
    const EuKind kind = program_.eus[program_.jobs[job_].eu].kind;
    const bool ocm_only = kind == EuKind::Conv || (kind == EuKind::Teng && !written);
    if (ocm_only && in_ddr(operand.space)) {
      add(FindingKind::Unreachable, -1, operand.space, operand.address,
          operand.address + operand_extent(operand));
    }
  }

  void access(const Operand& operand, const Footprint& footprint, Access mode) {
    Shadow& shadow = shadows_[static_cast<size_t>(operand.space)];
    space_ = operand.space;
    hits_.clear();
    known_.reset();
    const uint64_t g = shadow.cell_bytes;
    footprint.for_each_run([&](uint64_t begin, uint64_t end) {
      uint64_t* cell = shadow.cells.get() + begin / g;
      uint64_t* const stop = shadow.cells.get() + end / g;
      while (cell != stop) {
        const uint64_t value = *cell;
        uint64_t* next = cell + 1;
        while (next != stop && *next == value) ++next;
        const uint64_t at = static_cast<uint64_t>(cell - shadow.cells.get()) * g;
        const uint64_t size = static_cast<uint64_t>(next - cell) * g;
        std::fill(cell, next, resolve(value, mode, at, at + size));
        cell = next;
      }
    });
    for (const Hit& hit : hits_) add(hit.kind, hit.other, space_, hit.begin, hit.end);
  }

  /// What a cell becomes by the access. Checks each different value once per access, if nothing is
  /// found.
  uint64_t resolve(uint64_t value, Access mode, uint64_t begin, uint64_t end) {
    if (Known* known = known_.find(value)) {
      if (!known->clean) check(value, mode, begin, end);
      return known->result;
    }
    const bool clean = check(value, mode, begin, end);
    uint64_t result = value;
    if (mode == Access::Write) result = Shadow::make(job_ + 1, 0);
    if (mode == Access::Read)
      result = Shadow::make(Shadow::writer(value), with_reader(Shadow::readers(value)));
    known_.insert({value, result, clean});
    return result;
  }

  /// Compares the job with those that touched a cell before. Whether nothing was found.
  bool check(uint64_t value, Access mode, uint64_t begin, uint64_t end) {
    const bool write = mode == Access::Write;
    const size_t before = num_hits_;
    const uint32_t writer = Shadow::writer(value);
    if (writer == 0) {
      if (!write) hit(FindingKind::Unwritten, -1, begin, end);
    } else if (writer != kHost && writer - 1 != job_ && !order_.before(writer - 1, job_)) {
      hit(FindingKind::Race, writer - 1, begin, end);
    }
    if (write && Shadow::readers(value) != 0) {
      const uint32_t* readers = sets_.get(Shadow::readers(value));
      for (uint32_t u = 0; u < order_.num_units(); ++u) {
        if (readers[u] == 0) continue;
        const uint32_t reader = order_.job_at(u, readers[u] - 1);
        if (reader == job_) {
          hit(FindingKind::SelfOverlap, -1, begin, end);
        } else if (!order_.before(reader, job_)) {
          hit(FindingKind::Race, reader, begin, end);
        }
      }
    }
    return num_hits_ == before;
  }

  uint32_t with_reader(uint32_t set) {
    const uint32_t unit = order_.unit(job_);
    const uint32_t me = order_.position(job_) + 1;
    if (sets_.get(set)[unit] == me) return set;
    bool alone = true;
    for (uint32_t u = 0; u < order_.num_units(); ++u) {
      const uint32_t last = sets_.get(set)[u];
      alone = alone && (last == 0 || order_.before(order_.job_at(u, last - 1), job_));
    }
    if (alone && only_me_ != 0) return only_me_;
    const uint32_t result = sets_.copy(set);
    uint32_t* readers = sets_.edit(result);
    for (uint32_t u = 0; u < order_.num_units(); ++u) {
      if (readers[u] != 0 && order_.before(order_.job_at(u, readers[u] - 1), job_)) readers[u] = 0;
    }
    readers[unit] = me;
    if (alone) only_me_ = result;
    return result;
  }

  void hit(FindingKind kind, int64_t other, uint64_t begin, uint64_t end) {
    ++num_hits_;
    for (Hit& h : hits_) {
      if (h.kind == kind && h.other == other) {
        h.begin = std::min(h.begin, begin);
        h.end = std::max(h.end, end);
        return;
      }
    }
    if (hits_.size() < limit_) hits_.push_back({kind, other, begin, end});
  }

  void check_outputs() {
    const Shadow& shadow = shadows_[static_cast<size_t>(Space::Output)];
    for (const IoTensor& io : program_.ios) {
      if (!io.is_output || findings_.size() >= limit_) continue;
      uint64_t first = UINT64_MAX;
      uint64_t last = 0;
      const uint64_t stop = (io.address + io.nbytes) / shadow.cell_bytes;
      for (uint64_t cell = io.address / shadow.cell_bytes; cell < stop; ++cell) {
        if (Shadow::writer(shadow.cells.get()[cell]) != 0) continue;
        first = std::min(first, cell);
        last = cell;
      }
      if (first == UINT64_MAX) continue;
      Finding finding{
          FindingKind::OutputGap,         -1, -1, Space::Output, first * shadow.cell_bytes,
          (last + 1) * shadow.cell_bytes, ""};
      finding.message =
          "output '" + io.name + "': bytes of " + range(finding) + " are never written";
      findings_.push_back(std::move(finding));
    }
  }

  static std::string range(const Finding& f) {
    return std::string(space_name(f.space)) + ":[" + std::to_string(f.begin) + ":" +
           std::to_string(f.end) + "]";
  }

  void add(FindingKind kind, int64_t other, Space space, uint64_t begin, uint64_t end) {
    Finding finding{kind, job_, other, space, begin, end, ""};
    const std::string where = range(finding);
    const std::string job = program_.job_name(job_);
    const std::string theirs = other < 0 ? "" : program_.job_name(static_cast<size_t>(other));
    switch (kind) {
      case FindingKind::Race:
        finding.message = job + " and " + theirs + " are not ordered, but share bytes of " + where +
                          ", and one writes them";
        break;
      case FindingKind::Unwritten:
        finding.message = job + " reads bytes of " + where + " that nothing has written";
        break;
      case FindingKind::ReadOnly:
        finding.message = job + " writes into " + where + ", which is read-only";
        break;
      case FindingKind::Unreachable:
        finding.message = job + " accesses " + where + ", which its unit cannot reach";
        break;
      case FindingKind::SelfOverlap:
        finding.message = job + " overwrites bytes of " + where + " that it reads";
        break;
      case FindingKind::OutputGap:
        break;  // has no job; check_outputs makes it
      case FindingKind::UselessWait:
        finding.message =
            job + " need not wait for " + theirs + ": queues and other waits imply it";
        break;
    }
    findings_.push_back(std::move(finding));
  }

  struct Hit {
    FindingKind kind;
    int64_t other;
    uint64_t begin;
    uint64_t end;
  };
  /// Written by the host, before the program starts.
  static constexpr uint32_t kHost = UINT32_MAX;

  const Program& program_;
  const size_t limit_;
  JobOrder order_;
  ReaderSets sets_;
  std::vector<Footprint> footprints_;
  Shadow shadows_[kNumSpaces];
  std::vector<Finding> findings_;
  std::vector<Hit> hits_;
  KnownValues known_;
  size_t num_hits_ = 0;
  uint32_t job_ = 0;
  uint32_t only_me_ = 0;
  Space space_ = Space::Ocm;
};

}  // namespace

std::vector<Finding> sanitize(const Program& program, size_t limit) {
  return Sanitizer(program, limit).run();
}

}  // namespace pulsar2
