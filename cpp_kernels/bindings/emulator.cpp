#include "pulsar2/emulator.h"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>
#include <optional>
#include <vector>

#include "bytes.h"

namespace py = pybind11;

namespace {

using pulsar2::Emulator;
using pulsar2::IoTensor;

std::unique_ptr<Emulator> make_emulator(const py::buffer& program, const py::buffer& params,
                                        int threads) {
  if (threads < 1 || threads > 256) throw py::value_error("threads must be 1 to 256");
  const ByteView code(program);
  const ByteView bytes(params);
  py::gil_scoped_release release;
  return std::make_unique<Emulator>(pulsar2::decode_program(code.data(), code.size()), bytes.data(),
                                    bytes.size(), threads);
}

/// The bytes of the arrays given for the program's inputs, or outputs, in the program's order.
std::vector<uint8_t*> tensor_bytes(const Emulator& self, const std::vector<py::array>& arrays,
                                   bool outputs) {
  std::vector<uint8_t*> result;
  for (const IoTensor& io : self.program().ios) {
    if (io.is_output != outputs) continue;
    if (result.size() == arrays.size()) throw py::value_error("too few arrays");
    const py::array& array = arrays[result.size()];
    if ((array.flags() & py::array::c_style) == 0 ||
        static_cast<uint64_t>(array.nbytes()) != io.nbytes) {
      throw py::value_error("'" + io.name + "' needs a contiguous array of " +
                            std::to_string(io.nbytes) + " bytes");
    }
    if (outputs && !array.writeable()) throw py::value_error("'" + io.name + "' is not writable");
    result.push_back(static_cast<uint8_t*>(const_cast<void*>(array.data())));
  }
  if (result.size() != arrays.size()) throw py::value_error("too many arrays");
  return result;
}

void run(Emulator& self, const std::vector<py::array>& inputs,
         const std::vector<py::array>& outputs, std::optional<uint64_t> shuffle, bool profile) {
  const std::vector<uint8_t*> sources = tensor_bytes(self, inputs, false);
  const std::vector<uint8_t*> targets = tensor_bytes(self, outputs, true);
  Emulator::Options options;
  options.shuffle = shuffle;
  options.profile = profile;
  py::gil_scoped_release release;
  self.run({sources.begin(), sources.end()}, targets, options);
}

py::bytes read_space(const Emulator& self, int space, uint64_t address, uint64_t nbytes) {
  if (space < 0 || space >= pulsar2::kNumSpaces) throw py::value_error("there is no such space");
  if (nbytes > self.program().space_bytes[space])
    throw py::value_error("more bytes than the space has");
  std::vector<uint8_t> bytes(nbytes);
  self.read(static_cast<pulsar2::Space>(space), address, nbytes, bytes.data());
  return py::bytes(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

}  // namespace

void bind_emulator(py::module_& m) {
  py::class_<Emulator>(m, "Emulator", "A loaded program; see pulsar2.emulator, which wraps it.")
      .def(py::init(&make_emulator), py::arg("program"), py::arg("params"), py::arg("threads") = 1)
      .def("run", &run, py::arg("inputs"), py::arg("outputs"), py::arg("shuffle") = py::none(),
           py::arg("profile") = false,
           "Runs over arrays in the order of the program's inputs and outputs; fills the outputs.")
      .def("read", &read_space, py::arg("space"), py::arg("address"), py::arg("nbytes"),
           "Bytes of a space as the last run left them.")
      .def_property_readonly(
          "job_nanoseconds",
          [](const Emulator& self) {
            const std::vector<int64_t>& ns = self.job_nanoseconds();
            return py::array_t<int64_t>(static_cast<py::ssize_t>(ns.size()), ns.data());
          },
          "Wall-clock time of every job, summed over the runs that were profiled.")
      .def_property_readonly(
          "tensors",
          [](const Emulator& self) {
            py::list list;
            for (const IoTensor& io : self.program().ios) {
              list.append(py::make_tuple(io.name, static_cast<int>(io.dtype),
                                         py::tuple(py::cast(io.shape)), io.is_output));
            }
            return list;
          },
          "Inputs and outputs: (name, element type, shape, is_output).");
}
