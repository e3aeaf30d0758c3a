// The decoder's part that reads jobs: their operands, parameters and waits.

#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <vector>

#include "decoder.h"

namespace pulsar2 {

void Decoder::read_jobs() {
  const size_t count = sections_[kJobs].count;
  program_.jobs.reserve(count);
  program_.operands.reserve(sections_[kOperands].count);
  program_.params.reserve(sections_[kParams].count);
  program_.waits.reserve(sections_[kWaits].count);
  for (size_t i = 0; i < count; ++i) {
    read_job(i);
    job_ = static_cast<int64_t>(i);
    for (uint32_t k = 0; k < program_.jobs[i].num_operands; ++k) read_operand(k);
    check_operand_count();
    read_waits();
  }
  job_ = -1;
  check_used(kOperands, program_.operands.size());
  check_used(kParams, program_.params.size());
  check_used(kWaits, program_.waits.size());
}

void Decoder::check_used(int section, size_t used) const {
  const Section& s = sections_[static_cast<size_t>(section)];
  if (used != s.count) {
    fail(s.offset + used * s.item, "%" PRIu64 " %s belong to no job", s.count - used, s.name);
  }
}

void Decoder::take(const uint8_t* p, int section, uint32_t count, size_t used) const {
  const Section& s = sections_[static_cast<size_t>(section)];
  if (count > s.count - used) {
    fail(offset_of(p), "job %zu has %u %s, %" PRIu64 " are left", program_.jobs.size(), count,
         s.name, s.count - used);
  }
}

void Decoder::read_job(size_t index) {
  const uint8_t* p = item(kJobs, index);
  Job job;
  job.eu = read_le<uint16_t>(p);
  job.opcode = read_le<uint16_t>(p + 2);
  job.num_operands = read_le<uint16_t>(p + 4);
  job.num_params = read_le<uint16_t>(p + 6);
  job.num_waits = read_le<uint32_t>(p + 8);
  job.label = read_le<uint32_t>(p + 12);
  job_ = -1;
  if (job.eu >= program_.eus.size())
    fail(offset_of(p), "job %zu is on unknown unit %u", index, job.eu);
  read_string(p + 12);
  take(p + 4, kOperands, job.num_operands, program_.operands.size());
  take(p + 6, kParams, job.num_params, program_.params.size());
  take(p + 8, kWaits, job.num_waits, program_.waits.size());
  job.first_operand = static_cast<uint32_t>(program_.operands.size());
  job.first_param = static_cast<uint32_t>(program_.params.size());
  job.first_wait = static_cast<uint32_t>(program_.waits.size());
  program_.jobs.push_back(job);
  job_ = static_cast<int64_t>(index);
  entry_ = find_kernel(job.opcode);
  if (entry_ == nullptr) fail(offset_of(p + 2), "unknown opcode %u", job.opcode);
  if (!runs_on(job.opcode, program_.eus[job.eu].kind)) {
    fail(offset_of(p + 2), "'%s' does not run on a %s unit", entry_->name,
         eu_kind_name(program_.eus[job.eu].kind));
  }
  if (job.num_params != static_cast<uint32_t>(entry_->num_params)) {
    fail(offset_of(p + 6), "'%s' has %d parameters, got %u", entry_->name, entry_->num_params,
         job.num_params);
  }
  const uint8_t* words = item(kParams, program_.params.size());
  for (uint32_t k = 0; k < job.num_params; ++k) {
    program_.params.push_back(read_le<int32_t>(words + 4 * k));
  }
  if (job.opcode == static_cast<uint16_t>(Opcode::Resize) &&
      program_.eus[job.eu].kind == EuKind::Cv && program_.params[job.first_param] != 0) {
    fail(offset_of(p + 2), "a cv unit repeats elements when it resizes, it does not interpolate");
  }
  int32_t required = 0;
  for (int32_t k = 0; k < entry_->num_operands; ++k) {
    required += entry_->operands[k].optional ? 0 : 1;
    if (entry_->operands[k].output) program_.jobs.back().output = k;
  }
  const auto given = static_cast<int32_t>(job.num_operands);
  if (given < required || given > entry_->num_operands) {
    fail(offset_of(p + 4), "'%s' has %d to %d operands, got %u", entry_->name, required,
         entry_->num_operands, job.num_operands);
  }
}

void Decoder::check_operand_count() const {
  const Job& job = program_.jobs.back();
  const int32_t* params = program_.params_of(job);
  int32_t expected = static_cast<int32_t>(job.num_operands);
  const auto given = [&](int first, int count) {
    return static_cast<int32_t>(
        std::count_if(params + first, params + first + count, [](int32_t p) { return p != 0; }));
  };
  switch (static_cast<Opcode>(job.opcode)) {
    case Opcode::Conv:
      expected = 4 + given(7, 3);
      break;
    case Opcode::Matmul:
      expected = 4 + given(0, 2);
      break;
    case Opcode::ConvSums:
      expected = 3 + given(7, 2);
      break;
    case Opcode::MatmulSums:
      expected = 3 + given(0, 1);
      break;
    default:
      break;
  }
  if (static_cast<int32_t>(job.num_operands) != expected) {
    fail(offset_of(item(kJobs, static_cast<size_t>(job_))) + 4,
         "'%s' with these parameters has %d operands, got %u", entry_->name, expected,
         job.num_operands);
  }
}

void Decoder::read_operand(uint32_t position) {
  const uint8_t* p = item(kOperands, program_.operands.size());
  const char* name = entry_->operands[position].name;
  Operand operand;
  if (p[0] >= kNumSpaces) fail(offset_of(p), "operand %s lies in unknown space %u", name, p[0]);
  operand.space = static_cast<Space>(p[0]);
  operand.dtype = read_dtype(p + 1);
  if (p[2] > kMaxDims)
    fail(offset_of(p + 2), "operand %s has %u dimensions, the most is %d", name, p[2], kMaxDims);
  operand.ndim = p[2];
  if (p[3] != 0) fail(offset_of(p + 3), "reserved byte of operand %s is not zero", name);
  operand.scale = read_f32(p + 4);
  if (!std::isfinite(operand.scale) || operand.scale <= 0) {
    fail(offset_of(p + 4), "scale %g of operand %s is not positive and finite",
         static_cast<double>(operand.scale), name);
  }
  operand.zero_point = read_le<int32_t>(p + 8);
  if (read_le<uint32_t>(p + 12) != 0)
    fail(offset_of(p + 12), "reserved word of operand %s is not zero", name);
  operand.address = read_le<uint64_t>(p + 16);
  const bool written = entry_->operands[position].output;
  uint64_t elements = 1;
  for (int d = 0; d < kMaxDims; ++d) {
    const uint8_t* at = p + 24 + 4 * d;
    const auto n = read_le<int32_t>(at);
    const auto stride = read_le<int32_t>(at + 24);
    if (d >= operand.ndim) {
      if (n != 0 || stride != 0)
        fail(offset_of(at), "operand %s has %d dimensions, but a number for dimension %d", name,
             operand.ndim, d);
      continue;
    }
    if (n <= 0) fail(offset_of(at), "dimension %d of operand %s is %d", d, name, n);
    if (stride < 0) fail(offset_of(at + 24), "stride %d of operand %s is %d", d, name, stride);
    if (written && stride == 0 && n > 1)
      fail(offset_of(at + 24), "operand %s is written, but repeats along dimension %d", name, d);
    elements *= static_cast<uint64_t>(n);
    if (elements > kMaxElements)
      fail(offset_of(at), "operand %s has more than %" PRIu64 " elements", name, kMaxElements);
    operand.shape[d] = n;
    operand.strides[d] = stride;
  }
  const uint64_t extent = operand_extent(operand);
  const uint64_t limit = program_.space_bytes[p[0]];
  if (extent > limit || operand.address > limit - extent) {
    fail(offset_of(p + 16),
         "operand %s lies at %s:[%" PRIu64 ":%" PRIu64 "], outside the %" PRIu64 " bytes there are",
         name, space_name(operand.space), operand.address, operand.address + extent, limit);
  }
  program_.operands.push_back(operand);
}

void Decoder::read_waits() {
  const Job& job = program_.jobs.back();
  int64_t last = -1;
  for (uint32_t k = 0; k < job.num_waits; ++k) {
    const uint8_t* p = item(kWaits, program_.waits.size());
    const auto other = read_le<uint32_t>(p);
    if (other >= sections_[kJobs].count) fail(offset_of(p), "waits for unknown job %u", other);
    if (other == job_) fail(offset_of(p), "waits for itself");
    if (other > job_) fail_later_wait(offset_of(p), other);
    if (static_cast<int64_t>(other) <= last)
      fail(offset_of(p), "waits for job %u are not in ascending order", other);
    last = other;
    program_.waits.push_back(other);
  }
}

void Decoder::fail_later_wait(size_t offset, uint32_t other) const {
  // What `other` needs to have ended: its waits, and the job before it in its queue. Only jobs
  // from `job_` on can lie on a cycle, and their records are read as far as they are sound.
  const size_t count = sections_[kJobs].count;
  std::vector<uint64_t> first_wait(count + 1);
  std::vector<uint32_t> before(count, UINT32_MAX);
  std::vector<uint32_t> last(size_t{1} << 16, UINT32_MAX);
  for (size_t i = 0; i < count; ++i) {
    const uint8_t* p = item(kJobs, i);
    const auto eu = read_le<uint16_t>(p);
    before[i] = last[eu];
    last[eu] = static_cast<uint32_t>(i);
    first_wait[i + 1] = first_wait[i] + read_le<uint32_t>(p + 8);
  }
  std::vector<bool> seen(count);
  std::vector<uint32_t> stack{other};
  const auto visit = [&](uint32_t job) {
    if (job < count && !seen[job]) {
      seen[job] = true;
      stack.push_back(job);
    }
  };
  while (!stack.empty()) {
    const uint32_t job = stack.back();
    stack.pop_back();
    if (static_cast<int64_t>(job) == job_) {
      fail(offset, "waits for job %u, which cannot start before this one has ended: a cycle",
           other);
    }
    visit(before[job]);
    for (uint64_t w = first_wait[job]; w < std::min(first_wait[job + 1], sections_[kWaits].count);
         ++w) {
      visit(read_le<uint32_t>(item(kWaits, static_cast<size_t>(w))));
    }
  }
  fail(offset, "waits for job %u, which stands later; jobs stand in a legal order", other);
}

}  // namespace pulsar2
