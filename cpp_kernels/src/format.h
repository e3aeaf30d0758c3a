#pragma once

#include <cstddef>
#include <cstdint>

namespace pulsar2::format {

// The layout of a program's bytes; see docs/program-format.md. All numbers are little-endian.

constexpr char kMagic[8] = {'P', 'U', 'L', 'S', 'A', 'R', '2', '\0'};
constexpr uint16_t kVersion = 3;

constexpr size_t kHeaderSize = 104;
constexpr size_t kVersionOffset = 8;
constexpr size_t kHeaderSizeOffset = 10;
constexpr size_t kCrcOffset = 12;
constexpr size_t kTotalOffset = 16;
constexpr size_t kCountsOffset = 24;
constexpr size_t kSpacesOffset = 56;
constexpr size_t kDdrLimitOffset = 96;

constexpr size_t kEuSize = 4;
constexpr size_t kIoSize = 48;
constexpr size_t kJobSize = 16;
constexpr size_t kOperandSize = 72;

/// The spaces are at most this large, so that sums of byte counts cannot overflow.
constexpr uint64_t kMaxSpaceBytes = uint64_t{1} << 48;

/// A limit of the DDR bandwidth is at least so many bytes per second, so that no time overflows.
constexpr uint64_t kLeastDdrLimit = 1'000'000;

}  // namespace pulsar2::format
