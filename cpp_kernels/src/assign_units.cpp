#include "pulsar2/assign_units.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "list_scheduler.h"
#include "pulsar2/timing.h"
#include "random.h"

namespace pulsar2 {
namespace {

using Priorities = std::vector<int64_t>;

constexpr size_t kMostGaps = 256;  // of a unit that are looked at, the last ones
constexpr size_t kMostArcs = 64;

size_t at(int64_t i) { return static_cast<size_t>(i); }

/// Cycles of a job that has the whole DDR.
int64_t alone(const JobGraph& g, size_t i) {
  const double transfer = std::ceil(static_cast<double>(g.ddr_bytes[i]) / g.ddr_rate);
  return std::max(g.cycles[i], static_cast<int64_t>(transfer));
}

/// The longest chain of waits from each job's start to the end of the program.
Priorities chains(const JobGraph& g) {
  Priorities length(g.size());
  for (size_t i = 0; i < g.size(); ++i) length[i] = alone(g, i);
  for (size_t i = g.size(); i-- > 0;) {
    for (int64_t w = g.wait_offsets[i]; w < g.wait_offsets[i + 1]; ++w) {
      const size_t other = at(g.waits[at(w)]);
      length[other] = std::max(length[other], alone(g, other) + length[i]);
    }
  }
  return length;
}

/// No schedule is shorter.
int64_t shortest(const JobGraph& g, const Priorities& chain) {
  int64_t least = 0;
  for (const int64_t length : chain) least = std::max(least, length);
  std::vector<int64_t> work(g.units.size());
  double bytes = 0;
  for (size_t i = 0; i < g.size(); ++i) {
    work[at(g.kind[i])] += g.cycles[i];
    bytes += static_cast<double>(g.ddr_bytes[i]);
  }
  for (size_t k = 0; k < work.size(); ++k) {
    if (g.units[k] > 0) least = std::max(least, (work[k] + g.units[k] - 1) / g.units[k]);
  }
  return std::max(least, static_cast<int64_t>(bytes / g.ddr_rate));
}

/// Times of a schedule's queues by the replay, which starts a job no later than they say.
void time_queues(const JobGraph& g, UnitSchedule* s) {
  const size_t n = g.size();
  std::vector<int32_t> base(g.units.size());
  for (size_t k = 1; k < base.size(); ++k) base[k] = base[k - 1] + g.units[k - 1];
  std::vector<int32_t> place(n);
  for (size_t k = 0; k < n; ++k) place[at(s->order[k])] = static_cast<int32_t>(k);
  std::vector<int32_t> eu;
  std::vector<int32_t> waits;
  std::vector<int64_t> cycles;
  std::vector<int64_t> bytes;
  std::vector<int64_t> offsets = {0};
  for (const int32_t job : s->order) {
    const size_t i = at(job);
    eu.push_back(base[at(g.kind[i])] + s->unit[i]);
    cycles.push_back(g.cycles[i]);
    bytes.push_back(g.ddr_bytes[i]);
    for (int64_t w = g.wait_offsets[i]; w < g.wait_offsets[i + 1]; ++w)
      waits.push_back(place[at(g.waits[at(w)])]);
    offsets.push_back(static_cast<int64_t>(waits.size()));
  }
  ReplayInput input;
  input.num_jobs = static_cast<int64_t>(n);
  input.eu = eu.data();
  input.cycles = cycles.data();
  input.ddr_bytes = bytes.data();
  input.wait_offsets = offsets.data();
  input.waits = waits.data();
  input.ddr_rate = g.ddr_rate;
  std::vector<int64_t> start(n);
  std::vector<int64_t> end(n);
  replay(input, start.data(), end.data());
  s->makespan = 0;
  for (size_t k = 0; k < n; ++k) {
    s->start[at(s->order[k])] = start[k];
    s->end[at(s->order[k])] = end[k];
    s->makespan = std::max(s->makespan, end[k]);
  }
}

/// Puts the jobs, the longest chain first, into the first gap that is long enough.
UnitSchedule fill_gaps(const JobGraph& g, const Priorities& chain) {
  const size_t n = g.size();
  UnitSchedule s;
  s.unit.resize(n);
  s.start.resize(n);
  s.end.resize(n);
  s.order.resize(n);
  std::iota(s.order.begin(), s.order.end(), 0);
  // A job's chain is longer than those of the jobs that wait for it, or as long if it takes no
  // time.
  std::stable_sort(s.order.begin(), s.order.end(),
                   [&](int32_t a, int32_t b) { return chain[at(a)] > chain[at(b)]; });
  using Span = std::pair<int64_t, int64_t>;
  std::vector<std::vector<std::vector<Span>>> busy;
  for (const int32_t count : g.units) busy.emplace_back(at(count));
  for (const int32_t job : s.order) {
    const size_t i = at(job);
    int64_t ready = 0;
    for (int64_t w = g.wait_offsets[i]; w < g.wait_offsets[i + 1]; ++w)
      ready = std::max(ready, s.end[at(g.waits[at(w)])]);
    const int64_t length = alone(g, i);
    auto& units = busy[at(g.kind[i])];
    int64_t best = INT64_MAX;
    size_t best_at = 0;
    for (size_t u = 0; u < units.size(); ++u) {
      const std::vector<Span>& spans = units[u];
      const size_t least = spans.size() > kMostGaps ? spans.size() - kMostGaps : 0;
      size_t k =
          at(std::upper_bound(spans.begin(), spans.end(), Span(ready, INT64_MAX)) - spans.begin());
      k = std::max(k, least);
      int64_t from = k > 0 ? std::max(ready, spans[k - 1].second) : ready;
      while (k < spans.size() && spans[k].first - from < length) {
        from = spans[k].second;
        ++k;
      }
      if (from < best) {
        best = from;
        best_at = k;
        s.unit[i] = static_cast<int32_t>(u);
      }
    }
    auto& spans = units[at(s.unit[i])];
    spans.insert(spans.begin() + static_cast<std::ptrdiff_t>(best_at), Span(best, best + length));
    s.start[i] = best;
    s.end[i] = best + length;
  }
  std::stable_sort(s.order.begin(), s.order.end(),
                   [&](int32_t a, int32_t b) { return s.start[at(a)] < s.start[at(b)]; });
  time_queues(g, &s);
  return s;
}

/// Changes priorities and adds waits, as long as the end comes no later.
class Improver {
 public:
  Improver(const JobGraph& graph, ListScheduler* forward, int64_t least)
      : graph_(graph), forward_(*forward), backward_(graph, true), least_(least) {}

  /// Begins with a schedule and the priorities that gave it; leaves the best that was seen.
  void run(Priorities* priority, UnitSchedule* best, int64_t effort) {
    const auto n = static_cast<int64_t>(graph_.size());
    UnitSchedule current = *best;
    UnitSchedule trial;
    Arcs arcs;
    Priorities tried;
    while (effort >= 2 * n && turn_around(current, &tried, &trial)) {
      effort -= 2 * n;
      const bool shorter = trial.makespan < current.makespan;
      if (trial.makespan > current.makespan) break;
      *priority = tried;
      current = trial;
      if (!shorter) break;
    }
    if (current.makespan < best->makespan) *best = current;
    while (effort >= n && best->makespan > least_) {
      effort -= n;
      find_blocked(current, arcs);
      tried = *priority;
      Arcs more = arcs;
      if (!change(current, &tried, &more)) break;
      if (!forward_.run(tried, more, &trial) || trial.makespan > current.makespan) continue;
      current = trial;
      *priority = tried;
      arcs = more;
      if (current.makespan < best->makespan) *best = current;
    }
  }

 private:
  /// Schedules from the end, by when jobs ended, and then forwards again, by that.
  bool turn_around(const UnitSchedule& current, Priorities* priority, UnitSchedule* result) {
    if (!backward_.run(current.end, {}, &turned_)) return false;
    *priority = turned_.end;
    return forward_.run(*priority, {}, result);
  }

  /// The jobs on a chain that the end depends on which were ready before they started, each with
  /// the job that had its unit, or shared its DDR.
  void find_blocked(const UnitSchedule& s, const Arcs& arcs) {
    blocked_.clear();
    const size_t n = graph_.size();
    if (s.order.empty()) return;
    before_.assign(n, -1);
    std::vector<std::vector<int32_t>> last(graph_.units.size());
    for (size_t k = 0; k < last.size(); ++k) last[k].assign(at(graph_.units[k]), -1);
    int32_t job = s.order[0];
    for (const int32_t i : s.order) {
      int32_t& unit_last = last[at(graph_.kind[at(i)])][at(s.unit[at(i)])];
      before_[at(i)] = unit_last;
      unit_last = i;
      if (s.end[at(i)] > s.end[at(job)]) job = i;
    }
    while (job >= 0) {
      const size_t i = at(job);
      if (graph_.ddr_bytes[i] > 0 && s.end[i] - s.start[i] > graph_.cycles[i]) shared(s, job);
      int32_t cause = -1;
      for (int64_t w = graph_.wait_offsets[i]; w < graph_.wait_offsets[i + 1]; ++w) {
        if (s.end[at(graph_.waits[at(w)])] == s.start[i]) cause = graph_.waits[at(w)];
      }
      for (const auto& [first, second] : arcs) {
        if (second == job && s.end[at(first)] == s.start[i]) cause = first;
      }
      if (cause < 0) {
        cause = before_[i];
        if (cause >= 0) blocked_.emplace_back(job, cause);
      }
      job = s.start[i] > 0 ? cause : -1;
    }
  }

  /// Adds the jobs that took DDR from `job`, of those that started shortly before it or after.
  void shared(const UnitSchedule& s, int32_t job) {
    const size_t i = at(job);
    const auto from =
        std::lower_bound(s.order.begin(), s.order.end(), s.start[i],
                         [&](int32_t other, int64_t time) { return s.start[at(other)] < time; });
    for (auto it = from; it != s.order.end() && s.start[at(*it)] < s.end[i]; ++it) {
      if (*it != job && graph_.ddr_bytes[at(*it)] > 0) blocked_.emplace_back(job, *it);
    }
  }

  /// One change: a blocked job goes before what blocks it, or the other waits for it, or a wait
  /// that was added before goes.
  bool change(const UnitSchedule& s, Priorities* priority, Arcs* arcs) {
    if (blocked_.empty() && arcs->empty()) return false;
    const uint64_t choice = random_.below(8);
    if (blocked_.empty() || (choice == 0 && !arcs->empty()) || arcs->size() >= kMostArcs) {
      arcs->erase(arcs->begin() + static_cast<std::ptrdiff_t>(random_.below(arcs->size())));
      return true;
    }
    const auto [job, blocker] = blocked_[random_.below(blocked_.size())];
    if (choice <= 4) {
      arcs->emplace_back(job, blocker);
    } else if (choice <= 6) {
      std::swap((*priority)[at(job)], (*priority)[at(blocker)]);
    } else {
      // Something else of the class takes its turn.
      const int32_t other = s.order[random_.below(s.order.size())];
      std::swap((*priority)[at(job)], (*priority)[at(other)]);
    }
    return true;
  }

  const JobGraph& graph_;
  ListScheduler& forward_;
  ListScheduler backward_;
  int64_t least_;
  UnitSchedule turned_;
  std::vector<int32_t> before_;
  Arcs blocked_;
  Random random_;
};

}  // namespace

UnitSchedule assign_units(const JobGraph& graph, int64_t effort, std::vector<AssignStage>* stages) {
  stages->clear();
  const Priorities chain = chains(graph);
  const int64_t least = shortest(graph, chain);
  ListScheduler forward(graph, false);
  UnitSchedule best;
  UnitSchedule trial;
  Priorities priority = chain;
  forward.run(chain, {}, &best);
  stages->push_back({"heuristic", best.makespan});
  const Priorities equal(graph.size(), 0);
  forward.run(equal, {}, &trial);
  stages->push_back({"onepass", trial.makespan});
  if (trial.makespan < best.makespan) {
    std::swap(best, trial);
    priority = equal;
  }
  trial = fill_gaps(graph, chain);
  stages->push_back({"greedy", trial.makespan});
  UnitSchedule improved = best;
  if (trial.makespan < best.makespan) {
    best = trial;
    Priorities early(graph.size());
    for (size_t i = 0; i < graph.size(); ++i) early[i] = -trial.start[i];
    UnitSchedule again;
    forward.run(early, {}, &again);
    if (again.makespan < improved.makespan) {
      improved = again;
      priority = early;
    }
  }
  Improver(graph, &forward, least).run(&priority, &improved, effort);
  time_queues(graph, &improved);
  stages->push_back({"improved", improved.makespan});
  return improved.makespan < best.makespan ? improved : best;
}

}  // namespace pulsar2
