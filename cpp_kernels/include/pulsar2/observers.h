#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

namespace pulsar2 {

/// What is kept of a stream of f32 tensors.
class TensorObserver {
 public:
  virtual ~TensorObserver() = default;

  /// Takes `count` numbers. False when one of them is not finite: the observer is then unchanged.
  virtual bool observe(const float* data, int64_t count) = 0;
  /// Takes back `count` zeros that were observed and are no data, where that makes a difference to
  /// ranges that hold 0.
  virtual void forget_zeros(int64_t /*count*/) {}
};

/// The least and greatest of a stream of f32 numbers. Merging two observers gives what one would
/// have given that saw both streams, in any order.
class MinMaxObserver : public TensorObserver {
 public:
  bool observe(const float* data, int64_t count) override;
  void merge(const MinMaxObserver& other);

  int64_t count() const { return count_; }
  float min() const { return min_; }
  float max() const { return max_; }

 private:
  float min_ = std::numeric_limits<float>::infinity();
  float max_ = -std::numeric_limits<float>::infinity();
  int64_t count_ = 0;
};

/// How often numbers of a stream fall into bins of equal width around zero.
///
/// Bin kHalf + i holds the numbers x with floor(x / 2^exponent) = i. The exponent is the least that
/// puts every number into one of the 2 * kHalf bins, so it grows with the greatest magnitude seen,
/// and bins are then joined in pairs: which is what counting with the wider bins from the start
/// would have given. So one pass is enough, and merging is exact in any order.
class HistogramObserver : public TensorObserver {
 public:
  static constexpr int32_t kHalf = 2048;

  HistogramObserver() : counts_(2 * kHalf) {}

  bool observe(const float* data, int64_t count) override;
  void merge(const HistogramObserver& other);
  void forget_zeros(int64_t count) override;

  int64_t count() const { return extremes_.count(); }
  float min() const { return extremes_.min(); }
  float max() const { return extremes_.max(); }
  int32_t exponent() const { return exponent_; }
  const std::vector<int64_t>& counts() const { return counts_; }

 private:
  void grow(int32_t exponent);

  MinMaxObserver extremes_;
  int32_t exponent_ = kLeastExponent;
  std::vector<int64_t> counts_;

  static constexpr int32_t kLeastExponent = -126;
};

/// The greatest magnitude of each channel of a stream of tensors [.., channels, inner]. Merging is
/// exact in any order.
class ChannelObserver : public TensorObserver {
 public:
  /// Both at least 1.
  ChannelObserver(int64_t channels, int64_t inner);

  /// Takes `count` numbers, a multiple of channels * inner.
  bool observe(const float* data, int64_t count) override;
  /// Takes what another one, of as many channels, has seen.
  void merge(const ChannelObserver& other);

  int64_t inner() const { return inner_; }
  const std::vector<float>& maxima() const { return maxima_; }

 private:
  int64_t inner_;
  std::vector<float> maxima_;
};

/// What a tensor holds: numbers alone; an infinity, and no NaN; or a NaN.
enum class Seen : int64_t { Finite = 0, Infinite = 1, Nan = 2 };

/// The observers of the tensors of a model, by number.
class ObserverSet {
 public:
  /// `sizes` are the numbers of elements of the tensors, one of each observer.
  ObserverSet(std::vector<std::shared_ptr<TensorObserver>> observers, std::vector<int64_t> sizes);

  /// Shows tensor `index` to its observer, which is unchanged where not all numbers are finite.
  /// What `count` is beyond the size of the tensor are zeros that pad it.
  Seen observe(size_t index, const float* data, int64_t count);

 private:
  std::vector<std::shared_ptr<TensorObserver>> observers_;
  std::vector<int64_t> sizes_;
};

using Range = std::pair<float, float>;

/// The observed range without the least and the greatest `1 - fraction` of the numbers; holds 0.
Range percentile_range(const HistogramObserver& histogram, double fraction);

/// The range, within the observed one, whose affine quantization to `levels` steps (with an integer
/// zero point) has the least mean squared error; holds 0.
Range mse_range(const HistogramObserver& histogram, int32_t levels);

/// The share of the observed range whose quantization to `levels` steps has the least
/// Kullback-Leibler divergence from what was observed; holds 0. Zeros themselves do not count,
/// since they are exact in any range.
Range kl_range(const HistogramObserver& histogram, int32_t levels);

}  // namespace pulsar2
