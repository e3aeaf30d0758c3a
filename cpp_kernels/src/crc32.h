#pragma once

#include <cstddef>
#include <cstdint>

namespace pulsar2 {

/// CRC-32 as in zlib (polynomial 0xEDB88320, reflected), continuing from `crc` (0 to begin).
uint32_t crc32(uint32_t crc, const uint8_t* data, size_t size);

}  // namespace pulsar2
