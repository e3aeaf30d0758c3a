// Mathematics of the scheduler that is too slow in Python.

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <vector>

#include "pulsar2/allocate.h"

namespace py = pybind11;

namespace {

using I64Array = py::array_t<int64_t, py::array::c_style>;

std::vector<int64_t> to_vector(const I64Array& array) {
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

}  // namespace

void bind_analysis(py::module_& m) {
  m.def("assign_offsets", &assign_offsets, py::arg("begins").noconvert(),
        py::arg("ends").noconvert(), py::arg("sizes").noconvert(), py::arg("capacity"),
        py::arg("effort"),
        "Offsets of buffers alive in [begin, end) within `capacity`, or None where none are "
        "found.");
}
