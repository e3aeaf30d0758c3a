#include "pulsar2/scale_search.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/row_products.h"

namespace pulsar2 {
namespace {

using kernels::kProductColumns;
constexpr int64_t kColumns = kProductColumns;

constexpr std::array kWeightRatios = {0.97F, 0.94F, 0.91F, 0.88F, 0.85F, 0.82F,
                                      0.78F, 0.74F, 0.70F, 0.65F, 0.60F, 0.50F};
constexpr std::array kRangeRatios = {0.97F, 0.94F, 0.91F, 0.88F, 0.85F, 0.80F, 0.75F,
                                     0.70F, 0.65F, 0.60F, 0.55F, 0.50F, 0.40F, 0.30F};
constexpr std::array kEndRatios = {0.95F, 0.9F, 0.85F, 0.8F, 0.7F};

/// Errors grow once a range is too narrow: from this many times the least on, a search ends.
constexpr double kHopeless = 2.0;

using Errors = std::array<double, kColumns>;

/// Columns first .. first + count of one group of a reader.
struct Block {
  int64_t group;
  int64_t first;
  int64_t count;
};

std::vector<Block> blocks_of(const ScaleReader& reader) {
  std::vector<Block> blocks;
  const int64_t each = reader.outputs / reader.groups;
  for (int64_t g = 0; g < reader.groups; ++g)
    for (int64_t i = 0; i < each; i += kColumns)
      blocks.push_back({g, g * each + i, std::min(kColumns, each - i)});
  return blocks;
}

float quantized(float value, float scale, float limit) {
  return std::min(std::max(std::nearbyint(value / scale), -limit), limit) * scale;
}

/// Weights [depth][kColumns] of a block, quantized with scales unless these are null.
void pack(const ScaleReader& reader, const Block& block, const float* scales, float* packed) {
  const auto limit = static_cast<float>(reader.weight_limit);
  for (int64_t j = 0; j < kColumns; ++j) {
    const float* w = reader.w + (block.first + j) * reader.depth;
    for (int64_t k = 0; k < reader.depth; ++k) {
      float value = 0.0F;
      if (j < block.count) value = scales ? quantized(w[k], scales[j], limit) : w[k];
      packed[k * kColumns + j] = value;
    }
  }
}

/// The affine integers that stand for numbers, as numbers again.
class Quantizer {
 public:
  explicit Quantizer(const ActivationRange& range)
      : scale_((range.high - range.low) / static_cast<float>(range.greatest - range.least)),
        least_(static_cast<float>(range.least)),
        greatest_(static_cast<float>(range.greatest)) {
    const float zero = std::nearbyint(least_ - range.low / scale_);
    zero_ = std::min(std::max(zero, least_), greatest_);
  }

  float operator()(float value) const {
    const float step = std::nearbyint(value / scale_) + zero_;
    return (std::min(std::max(step, least_), greatest_) - zero_) * scale_;
  }

 private:
  float scale_, least_, greatest_, zero_ = 0.0F;
};

/// One reader with what does not change in the search.
class State {
 public:
  explicit State(const ScaleReader& reader)
      : reader_(reader),
        blocks_(blocks_of(reader)),
        expected_(blocks_.size() * static_cast<size_t>(reader.rows * kColumns)),
        input_(static_cast<size_t>(reader.rows * reader.groups * reader.depth)),
        packed_(static_cast<size_t>(reader.depth * kColumns)),
        results_(static_cast<size_t>(reader.rows * kColumns)) {
    for (size_t b = 0; b < blocks_.size(); ++b) {
      pack(reader_, blocks_[b], nullptr, packed_.data());
      multiply(reader_.x, blocks_[b], expected(b));
      const std::vector<float> nothing(results_.size());
      for (const double part : compared(expected(b), nothing.data())) norm_ += part;
    }
  }

  void take_input(const Quantizer* quantizer) {
    for (size_t i = 0; i < input_.size(); ++i)
      input_[i] = quantizer ? (*quantizer)(reader_.x[i]) : reader_.x[i];
  }

  void search_weights() {
    for (size_t b = 0; b < blocks_.size(); ++b) {
      const Block& block = blocks_[b];
      float* scales = reader_.scales + block.first;
      const float* first = first_.data() + block.first;
      Errors best = errors(b, scales);
      for (const float ratio : kWeightRatios) {
        std::array<float, kColumns> tried{};
        for (int64_t j = 0; j < block.count; ++j) tried[j] = first[j] * ratio;
        const Errors found = errors(b, tried.data());
        bool hopeless = true;
        for (int64_t j = 0; j < block.count; ++j) {
          if (found[j] < kHopeless * best[j]) hopeless = false;
          if (found[j] < best[j]) {
            best[j] = found[j];
            scales[j] = tried[j];
          }
        }
        if (hopeless) break;
      }
    }
  }

  /// The squared error of the results, relative to the results.
  double error() {
    double sum = 0.0;
    for (size_t b = 0; b < blocks_.size(); ++b) {
      const Errors found = errors(b, reader_.scales + blocks_[b].first);
      for (int64_t j = 0; j < blocks_[b].count; ++j) sum += found[j];
    }
    return norm_ > 0.0 ? sum / norm_ : sum;
  }

  /// The same of the activation itself, where it is sampled.
  double own_error() const {
    double sum = 0.0;
    double norm = 0.0;
    for (size_t i = 0; i < input_.size(); ++i) {
      const double x = reader_.x[i];
      const double difference = x - input_[i];
      sum += difference * difference;
      norm += x * x;
    }
    return norm > 0.0 ? sum / norm : sum;
  }

  /// Where every search of the weights begins.
  void begin() { first_.assign(reader_.scales, reader_.scales + reader_.outputs); }

 private:
  float* expected(size_t block) {
    return expected_.data() + block * static_cast<size_t>(reader_.rows * kColumns);
  }

  void multiply(const float* x, const Block& block, float* y) {
    std::array<float, kColumns> start{};
    if (reader_.bias) std::copy_n(reader_.bias + block.first, block.count, start.begin());
    kernels::row_products(current_isa())
        .multiply(x + block.group * reader_.rows * reader_.depth, reader_.rows, reader_.depth,
                  packed_.data(), start.data(), y);
  }

  Errors compared(const float* wanted, const float* found) const {
    Errors sums;
    kernels::row_products(current_isa())
        .compare(wanted, found, reader_.rows, reader_.low, reader_.high, sums.data());
    return sums;
  }

  Errors errors(size_t b, const float* scales) {
    pack(reader_, blocks_[b], scales, packed_.data());
    multiply(input_.data(), blocks_[b], results_.data());
    return compared(expected(b), results_.data());
  }

  const ScaleReader& reader_;
  std::vector<Block> blocks_;
  std::vector<float> expected_, input_, packed_, results_, first_;
  double norm_ = 0.0;
};

class Search {
 public:
  explicit Search(const ScaleSearch& search) : search_(search) {
    for (const ScaleReader& reader : search.readers) states_.emplace_back(reader);
    for (State& state : states_) state.begin();
  }

  ActivationRange run() {
    ActivationRange range = search_.range;
    for (int32_t round = 0; round < search_.rounds; ++round) {
      take(range);
      for (State& state : states_) state.search_weights();
      if (!search_.fixed_range && !search_.exact_input) range = search_range();
    }
    return range;
  }

 private:
  void take(const ActivationRange& range) {
    const Quantizer quantizer(range);
    for (State& state : states_) state.take_input(search_.exact_input ? nullptr : &quantizer);
  }

  double error_of(const ActivationRange& range) {
    take(range);
    double sum = 0.0;
    for (State& state : states_) sum += state.error();
    if (search_.own_error) sum += states_.front().own_error();
    return sum;
  }

  /// The best of both ends drawn in alike, then of each end drawn in by itself.
  ActivationRange search_range() {
    const ActivationRange& first = search_.range;
    ActivationRange best = first;
    double least = error_of(first);
    /// Whether the error is near enough to the least one to go on.
    const auto attempt = [&](float low, float high) {
      ActivationRange tried = first;
      tried.low = low;
      tried.high = high;
      const double error = error_of(tried);
      if (error < least) {
        least = error;
        best = tried;
      }
      return error < kHopeless * least;
    };
    for (const float ratio : kRangeRatios)
      if (!attempt(first.low * ratio, first.high * ratio)) break;
    if (first.low < 0.0F && first.high > 0.0F) {
      const ActivationRange both = best;
      for (const float ratio : kEndRatios)
        if (!attempt(both.low * ratio, both.high)) break;
      const ActivationRange lower = best;
      for (const float ratio : kEndRatios)
        if (!attempt(lower.low, both.high * ratio)) break;
    }
    return best;
  }

  const ScaleSearch& search_;
  std::vector<State> states_;
};

}  // namespace

ActivationRange search_scales(const ScaleSearch& search) { return Search(search).run(); }

}  // namespace pulsar2
