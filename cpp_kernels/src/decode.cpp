#include <algorithm>
#include <cinttypes>
#include <cstdarg>
#include <cstdio>
#include <set>
#include <utility>

#include "crc32.h"
#include "decoder.h"

namespace pulsar2 {

using namespace format;

namespace {

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

}  // namespace

Program Decoder::run() {
  read_header();
  read_strings();
  read_eus();
  read_ios();
  read_jobs();
  return std::move(program_);
}

void Decoder::fail(size_t offset, const char* format, ...) const {
  char text[512];
  va_list args;
  va_start(args, format);
  std::vsnprintf(text, sizeof text, format, args);
  va_end(args);
  std::string message;
  if (job_ >= 0) message = program_.job_name(static_cast<size_t>(job_)) + ": ";
  throw ProgramError(message + text + " (byte " + std::to_string(offset) + ")");
}

void Decoder::read_header() {
  if (size_ < kHeaderSize)
    fail(size_, "truncated: a program begins with a header of %zu bytes", kHeaderSize);
  if (std::memcmp(data_, kMagic, sizeof kMagic) != 0) fail(0, "this is not a program: wrong magic");
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
      fail(kCountsOffset + 4 * i, "section '%s' of %u items ends at byte %" PRIu64 ", past the end",
           kLayout[i].first, count, offset);
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
  program_.ddr_limit = read_le<uint64_t>(data_ + kDdrLimitOffset);
  if (program_.ddr_limit != 0 && program_.ddr_limit < kLeastDdrLimit) {
    fail(kDdrLimitOffset, "DDR limit of %" PRIu64 " bytes per second, the least is %" PRIu64,
         program_.ddr_limit, kLeastDdrLimit);
  }
}

void Decoder::read_strings() {
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

void Decoder::read_eus() {
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

DType Decoder::read_dtype(const uint8_t* p) const {
  if (*p > static_cast<uint8_t>(DType::U4)) fail(offset_of(p), "unknown element type %u", *p);
  return static_cast<DType>(*p);
}

std::string_view Decoder::read_string(const uint8_t* p) const {
  const auto index = read_le<uint32_t>(p);
  if (index >= program_.string_ends.size()) fail(offset_of(p), "there is no string %u", index);
  return program_.string(index);
}

void Decoder::read_ios() {
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
    if (p[22] > 1) fail(offset_of(p + 22), "'%.200s' is neither input nor output", io.name.c_str());
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
      fail(offset_of(p + 8), "'%.200s' has %" PRIu64 " bytes, its shape %" PRIu64, io.name.c_str(),
           io.nbytes, size);
    }
    const Space space = io.is_output ? Space::Output : Space::Input;
    const uint64_t limit = program_.space_bytes[static_cast<size_t>(space)];
    if (io.nbytes > limit || io.address > limit - io.nbytes) {
      fail(offset_of(p),
           "'%.200s' lies at %s:[%" PRIu64 ":%" PRIu64 "], outside the %" PRIu64 " bytes there are",
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

Program decode_program(const uint8_t* data, size_t size) { return Decoder(data, size).run(); }

}  // namespace pulsar2
