#include "pulsar2/sanitizer.h"

#include <algorithm>
#include <numeric>

#include "footprint.h"
#include "order.h"
#include "shadow.h"

namespace pulsar2 {

const char* finding_name(FindingKind kind) {
  static constexpr const char* kNames[] = {"race",        "unwritten",    "read-only",
                                           "unreachable", "self-overlap", "output-gap",
                                           "useless-wait"};
  return kNames[static_cast<size_t>(kind)];
}

namespace {

constexpr uint64_t kMaxShadowBytes = uint64_t{1} << 32;

bool element_by_element(uint16_t opcode) {
  switch (static_cast<Opcode>(opcode)) {
    case Opcode::Copy:
    case Opcode::Eltwise:
    case Opcode::Lut:
    case Opcode::Unary:
    case Opcode::Convert:
    // The only operand with elements like y's is the sums of earlier parts.
    case Opcode::ConvSums:
    case Opcode::MatmulSums:
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
      const auto index = static_cast<size_t>(space);
      const uint64_t bytes = program_.space_bytes[index];
      if (unit[index] == 0) continue;  // nothing touches it
      if (bytes > kMaxShadowBytes) {
        throw ProgramError(std::string("space ") + space_name(space) + " of " +
                           std::to_string(bytes) + " bytes is too large to check");
      }
      shadows_[index].open(bytes, unit[index]);
    }
    for (const IoTensor& io : program_.ios) {
      if (io.is_output) continue;
      shadows_[static_cast<size_t>(Space::Input)].update(
          io.address, io.address + io.nbytes,
          [](uint64_t, uint64_t, uint64_t) { return Shadow::make(kHost, 0); });
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
    footprint.for_each_run([&](uint64_t begin, uint64_t end) {
      shadow.update(begin, end, [&](uint64_t value, uint64_t from, uint64_t to) {
        return resolve(value, mode, from, to);
      });
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
    Shadow& shadow = shadows_[static_cast<size_t>(Space::Output)];
    for (const IoTensor& io : program_.ios) {
      if (!io.is_output || findings_.size() >= limit_) continue;
      Finding finding{FindingKind::OutputGap, -1, -1, Space::Output, UINT64_MAX, 0, ""};
      shadow.update(io.address, io.address + io.nbytes,
                    [&](uint64_t value, uint64_t begin, uint64_t end) {
                      if (Shadow::writer(value) == 0) {
                        finding.begin = std::min(finding.begin, begin);
                        finding.end = end;
                      }
                      return value;
                    });
      if (finding.end == 0) continue;
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
