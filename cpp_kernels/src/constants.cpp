#include <iterator>
#include <map>

#include "pulsar2/emulator.h"

namespace pulsar2 {
namespace {

/// A set of bytes, as disjoint ranges that do not touch.
class ByteRanges {
 public:
  void add(uint64_t begin, uint64_t end) {
    auto it = ranges_.upper_bound(begin);
    if (it != ranges_.begin() && std::prev(it)->second >= begin) {
      --it;
      begin = it->first;
    }
    while (it != ranges_.end() && it->first <= end) {
      end = std::max(end, it->second);
      it = ranges_.erase(it);
    }
    ranges_.emplace(begin, end);
  }

  void remove(uint64_t begin, uint64_t end) {
    auto it = ranges_.upper_bound(begin);
    if (it != ranges_.begin() && std::prev(it)->second > begin) --it;
    while (it != ranges_.end() && it->first < end) {
      const auto [low, high] = *it;
      it = ranges_.erase(it);
      if (low < begin) ranges_.emplace(low, begin);
      if (high > end) ranges_.emplace(end, high);
    }
  }

  bool contains(uint64_t begin, uint64_t end) const {
    auto it = ranges_.upper_bound(begin);
    return it != ranges_.begin() && std::prev(it)->second >= end;
  }

 private:
  std::map<uint64_t, uint64_t> ranges_;
};

/// Whether the view's elements fill all bytes between its first and its last.
bool is_packed(const Operand& v) {
  uint64_t bits = static_cast<uint64_t>(dtype_bits(v.dtype));
  for (int d = 0; d < v.ndim; ++d)
    bits *= v.strides[d] == 0 ? 1 : static_cast<uint64_t>(v.shape[d]);
  return bits == operand_extent(v) * 8;
}

}  // namespace

std::vector<uint32_t> constant_operands(const Program& program) {
  ByteRanges constant[kNumSpaces];
  const auto param = static_cast<size_t>(Space::Param);
  if (program.space_bytes[param] > 0) constant[param].add(0, program.space_bytes[param]);
  std::vector<uint32_t> masks;
  masks.reserve(program.jobs.size());
  for (const Job& job : program.jobs) {
    const Operand* operands = program.operands_of(job);
    uint32_t mask = 0;
    bool all = true;
    for (uint32_t i = 0; i < job.num_operands; ++i) {
      if (static_cast<int32_t>(i) == job.output) continue;
      const Operand& v = operands[i];
      if (constant[static_cast<size_t>(v.space)].contains(v.address,
                                                          v.address + operand_extent(v))) {
        mask |= 1u << i;
      } else {
        all = false;
      }
    }
    const Operand& y = operands[job.output];
    ByteRanges& written = constant[static_cast<size_t>(y.space)];
    const uint64_t end = y.address + operand_extent(y);
    if (!all) {
      written.remove(y.address, end);
    } else if (is_packed(y)) {
      written.add(y.address, end);
    }
    masks.push_back(mask);
  }
  return masks;
}

}  // namespace pulsar2
