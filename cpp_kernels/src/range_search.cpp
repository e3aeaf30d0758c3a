#include <algorithm>
#include <cmath>
#include <vector>

#include "pulsar2/observers.h"

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

Distribution distribution_of(const HistogramObserver& histogram, bool with_zeros) {
  Distribution d;
  if (histogram.count() == 0) return d;
  d.low = std::min(0.0, static_cast<double>(histogram.min()));
  d.high = std::max(0.0, static_cast<double>(histogram.max()));
  const std::vector<int64_t>& counts = histogram.counts();
  for (int32_t i = 0; i < 2 * kHalf; ++i) {
    double weight = static_cast<double>(counts[i]);
    if (i == kHalf && !with_zeros) {
      // Zeros share their bin with the least positive numbers, whose share is that of neighbours.
      weight = std::min(weight, static_cast<double>(counts[i + 1]));
    }
    if (weight <= 0) continue;
    const double centre = std::ldexp(i - kHalf + 0.5, histogram.exponent());
    d.centre.push_back(std::clamp(centre, d.low, d.high));
    d.weight.push_back(weight);
  }
  return d;
}

double squared_error(const Distribution& d, double low, double high, int32_t levels) {
  const double scale = (high - low) / (levels - 1);
  if (!(scale > 0)) return std::numeric_limits<double>::infinity();
  const double least = -std::nearbyint(-low / scale);
  const double greatest = least + (levels - 1);
  double sum = 0;
  for (size_t i = 0; i < d.centre.size(); ++i) {
    const double step = std::clamp(std::nearbyint(d.centre[i] / scale), least, greatest);
    const double error = d.centre[i] - step * scale;
    sum += d.weight[i] * error * error;
  }
  return sum;
}

/// The divergence of the quantized distribution from the observed one, clipped to [low, high].
double divergence(const Distribution& d, double low, double high, int32_t levels) {
  const double scale = (high - low) / (levels - 1);
  if (!(scale > 0)) return std::numeric_limits<double>::infinity();
  const double offset = std::nearbyint(-low / scale);
  std::vector<double> inside(levels), bins(levels);
  std::vector<int32_t> level(d.centre.size());
  double total = 0, kept = 0, below = 0, above = 0;
  size_t first = d.centre.size(), last = 0;
  for (size_t i = 0; i < d.centre.size(); ++i) {
    total += d.weight[i];
    if (d.centre[i] < low) {
      below += d.weight[i];
    } else if (d.centre[i] > high) {
      above += d.weight[i];
    } else {
      first = std::min(first, i);
      last = i;
      kept += d.weight[i];
      const double step = std::nearbyint(d.centre[i] / scale) + offset;
      level[i] = static_cast<int32_t>(std::clamp(step, 0.0, levels - 1.0));
      inside[level[i]] += d.weight[i];
      bins[level[i]] += 1;
    }
  }
  if (first > last) return std::numeric_limits<double>::infinity();
  double sum = 0;
  for (size_t i = first; i <= last; ++i) {
    // What is clipped away lands in the outermost bins of what was observed, but not of what the
    // quantized numbers tell of it.
    const double observed =
        (d.weight[i] + (i == first ? below : 0) + (i == last ? above : 0)) / total;
    const double told = inside[level[i]] / bins[level[i]] / kept;
    sum += observed * std::log(observed / told);
  }
  return sum;
}

}  // namespace

Range percentile_range(const HistogramObserver& histogram, double fraction) {
  const Distribution d = distribution_of(histogram, true);
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
  const Distribution d = distribution_of(histogram, true);
  // Shares of both ends: a grid over all of them, then ever finer ones around the best so far.
  double low_share = 1, high_share = 1;
  double best = squared_error(d, d.low, d.high, levels);
  double reach = 0.5, centre_low = 0.55, centre_high = 0.55;
  for (int round = 0; round < 4; ++round) {
    constexpr int kSteps = 10;
    const double step = 2 * reach / kSteps;
    for (int i = 0; i <= (d.low < 0 ? kSteps : 0); ++i) {
      for (int j = 0; j <= (d.high > 0 ? kSteps : 0); ++j) {
        const double a = std::clamp(centre_low - reach + i * step, 0.02, 1.0);
        const double b = std::clamp(centre_high - reach + j * step, 0.02, 1.0);
        const double error = squared_error(d, d.low * a, d.high * b, levels);
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
  return {static_cast<float>(d.low * low_share), static_cast<float>(d.high * high_share)};
}

Range kl_range(const HistogramObserver& histogram, int32_t levels) {
  const Distribution d = distribution_of(histogram, false);
  constexpr int kShares = 128, kLeastShare = 16;
  double best = std::numeric_limits<double>::infinity();
  int chosen = kShares;
  for (int share = kShares; share >= kLeastShare; --share) {
    const double part = static_cast<double>(share) / kShares;
    const double found = divergence(d, d.low * part, d.high * part, levels);
    if (found < best) {
      best = found;
      chosen = share;
    }
  }
  const double part = static_cast<double>(chosen) / kShares;
  return {static_cast<float>(d.low * part), static_cast<float>(d.high * part)};
}

}  // namespace pulsar2
