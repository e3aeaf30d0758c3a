// Drives a libFuzzer target without libFuzzer, so that any compiler can run it in CI: every file of
// the corpus as it is, then changed at random, from a fixed seed, for so many rounds.
//
//   fuzz_decode_replay CORPUS_FOLDER ROUNDS

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

using Bytes = std::vector<uint8_t>;

std::vector<Bytes> read_corpus(const char* folder) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<Bytes> corpus;
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return corpus;
}

/// One small change: a byte, a number that is at some limit, a cut, or a piece of another file.
void change(Bytes* bytes, const std::vector<Bytes>& corpus, std::mt19937_64* random) {
  static constexpr uint64_t kNumbers[] = {0,          1,          2,          0x7F,
                                          0x80,       0xFF,       0x7FFF,     0xFFFF,
                                          0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, uint64_t{1} << 47,
                                          UINT64_MAX};
  const auto pick = [&](size_t n) {
    return static_cast<size_t>((*random)() % std::max<size_t>(n, 1));
  };
  if (bytes->empty()) return;
  const size_t at = pick(bytes->size());
  switch (pick(5)) {
    case 0:
      (*bytes)[at] = static_cast<uint8_t>((*random)());
      break;
    case 1:
      (*bytes)[at] ^= static_cast<uint8_t>(1u << pick(8));
      break;
    case 2: {
      const uint64_t number = kNumbers[pick(std::size(kNumbers))];
      const size_t width = size_t{1} << pick(4);
      for (size_t i = 0; i < width && at + i < bytes->size(); ++i) {
        (*bytes)[at + i] = static_cast<uint8_t>(number >> (8 * i));
      }
      break;
    }
    case 3: {
      const Bytes& other = corpus[pick(corpus.size())];
      const size_t from = pick(other.size());
      const size_t n = std::min({pick(32), other.size() - from, bytes->size() - at});
      std::copy_n(other.begin() + static_cast<std::ptrdiff_t>(from), n,
                  bytes->begin() + static_cast<std::ptrdiff_t>(at));
      break;
    }
    default:
      if (pick(16) == 0) bytes->resize(at);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s CORPUS_FOLDER ROUNDS\n", argv[0]);
    return 2;
  }
  const std::vector<Bytes> corpus = read_corpus(argv[1]);
  if (corpus.empty()) {
    std::fprintf(stderr, "the corpus is empty\n");
    return 1;
  }
  for (const Bytes& bytes : corpus) LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
  std::mt19937_64 random(1);
  const long rounds = std::strtol(argv[2], nullptr, 10);
  for (long round = 0; round < rounds; ++round) {
    Bytes bytes = corpus[static_cast<size_t>(round) % corpus.size()];
    for (uint64_t n = 1 + random() % 4; n > 0; --n) change(&bytes, corpus, &random);
    const Bytes exact(bytes);  // no spare capacity that could hide a read past the end
    LLVMFuzzerTestOneInput(exact.data(), exact.size());
  }
  std::printf("%zu files, %ld rounds\n", corpus.size(), rounds);
  return 0;
}
