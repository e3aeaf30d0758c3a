#include "pulsar2/observers.h"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

namespace py = pybind11;

namespace {

using F32Array = py::array_t<float, py::array::c_style>;

}  // namespace

void bind_observers(py::module_& m) {
  using pulsar2::MinMaxObserver;
  py::class_<MinMaxObserver>(m, "MinMaxObserver",
                             "The least and greatest of a stream of f32 numbers; mergeable.")
      .def(py::init<>())
      .def(
          "observe",
          [](MinMaxObserver& self, const F32Array& values) {
            const float* data = values.data();
            const int64_t count = values.size();
            py::gil_scoped_release release;
            return self.observe(data, count);
          },
          py::arg("values").noconvert(),
          "Takes a contiguous f32 array; False, and no change, when a number is not finite.")
      .def("merge", &MinMaxObserver::merge, py::arg("other"))
      .def_property_readonly("count", &MinMaxObserver::count)
      .def_property_readonly("min", &MinMaxObserver::min)
      .def_property_readonly("max", &MinMaxObserver::max);
}
