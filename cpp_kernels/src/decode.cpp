#include <algorithm>
#include <array>
#include <cinttypes>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <set>
#include <utility>

#include "crc32.h"
#include "format.h"
#include "pulsar2/program.h"

namespace pulsar2 {
namespace {

using namespace format;

template <typename T>
T read_le(const uint8_t* p) {
  uint64_t value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) value |= static_cast<uint64_t>(p[i]) << (8 * i);
  return static_cast<T>(value);
}

float read_f32(const uint8_t* p) {
  const auto bits = read_le<uint32_t>(p);
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

bool valid_utf8(std::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    const auto c = static_cast<uint8_t>(text[i]);
    const int more = c < 0x80                ? 0
                     : c >= 0xC2 && c < 0xE0 ? 1
                     : (c & 0xF0) == 0xE0    ? 2
                     : c >= 0xF0 && c < 0xF5 ? 3
                                             : -1;
    if (more < 0 || i + static_cast<size_t>(more) >= text.size()) return false;
    uint32_t code = more == 0 ? c : c & (0x3Fu >> more);
    for (int k = 1; k <= more; ++k) {
      const auto next = static_cast<uint8_t>(text[i + static_cast<size_t>(k)]);
      if ((next & 0xC0) != 0x80) return false;
      code = code << 6 | (next & 0x3Fu);
    }
    // Overlong forms, surrogates and codes past the last plane are not UTF-8.
    if ((more == 2 && code < 0x800) || (more == 3 && (code < 0x10000 || code > 0x10FFFF)) ||
        (code >= 0xD800 && code < 0xE000)) {
      return false;
    }
    i += static_cast<size_t>(more) + 1;
  }
  return true;
}

class Decoder {
 public:
  Decoder(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  Program run() {
    read_header();
    read_strings();
    read_eus();
    read_ios();
    read_jobs();
    return std::move(program_);
  }

 private:
  struct Section {
    const char* name;
    size_t offset;
    uint64_t count;
    size_t item;
  };
  enum { kEus, kIos, kJobs, kOperands, kParams, kWaits, kStringEnds, kStringBytes, kNumSections };

  [[noreturn]] void fail(size_t offset, const char* format, ...) const
      __attribute__((format(printf, 3, 4))) {
    char text[512];
    va_list args;
    va_start(args, format);
    std::vsnprintf(text, sizeof text, format, args);
    va_end(args);
    std::string message;
    if (job_ >= 0) message = program_.job_name(static_cast<size_t>(job_)) + ": ";
    throw ProgramError(message + text + " (byte " + std::to_string(offset) + ")");
  }

  const uint8_t* item(int section, size_t index) const {
    const Section& s = sections_[static_cast<size_t>(section)];
    return data_ + s.offset + index * s.item;
  }
  size_t offset_of(const uint8_t* p) const { return static_cast<size_t>(p - data_); }

  void read_header() {
    if (size_ < kHeaderSize)
      fail(size_, "truncated: a program begins with a header of %zu bytes", kHeaderSize);
    if (std::memcmp(data_, kMagic, sizeof kMagic) != 0)
      fail(0, "this is not a program: wrong magic");
    const auto version = read_le<uint16_t>(data_ + kVersionOffset);
    if (version != kVersion) {
      fail(kVersionOffset, "program format version %u; this library reads version %u", version,
           kVersion);
    }
    const auto header = read_le<uint16_t>(data_ + kHeaderSizeOffset);
    if (header != kHeaderSize)
      fail(kHeaderSizeOffset, "header of %u bytes, expected %zu", header, kHeaderSize);
    const auto total = read_le<uint64_t>(data_ + kTotalOffset);
    if (total > size_) fail(size_, "truncated: %zu bytes of %" PRIu64, size_, total);
    if (total < size_)
      fail(static_cast<size_t>(total), "%" PRIu64 " bytes after the end", size_ - total);
    static constexpr std::array<std::pair<const char*, size_t>, kNumSections> kLayout = {{
        {"units", kEuSize},
        {"inputs and outputs", kIoSize},
        {"jobs", kJobSize},
        {"operands", kOperandSize},
        {"parameters", 4},
        {"waits", 4},
        {"string ends", 4},
        {"strings", 1},
    }};
    uint64_t offset = kHeaderSize;
    for (size_t i = 0; i < kNumSections; ++i) {
      const auto count = read_le<uint32_t>(data_ + kCountsOffset + 4 * i);
      sections_[i] = {kLayout[i].first, static_cast<size_t>(offset), count, kLayout[i].second};
      offset += static_cast<uint64_t>(count) * kLayout[i].second;
      if (offset > total) {
        fail(kCountsOffset + 4 * i,
             "section '%s' of %u items ends at byte %" PRIu64 ", past the end", kLayout[i].first,
             count, offset);
      }
    }
    if (offset != total)
      fail(static_cast<size_t>(offset), "%" PRIu64 " bytes belong to no section", total - offset);
    static constexpr uint8_t kZero[4] = {};
    uint32_t crc = crc32(0, data_, kCrcOffset);
    crc = crc32(crc, kZero, sizeof kZero);
    crc = crc32(crc, data_ + kCrcOffset + 4, size_ - kCrcOffset - 4);
    const auto expected = read_le<uint32_t>(data_ + kCrcOffset);
    if (crc != expected) fail(kCrcOffset, "corrupt: CRC %08x, expected %08x", crc, expected);
    for (size_t i = 0; i < kNumSpaces; ++i) {
      program_.space_bytes[i] = read_le<uint64_t>(data_ + kSpacesOffset + 8 * i);
      if (program_.space_bytes[i] > kMaxSpaceBytes) {
        fail(kSpacesOffset + 8 * i, "%s of %" PRIu64 " bytes, the most is %" PRIu64,
             space_name(static_cast<Space>(i)), program_.space_bytes[i], kMaxSpaceBytes);
      }
    }
  }

  void read_strings() {
    const size_t count = sections_[kStringEnds].count;
    const size_t nbytes = sections_[kStringBytes].count;
    if (count < 2)
      fail(kCountsOffset + 4 * kStringEnds, "target and npu_mode are missing: %zu strings", count);
    program_.string_bytes.assign(reinterpret_cast<const char*>(item(kStringBytes, 0)), nbytes);
    program_.string_ends.resize(count);
    uint32_t last = 0;
    for (size_t i = 0; i < count; ++i) {
      const uint8_t* p = item(kStringEnds, i);
      const auto end = read_le<uint32_t>(p);
      if (end < last || end > nbytes)
        fail(offset_of(p), "string %zu ends at %u of %zu bytes", i, end, nbytes);
      program_.string_ends[i] = end;
      if (!valid_utf8(program_.string(static_cast<uint32_t>(i)))) {
        fail(offset_of(item(kStringBytes, last)), "string %zu is not UTF-8", i);
      }
      last = end;
    }
    if (last != nbytes) fail(offset_of(item(kStringBytes, last)), "bytes after the last string");
    program_.target = program_.string(0);
    program_.npu_mode = program_.string(1);
  }

  void read_eus() {
    const size_t count = sections_[kEus].count;
    if (count > kMaxEus) fail(kCountsOffset, "%zu units, the most is %zu", count, kMaxEus);
    std::set<std::pair<uint8_t, uint16_t>> seen;
    for (size_t i = 0; i < count; ++i) {
      const uint8_t* p = item(kEus, i);
      if (p[0] >= kNumEuKinds) fail(offset_of(p), "unit %zu is of unknown class %u", i, p[0]);
      if (p[1] != 0) fail(offset_of(p + 1), "reserved byte of unit %zu is not zero", i);
      const auto index = read_le<uint16_t>(p + 2);
      if (!seen.insert({p[0], index}).second) {
        fail(offset_of(p), "unit %zu: %s %u is there twice", i,
             eu_kind_name(static_cast<EuKind>(p[0])), index);
      }
      program_.eus.push_back({static_cast<EuKind>(p[0]), index});
    }
  }

  DType read_dtype(const uint8_t* p) const {
    if (*p > static_cast<uint8_t>(DType::U4)) fail(offset_of(p), "unknown element type %u", *p);
    return static_cast<DType>(*p);
  }

  std::string_view read_string(const uint8_t* p) const {
    const auto index = read_le<uint32_t>(p);
    if (index >= program_.string_ends.size()) fail(offset_of(p), "there is no string %u", index);
    return program_.string(index);
  }

  void read_ios() {
    std::set<std::string> names;
    std::vector<std::pair<uint64_t, uint64_t>> ranges[2];
    for (size_t i = 0; i < sections_[kIos].count; ++i) {
      const uint8_t* p = item(kIos, i);
      IoTensor io;
      io.address = read_le<uint64_t>(p);
      io.nbytes = read_le<uint64_t>(p + 8);
      io.name = read_string(p + 16);
      if (io.name.empty() || !names.insert(io.name).second) {
        fail(offset_of(p + 16), "name '%.200s' of an input or output is empty or there twice",
             io.name.c_str());
      }
      io.dtype = read_dtype(p + 20);
      if (dtype_bits(io.dtype) < 8)
        fail(offset_of(p + 20), "'%.200s' has a 4-bit type", io.name.c_str());
      const uint8_t ndim = p[21];
      if (ndim > kMaxDims)
        fail(offset_of(p + 21), "'%.200s' has %u dimensions", io.name.c_str(), ndim);
      if (p[22] > 1)
        fail(offset_of(p + 22), "'%.200s' is neither input nor output", io.name.c_str());
      io.is_output = p[22] == 1;
      if (p[23] != 0)
        fail(offset_of(p + 23), "reserved byte of '%.200s' is not zero", io.name.c_str());
      uint64_t size = static_cast<uint64_t>(dtype_bits(io.dtype) / 8);
      for (int d = 0; d < kMaxDims; ++d) {
        const auto n = read_le<uint32_t>(p + 24 + 4 * d);
        if (d >= ndim ? n != 0 : n == 0) {
          fail(offset_of(p + 24 + 4 * d), "dimension %d of '%.200s' is %u", d, io.name.c_str(), n);
        }
        if (d < ndim) {
          size = n > kMaxSpaceBytes / size ? kMaxSpaceBytes + 1 : size * n;
          size = std::min(size, kMaxSpaceBytes + 1);
          io.shape.push_back(n);
        }
      }
      if (size != io.nbytes) {
        fail(offset_of(p + 8), "'%.200s' has %" PRIu64 " bytes, its shape %" PRIu64,
             io.name.c_str(), io.nbytes, size);
      }
      const Space space = io.is_output ? Space::Output : Space::Input;
      const uint64_t limit = program_.space_bytes[static_cast<size_t>(space)];
      if (io.nbytes > limit || io.address > limit - io.nbytes) {
        fail(offset_of(p),
             "'%.200s' lies at %s:[%" PRIu64 ":%" PRIu64 "], outside the %" PRIu64
             " bytes there are",
             io.name.c_str(), space_name(space), io.address, io.address + io.nbytes, limit);
      }
      ranges[io.is_output ? 1 : 0].push_back({io.address, io.address + io.nbytes});
      program_.ios.push_back(std::move(io));
    }
    for (auto& list : ranges) {
      std::sort(list.begin(), list.end());
      for (size_t i = 1; i < list.size(); ++i) {
        if (list[i].first < list[i - 1].second) {
          fail(sections_[kIos].offset, "two tensors share bytes from %" PRIu64 " of one segment",
               list[i].first);
        }
      }
    }
  }

  void read_jobs() {
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

  void check_used(int section, size_t used) const {
    const Section& s = sections_[static_cast<size_t>(section)];
    if (used != s.count) {
      fail(s.offset + used * s.item, "%" PRIu64 " %s belong to no job", s.count - used, s.name);
    }
  }

  void take(const uint8_t* p, int section, uint32_t count, size_t used) const {
    const Section& s = sections_[static_cast<size_t>(section)];
    if (count > s.count - used) {
      fail(offset_of(p), "job %zu has %u %s, %" PRIu64 " are left", program_.jobs.size(), count,
           s.name, s.count - used);
    }
  }

  void read_job(size_t index) {
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

  /// Optional operands are there when the parameters say so.
  void check_operand_count() const {
    const Job& job = program_.jobs.back();
    const int32_t* params = program_.params_of(job);
    int32_t expected = static_cast<int32_t>(job.num_operands);
    if (job.opcode == static_cast<uint16_t>(Opcode::Conv)) {
      expected = 4 + (params[7] != 0 ? 1 : 0) + (params[8] != 0 ? 1 : 0);
    } else if (job.opcode == static_cast<uint16_t>(Opcode::Matmul)) {
      expected = 4 + (params[0] != 0 ? 1 : 0);
    }
    if (static_cast<int32_t>(job.num_operands) != expected) {
      fail(offset_of(item(kJobs, static_cast<size_t>(job_))) + 4,
           "'%s' with these parameters has %d operands, got %u", entry_->name, expected,
           job.num_operands);
    }
  }

  void read_operand(uint32_t position) {
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
           "operand %s lies at %s:[%" PRIu64 ":%" PRIu64 "], outside the %" PRIu64
           " bytes there are",
           name, space_name(operand.space), operand.address, operand.address + extent, limit);
    }
    program_.operands.push_back(operand);
  }

  void read_waits() {
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

  /// Job `job_` waits for a later one: says whether that is a cycle or only out of order.
  [[noreturn]] void fail_later_wait(size_t offset, uint32_t other) const {
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

  static constexpr size_t kMaxEus = 256;
  static constexpr uint64_t kMaxElements = uint64_t{1} << 31;

  const uint8_t* data_;
  size_t size_;
  int64_t job_ = -1;
  const KernelEntry* entry_ = nullptr;
  std::array<Section, kNumSections> sections_{};
  Program program_;
};

}  // namespace

Program decode_program(const uint8_t* data, size_t size) { return Decoder(data, size).run(); }

}  // namespace pulsar2
