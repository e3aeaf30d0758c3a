#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace pulsar2 {

/// The jobs under way, which share the DDR.
///
/// Time moves from one end of a job to the next; between two of them every job advances at a
/// constant speed of at most one cycle per cycle.
class Flights {
 public:
  explicit Flights(double ddr_rate) : ddr_rate_(ddr_rate) {}

  bool empty() const { return flights_.empty(); }
  void clear() { flights_.clear(); }

  void start(int64_t job, int64_t cycles, int64_t ddr_bytes) {
    const auto length = static_cast<double>(cycles);
    const auto bytes = static_cast<double>(ddr_bytes);
    flights_.push_back({job, length, cycles > 0 ? bytes / length : 0.0, 1.0});
  }

  /// Moves `now` to the next end of a job; the jobs that end then go to `ended`.
  void advance(int64_t* now, std::vector<int64_t>* ended) {
    share_ddr();
    int64_t next = INT64_MAX;
    for (const Flight& f : flights_) next = std::min(next, finish(f, *now));
    ended->clear();
    size_t kept = 0;
    for (Flight& f : flights_) {
      if (finish(f, *now) <= next) {
        ended->push_back(f.job);
      } else {
        f.remaining -= static_cast<double>(next - *now) * f.speed;
        flights_[kept++] = f;
      }
    }
    flights_.resize(kept);
    *now = next;
  }

 private:
  struct Flight {
    int64_t job;
    double remaining;  ///< cycles, at full speed
    double need;       ///< DDR bytes per cycle at full speed
    double speed;
  };

  static int64_t finish(const Flight& f, int64_t now) {
    // Rounding errors of a few units in the last place must not cost a cycle.
    return now + static_cast<int64_t>(std::ceil(f.remaining / f.speed - 1e-6));
  }

  /// Max-min fair: who needs less than an equal share gets all of it, the others share the rest.
  void share_ddr() {
    order_.clear();
    double need = 0;
    for (size_t i = 0; i < flights_.size(); ++i) {
      flights_[i].speed = 1.0;
      if (flights_[i].need > 0) {
        order_.push_back(i);
        need += flights_[i].need;
      }
    }
    if (need <= ddr_rate_) return;
    std::sort(order_.begin(), order_.end(), [&](size_t a, size_t b) {
      return flights_[a].need != flights_[b].need ? flights_[a].need < flights_[b].need
                                                  : flights_[a].job < flights_[b].job;
    });
    double left = ddr_rate_;
    for (size_t k = 0; k < order_.size(); ++k) {
      Flight& f = flights_[order_[k]];
      const double rate = std::min(f.need, left / static_cast<double>(order_.size() - k));
      f.speed = rate / f.need;
      left -= rate;
    }
  }

  double ddr_rate_;
  std::vector<Flight> flights_;
  std::vector<size_t> order_;
};

}  // namespace pulsar2
