#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "pulsar2/timing.h"

namespace pulsar2 {
namespace {

/// Event simulation. Time moves from one end of a job to the next; between two of them every job in
/// flight advances at a constant speed of at most one cycle per cycle.
class Replay {
 public:
  Replay(const ReplayInput& in, int64_t* start, int64_t* end) : in_(in), start_(start), end_(end) {}

  void run() {
    prepare();
    int64_t now = 0;
    int64_t done = 0;
    for (size_t u = 0; u < queues_.size(); ++u) try_start(u, now);
    while (done < in_.num_jobs) {
      if (flight_.empty()) fail_stuck();
      share_ddr();
      int64_t next = INT64_MAX;
      for (const Flight& f : flight_) next = std::min(next, finish(f, now));
      ended_.clear();
      size_t kept = 0;
      for (Flight& f : flight_) {
        if (finish(f, now) <= next) {
          ended_.push_back(f.job);
        } else {
          f.remaining -= static_cast<double>(next - now) * f.speed;
          flight_[kept++] = f;
        }
      }
      flight_.resize(kept);
      now = next;
      for (const int64_t job : ended_) {
        end_[job] = now;
        busy_[static_cast<size_t>(in_.eu[job])] = false;
        ++done;
        for (int64_t s = first_follower_[job]; s < first_follower_[job + 1]; ++s)
          --missing_[followers_[s]];
      }
      for (const int64_t job : ended_) {
        try_start(static_cast<size_t>(in_.eu[job]), now);
        for (int64_t s = first_follower_[job]; s < first_follower_[job + 1]; ++s) {
          try_start(static_cast<size_t>(in_.eu[followers_[s]]), now);
        }
      }
    }
  }

 private:
  struct Flight {
    int64_t job;
    double remaining;  ///< cycles, at full speed
    double need;       ///< DDR bytes per cycle at full speed
    double speed;
  };

  void prepare() {
    int32_t units = 0;
    for (int64_t i = 0; i < in_.num_jobs; ++i) {
      if (in_.eu[i] < 0) throw ProgramError("job " + std::to_string(i) + " is on no unit");
      units = std::max(units, in_.eu[i] + 1);
    }
    queues_.resize(static_cast<size_t>(units));
    heads_.resize(static_cast<size_t>(units));
    busy_.resize(static_cast<size_t>(units));
    const auto n = static_cast<size_t>(in_.num_jobs);
    missing_.resize(n);
    first_follower_.assign(n + 1, 0);
    for (int64_t i = 0; i < in_.num_jobs; ++i) {
      queues_[static_cast<size_t>(in_.eu[i])].push_back(i);
      missing_[static_cast<size_t>(i)] = in_.wait_offsets[i + 1] - in_.wait_offsets[i];
      for (int64_t w = in_.wait_offsets[i]; w < in_.wait_offsets[i + 1]; ++w) {
        const int32_t other = in_.waits[w];
        if (other < 0 || other >= in_.num_jobs) {
          throw ProgramError("job " + std::to_string(i) + " waits for unknown job " +
                             std::to_string(other));
        }
        ++first_follower_[static_cast<size_t>(other) + 1];
      }
    }
    for (size_t i = 0; i < n; ++i) first_follower_[i + 1] += first_follower_[i];
    followers_.resize(static_cast<size_t>(first_follower_[n]));
    std::vector<int64_t> at(first_follower_.begin(), first_follower_.end() - 1);
    for (int64_t i = 0; i < in_.num_jobs; ++i) {
      for (int64_t w = in_.wait_offsets[i]; w < in_.wait_offsets[i + 1]; ++w) {
        followers_[static_cast<size_t>(at[static_cast<size_t>(in_.waits[w])]++)] = i;
      }
    }
  }

  void try_start(size_t unit, int64_t now) {
    if (busy_[unit] || heads_[unit] == queues_[unit].size()) return;
    const int64_t job = queues_[unit][heads_[unit]];
    if (missing_[static_cast<size_t>(job)] != 0) return;
    ++heads_[unit];
    busy_[unit] = true;
    start_[job] = now;
    const auto cycles = static_cast<double>(in_.cycles[job]);
    const auto bytes = static_cast<double>(in_.ddr_bytes[job]);
    flight_.push_back({job, cycles, cycles > 0 ? bytes / cycles : 0.0, 1.0});
  }

  static int64_t finish(const Flight& f, int64_t now) {
    // Rounding errors of a few units in the last place must not cost a cycle.
    return now + static_cast<int64_t>(std::ceil(f.remaining / f.speed - 1e-6));
  }

  /// Max-min fair: who needs less than an equal share gets all of it, the others share the rest.
  void share_ddr() {
    order_.clear();
    double need = 0;
    for (size_t i = 0; i < flight_.size(); ++i) {
      flight_[i].speed = 1.0;
      if (flight_[i].need > 0) {
        order_.push_back(i);
        need += flight_[i].need;
      }
    }
    if (need <= in_.ddr_rate) return;
    std::sort(order_.begin(), order_.end(), [&](size_t a, size_t b) {
      return flight_[a].need != flight_[b].need ? flight_[a].need < flight_[b].need
                                                : flight_[a].job < flight_[b].job;
    });
    double left = in_.ddr_rate;
    for (size_t k = 0; k < order_.size(); ++k) {
      Flight& f = flight_[order_[k]];
      const double rate = std::min(f.need, left / static_cast<double>(order_.size() - k));
      f.speed = rate / f.need;
      left -= rate;
    }
  }

  [[noreturn]] void fail_stuck() const {
    for (size_t u = 0; u < queues_.size(); ++u) {
      if (heads_[u] < queues_[u].size()) {
        throw ProgramError("deadlock: job " + std::to_string(queues_[u][heads_[u]]) + " on unit " +
                           std::to_string(u) + " waits for a job that cannot start before it");
      }
    }
    throw ProgramError("deadlock");
  }

  const ReplayInput& in_;
  int64_t* start_;
  int64_t* end_;
  std::vector<std::vector<int64_t>> queues_;
  std::vector<size_t> heads_;
  std::vector<bool> busy_;
  std::vector<int64_t> missing_;
  std::vector<int64_t> first_follower_;
  std::vector<int64_t> followers_;
  std::vector<Flight> flight_;
  std::vector<size_t> order_;
  std::vector<int64_t> ended_;
};

}  // namespace

void replay(const ReplayInput& input, int64_t* start, int64_t* end) {
  if (!(input.ddr_rate > 0)) throw ProgramError("the DDR rate must be positive");
  for (int64_t i = 0; i < input.num_jobs; ++i) {
    if (input.cycles[i] < 0 || input.ddr_bytes[i] < 0) {
      throw ProgramError("job " + std::to_string(i) + " has negative cycles or bytes");
    }
  }
  Replay(input, start, end).run();
}

double ddr_rate(const Program& program, const TargetTiming& timing) {
  if (program.ddr_limit == 0) return timing.ddr_bytes;
  return std::min(timing.ddr_bytes,
                  static_cast<double>(program.ddr_limit) / (timing.clock_mhz * 1e6));
}

void replay_program(const Program& program, const TargetTiming& timing, std::vector<int64_t>* start,
                    std::vector<int64_t>* end) {
  const size_t n = program.jobs.size();
  std::vector<int32_t> eu(n);
  std::vector<int64_t> cycles(n);
  std::vector<int64_t> ddr(n);
  std::vector<int64_t> offsets(n + 1);
  for (size_t i = 0; i < n; ++i) {
    const JobCost cost = job_cost(program, program.jobs[i], timing);
    eu[i] = program.jobs[i].eu;
    cycles[i] = cost.cycles;
    ddr[i] = cost.ddr_read + cost.ddr_write;
    offsets[i + 1] = program.jobs[i].first_wait + program.jobs[i].num_waits;
  }
  const std::vector<int32_t> waits(program.waits.begin(), program.waits.end());
  ReplayInput input;
  input.num_jobs = static_cast<int64_t>(n);
  input.eu = eu.data();
  input.cycles = cycles.data();
  input.ddr_bytes = ddr.data();
  input.wait_offsets = offsets.data();
  input.waits = waits.data();
  input.ddr_rate = ddr_rate(program, timing);
  start->resize(n);
  end->resize(n);
  replay(input, start->data(), end->data());
}

}  // namespace pulsar2
