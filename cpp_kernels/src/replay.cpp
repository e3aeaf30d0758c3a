#include <algorithm>
#include <string>
#include <vector>

#include "flights.h"
#include "pulsar2/timing.h"

namespace pulsar2 {
namespace {

/// Event simulation of queues in order.
class Replay {
 public:
  Replay(const ReplayInput& in, int64_t* start, int64_t* end)
      : in_(in), start_(start), end_(end), flights_(in.ddr_rate) {}

  void run() {
    prepare();
    int64_t now = 0;
    int64_t done = 0;
    for (size_t u = 0; u < queues_.size(); ++u) try_start(u, now);
    while (done < in_.num_jobs) {
      if (flights_.empty()) fail_stuck();
      flights_.advance(&now, &ended_);
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
    flights_.start(job, in_.cycles[job], in_.ddr_bytes[job]);
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
  Flights flights_;
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
