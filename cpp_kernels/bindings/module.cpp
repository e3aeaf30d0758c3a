#include <pybind11/pybind11.h>

#include "pulsar2/version.h"

namespace py = pybind11;

void bind_analysis(py::module_& m);
void bind_emulator(py::module_& m);
void bind_kernels(py::module_& m);
void bind_observers(py::module_& m);
void bind_program(py::module_& m);
void bind_scale_search(py::module_& m);

PYBIND11_MODULE(_kernels, m) {
  m.doc() = "C++ core of pulsar2: kernels, emulator, cost model, observers.";
  m.def("program_version", &pulsar2::program_version);
  bind_analysis(m);
  bind_kernels(m);
  bind_observers(m);
  bind_program(m);
  bind_emulator(m);
  bind_scale_search(m);
}
