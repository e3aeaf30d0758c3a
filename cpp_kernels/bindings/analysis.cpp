// Mathematics of the scheduler that is too slow in Python.

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <vector>

#include "pulsar2/allocate.h"
#include "pulsar2/assign_units.h"

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

py::tuple assign_units(const I32Array& kinds, const I64Array& cycles, const I64Array& ddr_bytes,
                       const I64Array& wait_offsets, const I32Array& waits, const I32Array& units,
                       double ddr_rate, int64_t effort) {
  pulsar2::JobGraph graph{to_vector(kinds),
                          to_vector(cycles),
                          to_vector(ddr_bytes),
                          to_vector(wait_offsets),
                          to_vector(waits),
                          to_vector(units),
                          ddr_rate};
  check_graph(graph);
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
}
