#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "pulsar2/observers.h"
#include "wide_clones.h"

namespace pulsar2 {
namespace {

constexpr int32_t kHalf = HistogramObserver::kHalf;

/// The bins that hold something: their centres (within the observed range) and weights.
struct Distribution {
  double low = 0;   ///< least number observed, 0 at the most
  double high = 0;  ///< greatest number observed, 0 at the least
  std::vector<double> centre;
  std::vector<double> weight;
};

Distribution distribution_of(const HistogramObserver& histogram) {
  Distribution d;
  if (histogram.count() == 0) return d;
  d.low = std::min(0.0, static_cast<double>(histogram.min()));
  d.high = std::max(0.0, static_cast<double>(histogram.max()));
  const std::vector<int64_t>& counts = histogram.counts();
  for (int32_t i = 0; i < 2 * kHalf; ++i) {
    const double weight = static_cast<double>(counts[i]);
    if (weight <= 0) continue;
    const double centre = std::ldexp(i - kHalf + 0.5, histogram.exponent());
    d.centre.push_back(std::clamp(centre, d.low, d.high));
    d.weight.push_back(weight);
  }
  return d;
}

/// Bins of a histogram summed up to each: shares of all numbers, their first and second moments,
/// and how many bins hold some. So what a level holds is the difference of two sums.
struct Sums {
  double width = 0;   ///< of a bin
  int32_t first = 0;  ///< bins [first, end) hold all numbers
  int32_t end = 0;
  std::vector<double> weight, moment, square, bins;
  std::vector<double> entropy;  ///< of p * log(p)

  explicit Sums(const HistogramObserver& histogram)
      : width(std::ldexp(1.0, histogram.exponent())),
        weight(2 * kHalf + 1),
        moment(2 * kHalf + 1),
        square(2 * kHalf + 1),
        bins(2 * kHalf + 1),
        entropy(2 * kHalf + 1) {
    std::vector<double> counts(histogram.counts().begin(), histogram.counts().end());
    // Zeros are exact in any range. They share their bin with the least positive numbers, whose
    // share is that of neighbours.
    counts[kHalf] = std::min(counts[kHalf], counts[kHalf + 1]);
    const double least = histogram.min(), greatest = histogram.max();
    double total = 0;
    for (double count : counts) total += count;
    first = 2 * kHalf;
    for (int32_t i = 0; i < 2 * kHalf; ++i) {
      const double share = total > 0 ? counts[i] / total : 0;
      weight[i + 1] = weight[i] + share;
      // The outermost bins reach beyond the numbers in them.
      const double centre = std::clamp((i - kHalf + 0.5) * width, least, greatest);
      moment[i + 1] = moment[i] + share * centre;
      square[i + 1] = square[i] + share * centre * centre;
      bins[i + 1] = bins[i] + (share > 0 ? 1 : 0);
      entropy[i + 1] = entropy[i] + (share > 0 ? share * std::log(share) : 0);
      if (share > 0) {
        first = std::min(first, i);
        end = i + 1;
      }
    }
  }

  /// The first bin whose centre is not below `x`.
  int32_t bin_from(double x) const {
    const double bin = std::ceil(x / width - 0.5) + kHalf;
    return static_cast<int32_t>(std::clamp(bin, static_cast<double>(first), double(end)));
  }
};

/// The mean squared error of numbers that are quantized to [low, high].
///
/// It is computed as far as to know that it is not below `best`.
PULSAR2_WIDE_CLONES
double squared_error(const Sums& d, double low, double high, int32_t levels, double best) {
  const double scale = (high - low) / (levels - 1);
  if (!(scale > 0)) return std::numeric_limits<double>::infinity();
  const double least = -std::nearbyint(-low / scale);
  // What a level adds is no less than 0, but for the rounding of the sums.
  const double enough = best + 1e-12 * d.square.back();
  double sum = 0;
  int32_t at = d.first;
  for (int32_t level = 0; level < levels && at < d.end && sum < enough; ++level) {
    const double number = (least + level) * scale;
    const int32_t next =
        level == levels - 1 ? d.end : std::max(d.bin_from(number + 0.5 * scale), at);
    sum += (d.square[next] - d.square[at]) - 2 * number * (d.moment[next] - d.moment[at]) +
           number * number * (d.weight[next] - d.weight[at]);
    at = next;
  }
  return sum;
}

/// The Kullback-Leibler divergence of what quantized numbers tell of the distribution from the
/// distribution: that numbers are spread evenly over those bins of a level that hold some, and that
/// there are next to none outside of [low, high].
///
/// Candidates are compared over all bins that were observed. With a reference clipped to the
/// candidate, as is usual, the narrowest ones win, in which a level has hardly more than a bin.
///
/// It is computed as far as to know that it is not below `best`.
PULSAR2_WIDE_CLONES
double divergence(const Sums& d, double low, double high, int32_t levels, bool to_low, bool to_high,
                  double best) {
  const double kNothing = -80 * std::log(2.0);  // log of the share told for a bin outside
  const double scale = (high - low) / (levels - 1);
  if (!(scale > 0)) return std::numeric_limits<double>::infinity();
  const double least = -std::nearbyint(-low / scale);
  // The outermost bins reach beyond the numbers in them, so their centres may lie outside.
  int32_t at = to_low ? d.first : d.bin_from(low);
  const int32_t end = to_high ? d.end : d.bin_from(high);
  const double kept = d.weight[end] - d.weight[at];
  if (end <= at || !(kept > 0)) return std::numeric_limits<double>::infinity();
  const double inside_entropy = d.entropy[end] - d.entropy[at];
  const double clipped = d.entropy.back() - inside_entropy - (1 - kept) * kNothing;
  // What is kept can, at best, be told as it is.
  if (clipped + kept * std::log(kept) >= best) return std::numeric_limits<double>::infinity();
  double told = 0;
  for (int32_t level = 0; level < levels && at < end; ++level) {
    const double upper = (least + level + 0.5) * scale;
    const int32_t next = level == levels - 1 ? end : std::clamp(d.bin_from(upper), at, end);
    const double inside = d.weight[next] - d.weight[at], bins = d.bins[next] - d.bins[at];
    if (bins > 0 && inside > 0) told += inside * std::log(inside / (bins * kept));
    at = next;
  }
  return inside_entropy - told + clipped;
}

}  // namespace

Range percentile_range(const HistogramObserver& histogram, double fraction) {
  const Distribution d = distribution_of(histogram);
  double total = 0;
  for (double weight : d.weight) total += weight;
  const double tail = std::floor((1 - fraction) * total + 1e-6);
  const double half_bin = std::ldexp(0.5, histogram.exponent());
  double low = d.low, high = d.high, passed = 0;
  for (size_t i = 0; i < d.centre.size(); ++i) {
    passed += d.weight[i];
    if (passed > tail) {
      low = d.centre[i] - half_bin;
      break;
    }
  }
  passed = 0;
  for (size_t i = d.centre.size(); i-- > 0;) {
    passed += d.weight[i];
    if (passed > tail) {
      high = d.centre[i] + half_bin;
      break;
    }
  }
  return {static_cast<float>(std::min(0.0, std::max(low, d.low))),
          static_cast<float>(std::max(0.0, std::min(high, d.high)))};
}

Range mse_range(const HistogramObserver& histogram, int32_t levels) {
  const double low = std::min(0.0, static_cast<double>(histogram.min()));
  const double high = std::max(0.0, static_cast<double>(histogram.max()));
  if (histogram.count() == 0) return {0, 0};
  const Sums d(histogram);
  // Shares of both ends: a grid over all of them, then ever finer ones around the best so far.
  double low_share = 1, high_share = 1;
  double best = squared_error(d, low, high, levels, std::numeric_limits<double>::infinity());
  double reach = 0.5, centre_low = 0.55, centre_high = 0.55;
  for (int round = 0; round < 4; ++round) {
    constexpr int kSteps = 10;
    const double step = 2 * reach / kSteps;
    for (int i = 0; i <= (low < 0 ? kSteps : 0); ++i) {
      for (int j = 0; j <= (high > 0 ? kSteps : 0); ++j) {
        const double a = std::clamp(centre_low - reach + i * step, 0.02, 1.0);
        const double b = std::clamp(centre_high - reach + j * step, 0.02, 1.0);
        const double error = squared_error(d, low * a, high * b, levels, best);
        if (error < best) {
          best = error;
          low_share = a;
          high_share = b;
        }
      }
    }
    centre_low = low_share;
    centre_high = high_share;
    reach = step;
  }
  return {static_cast<float>(low * low_share), static_cast<float>(high * high_share)};
}

Range kl_range(const HistogramObserver& histogram, int32_t levels) {
  const double low = std::min(0.0, static_cast<double>(histogram.min()));
  const double high = std::max(0.0, static_cast<double>(histogram.max()));
  if (histogram.count() == 0) return {0, 0};
  const Sums d(histogram);
  constexpr int kShares = 128, kLeastShare = 16, kRounds = 2;
  // Shares of both ends, each searched with the other one as it is; of equal ones the greatest.
  int shares[2] = {kShares, kShares};
  for (int round = 0; round < kRounds; ++round) {
    for (int side : {1, 0}) {
      if ((side == 0 ? low : high) == 0) continue;
      double best = std::numeric_limits<double>::infinity();
      int chosen = kShares;
      for (int share = kShares; share >= kLeastShare; --share) {
        shares[side] = share;
        const double found = divergence(d, low * shares[0] / kShares, high * shares[1] / kShares,
                                        levels, shares[0] == kShares, shares[1] == kShares, best);
        if (found < best) {
          best = found;
          chosen = share;
        }
      }
      shares[side] = chosen;
    }
    if (low == 0 || high == 0) break;
  }
  return {static_cast<float>(low * shares[0] / kShares),
          static_cast<float>(high * shares[1] / kShares)};
}

}  // namespace pulsar2
