// Mathematics of the scheduler that is too slow in Python.

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <vector>

#include "pulsar2/allocate.h"
#include "pulsar2/assign_units.h"
#include "pulsar2/conflicts.h"
#include "pulsar2/order_jobs.h"

namespace py = pybind11;

namespace {

using I64Array = py::array_t<int64_t, py::array::c_style>;
using I32Array = py::array_t<int32_t, py::array::c_style>;

template <typename T>
std::vector<T> to_vector(const py::array_t<T, py::array::c_style>& array) {
  return {array.data(), array.data() + array.size()};
}

py::object assign_offsets(const I64Array& begins, const I64Array& ends, const I64Array& sizes,
                          int64_t capacity, int64_t effort) {
  if (begins.size() != sizes.size() || ends.size() != sizes.size()) {
    throw py::value_error("begins, ends and sizes have one entry per buffer");
  }
  const pulsar2::Lives lives{to_vector(begins), to_vector(ends), to_vector(sizes)};
  for (size_t i = 0; i < lives.size.size(); ++i) {
    if (lives.begin[i] >= lives.end[i] || lives.size[i] < 0) {
      throw py::value_error("a buffer has a live range that is not empty and no negative size");
    }
  }
  std::vector<int64_t> offsets;
  bool found = false;
  {
    py::gil_scoped_release release;
    found = pulsar2::assign_offsets(lives, capacity, effort, &offsets);
  }
  if (!found) return py::none();
  return I64Array(static_cast<py::ssize_t>(offsets.size()), offsets.data());
}

template <typename T>
py::array_t<T, py::array::c_style> to_array(const std::vector<T>& values) {
  return py::array_t<T, py::array::c_style>(static_cast<py::ssize_t>(values.size()), values.data());
}

void check_graph(const pulsar2::JobGraph& graph) {
  const size_t n = graph.size();
  if (graph.cycles.size() != n || graph.ddr_bytes.size() != n ||
      graph.wait_offsets.size() != n + 1) {
    throw py::value_error(
        "kinds, cycles and ddr_bytes have one entry per job, wait_offsets one more");
  }
  if (!(graph.ddr_rate > 0)) throw py::value_error("the DDR rate must be positive");
  if (graph.wait_offsets[0] != 0 ||
      graph.wait_offsets[n] != static_cast<int64_t>(graph.waits.size())) {
    throw py::value_error("wait_offsets must run from 0 to the number of waits");
  }
  for (size_t i = 0; i < n; ++i) {
    const auto kind = static_cast<size_t>(graph.kind[i]);
    if (graph.kind[i] < 0 || kind >= graph.units.size() || graph.units[kind] < 1) {
      throw py::value_error("a job is of a class that has no unit");
    }
    if (graph.cycles[i] < 0 || graph.ddr_bytes[i] < 0) {
      throw py::value_error("a job has negative cycles or bytes");
    }
    if (graph.wait_offsets[i] > graph.wait_offsets[i + 1]) {
      throw py::value_error("wait_offsets must ascend");
    }
    for (int64_t w = graph.wait_offsets[i]; w < graph.wait_offsets[i + 1]; ++w) {
      const int32_t other = graph.waits[static_cast<size_t>(w)];
      if (other < 0 || static_cast<size_t>(other) >= i) {
        throw py::value_error("jobs wait for earlier ones only");
      }
    }
  }
}

pulsar2::JobGraph to_graph(const I32Array& kinds, const I64Array& cycles, const I64Array& ddr_bytes,
                           const I64Array& wait_offsets, const I32Array& waits,
                           const I32Array& units, double ddr_rate) {
  pulsar2::JobGraph graph{to_vector(kinds),
                          to_vector(cycles),
                          to_vector(ddr_bytes),
                          to_vector(wait_offsets),
                          to_vector(waits),
                          to_vector(units),
                          ddr_rate};
  check_graph(graph);
  return graph;
}

py::tuple assign_units(const I32Array& kinds, const I64Array& cycles, const I64Array& ddr_bytes,
                       const I64Array& wait_offsets, const I32Array& waits, const I32Array& units,
                       double ddr_rate, int64_t effort) {
  const pulsar2::JobGraph graph =
      to_graph(kinds, cycles, ddr_bytes, wait_offsets, waits, units, ddr_rate);
  std::vector<pulsar2::AssignStage> stages;
  pulsar2::UnitSchedule found;
  {
    py::gil_scoped_release release;
    found = pulsar2::assign_units(graph, effort, &stages);
  }
  py::list said;
  for (const auto& [name, makespan] : stages) said.append(py::make_tuple(name, makespan));
  return py::make_tuple(to_array(found.unit), to_array(found.order), to_array(found.start),
                        to_array(found.end), said);
}

/// Whether `offsets` are `count + 1` ascending numbers from 0 to `end`.
void check_offsets(const std::vector<int64_t>& offsets, size_t count, size_t end) {
  if (offsets.size() != count + 1 || offsets.front() != 0 ||
      offsets.back() != static_cast<int64_t>(end) ||
      !std::is_sorted(offsets.begin(), offsets.end())) {
    throw py::value_error("offsets must ascend from 0 to the number of entries");
  }
}

py::tuple order_jobs(const I32Array& kinds, const I64Array& cycles, const I64Array& ddr_bytes,
                     const I64Array& wait_offsets, const I32Array& waits, const I32Array& units,
                     double ddr_rate, const I64Array& sizes, const I64Array& use_offsets,
                     const I32Array& uses, int64_t limit, const I32Array& not_before,
                     const I64Array& priority) {
  const pulsar2::JobGraph graph =
      to_graph(kinds, cycles, ddr_bytes, wait_offsets, waits, units, ddr_rate);
  const pulsar2::JobMemory memory{to_vector(sizes), to_vector(use_offsets), to_vector(uses)};
  check_offsets(memory.use_offsets, graph.size(), memory.uses.size());
  const auto count = static_cast<int64_t>(memory.size.size());
  if (std::any_of(memory.uses.begin(), memory.uses.end(),
                  [&](int32_t buffer) { return buffer < 0 || buffer >= count; }) ||
      std::any_of(memory.size.begin(), memory.size.end(), [](int64_t size) { return size < 0; })) {
    throw py::value_error("jobs use buffers that there are, of no negative size");
  }
  const std::vector<int64_t> priorities = to_vector(priority);
  const std::vector<int32_t> after = to_vector(not_before);
  if (priorities.size() != graph.size() || after.size() != graph.size()) {
    throw py::value_error("priority and not_before have one entry per job");
  }
  for (size_t i = 0; i < after.size(); ++i) {
    if (after[i] > static_cast<int32_t>(i)) {
      throw py::value_error("a job does not start after later ones");
    }
  }
  pulsar2::UnitSchedule found;
  {
    py::gil_scoped_release release;
    found = pulsar2::order_jobs(graph, memory, limit, after, priorities);
  }
  return py::make_tuple(to_array(found.unit), to_array(found.order), to_array(found.start),
                        to_array(found.end));
}

py::tuple to_arrays(const pulsar2::Waits& waits) {
  return py::make_tuple(to_array(waits.offsets), to_array(waits.waits));
}

py::tuple conflict_waits(const I64Array& of_job, const I64Array& keys, const I64Array& addresses,
                         const I64Array& itemsizes, const I64Array& writes,
                         const I64Array& of_access, const I64Array& shapes, const I64Array& strides,
                         const I64Array& buffers, const I64Array& lows, const I64Array& highs) {
  const pulsar2::Accesses accesses{to_vector(of_job),    to_vector(keys),    to_vector(addresses),
                                   to_vector(itemsizes), to_vector(writes),  to_vector(of_access),
                                   to_vector(shapes),    to_vector(strides), to_vector(buffers),
                                   to_vector(lows),      to_vector(highs)};
  const size_t n = accesses.key.size();
  if (accesses.of_job.empty() || accesses.address.size() != n || accesses.itemsize.size() != n ||
      accesses.writes.size() != n || accesses.shape.size() != accesses.stride.size() ||
      accesses.buffer.size() != n || accesses.low.size() != accesses.high.size()) {
    throw py::value_error("arrays of accesses have one entry per access");
  }
  for (const int64_t buffer : accesses.buffer) {
    if (buffer < -1 || buffer >= static_cast<int64_t>(accesses.low.size()))
      throw py::value_error("an access is part of a buffer that is given, or of none (-1)");
  }
  for (size_t b = 0; b < accesses.low.size(); ++b) {
    if (accesses.low[b] < 0 || accesses.high[b] < accesses.low[b])
      throw py::value_error("a buffer has a range of bytes that is not negative");
  }
  check_offsets(accesses.of_job, accesses.of_job.size() - 1, n);
  check_offsets(accesses.of_access, n, accesses.shape.size());
  const auto negative = [](int64_t value) { return value < 0; };
  const auto none = [](int64_t value) { return value < 1; };
  if (std::any_of(accesses.address.begin(), accesses.address.end(), negative) ||
      std::any_of(accesses.stride.begin(), accesses.stride.end(), negative) ||
      std::any_of(accesses.itemsize.begin(), accesses.itemsize.end(), none) ||
      std::any_of(accesses.shape.begin(), accesses.shape.end(), none)) {
    throw py::value_error("an access has bytes, and no negative address or stride");
  }
  pulsar2::Waits waits;
  {
    py::gil_scoped_release release;
    waits = pulsar2::conflict_waits(accesses);
  }
  return to_arrays(waits);
}

py::tuple prune_waits(const I32Array& queues, const I64Array& offsets, const I32Array& waits) {
  const std::vector<int32_t> queue_of = to_vector(queues);
  pulsar2::Waits given{to_vector(offsets), to_vector(waits)};
  check_offsets(given.offsets, queue_of.size(), given.waits.size());
  for (size_t job = 0; job < queue_of.size(); ++job) {
    if (queue_of[job] < 0) throw py::value_error("queues are numbered from 0");
    for (int64_t w = given.offsets[job]; w < given.offsets[job + 1]; ++w) {
      const int32_t other = given.waits[static_cast<size_t>(w)];
      if (other < 0 || static_cast<size_t>(other) >= job) {
        throw py::value_error("jobs wait for earlier ones only");
      }
    }
  }
  pulsar2::Waits pruned;
  {
    py::gil_scoped_release release;
    pruned = pulsar2::prune_waits(queue_of, given);
  }
  return to_arrays(pruned);
}

}  // namespace

void bind_analysis(py::module_& m) {
  m.def("assign_offsets", &assign_offsets, py::arg("begins").noconvert(),
        py::arg("ends").noconvert(), py::arg("sizes").noconvert(), py::arg("capacity"),
        py::arg("effort"),
        "Offsets of buffers alive in [begin, end) within `capacity`, or None where none are "
        "found.");
  m.def("assign_units", &assign_units, py::arg("kinds").noconvert(), py::arg("cycles").noconvert(),
        py::arg("ddr_bytes").noconvert(), py::arg("wait_offsets").noconvert(),
        py::arg("waits").noconvert(), py::arg("units").noconvert(), py::arg("ddr_rate"),
        py::arg("effort"),
        "Unit of each job within its class, the jobs by their starts, starts, ends, and the name "
        "and makespan of every stage; see pulsar2/assign_units.h.");
  m.def("order_jobs", &order_jobs, py::arg("kinds").noconvert(), py::arg("cycles").noconvert(),
        py::arg("ddr_bytes").noconvert(), py::arg("wait_offsets").noconvert(),
        py::arg("waits").noconvert(), py::arg("units").noconvert(), py::arg("ddr_rate"),
        py::arg("sizes").noconvert(), py::arg("use_offsets").noconvert(),
        py::arg("uses").noconvert(), py::arg("limit"), py::arg("not_before").noconvert(),
        py::arg("priority").noconvert(),
        "Unit of each job within its class, the jobs by their starts, starts and ends; see "
        "pulsar2/order_jobs.h.");
  m.def("conflict_waits", &conflict_waits, py::arg("of_job").noconvert(),
        py::arg("keys").noconvert(), py::arg("addresses").noconvert(),
        py::arg("itemsizes").noconvert(), py::arg("writes").noconvert(),
        py::arg("of_access").noconvert(), py::arg("shapes").noconvert(),
        py::arg("strides").noconvert(), py::arg("buffers").noconvert(), py::arg("lows").noconvert(),
        py::arg("highs").noconvert(),
        "Offsets and waits of jobs for the earlier ones that they conflict with; see "
        "pulsar2/conflicts.h.");
  m.def("prune_waits", &prune_waits, py::arg("queues").noconvert(), py::arg("offsets").noconvert(),
        py::arg("waits").noconvert(),
        "Offsets and waits without those that queues or other waits imply.");
}
