#include "pulsar2/scale_search.h"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>
#include <stdexcept>
#include <utility>

namespace py = pybind11;

namespace {

using F32Array = py::array_t<float, py::array::c_style>;

/// A reader with the arrays that it looks at.
struct Reader {
  F32Array x, weight;
  std::optional<F32Array> bias;
  F32Array scales;
  pulsar2::ScaleReader view;
};

Reader make_reader(F32Array x, F32Array weight, std::optional<F32Array> bias, F32Array scales,
                   std::pair<float, float> bounds, int32_t weight_limit) {
  if (x.ndim() != 3 || weight.ndim() != 2 || x.shape(2) != weight.shape(1) ||
      weight.shape(0) % x.shape(0) != 0)
    throw std::invalid_argument("x [groups, rows, depth] and weight [outputs, depth] do not fit");
  const auto outputs = weight.shape(0);
  if (scales.size() != outputs || (bias && bias->size() != outputs))
    throw std::invalid_argument("there is one scale and one bias per output");
  Reader reader{
      std::move(x), std::move(weight), std::move(bias), F32Array(outputs, scales.data()), {}};
  pulsar2::ScaleReader& view = reader.view;
  view.x = reader.x.data();
  view.groups = reader.x.shape(0);
  view.rows = reader.x.shape(1);
  view.depth = reader.x.shape(2);
  view.w = reader.weight.data();
  view.outputs = outputs;
  view.bias = reader.bias ? reader.bias->data() : nullptr;
  view.low = bounds.first;
  view.high = bounds.second;
  view.weight_limit = weight_limit;
  view.scales = reader.scales.mutable_data();
  return reader;
}

std::pair<float, float> search(const std::vector<Reader*>& readers, std::pair<float, float> range,
                               std::pair<int32_t, int32_t> integers, bool fixed_range,
                               bool exact_input, bool own_error, int32_t rounds) {
  pulsar2::ScaleSearch search;
  for (const Reader* reader : readers) search.readers.push_back(reader->view);
  search.range = {range.first, range.second, integers.first, integers.second};
  search.fixed_range = fixed_range;
  search.exact_input = exact_input;
  search.own_error = own_error;
  search.rounds = rounds;
  py::gil_scoped_release release;
  const pulsar2::ActivationRange found = pulsar2::search_scales(search);
  return {found.low, found.high};
}

}  // namespace

void bind_scale_search(py::module_& m) {
  py::class_<Reader>(m, "ScaleReader", "A sum of products that reads an activation, for a search.")
      .def(py::init(&make_reader), py::arg("x"), py::arg("weight"), py::arg("bias"),
           py::arg("scales"), py::arg("bounds"), py::arg("weight_limit"))
      .def_readonly("scales", &Reader::scales, "f32 [outputs], of the weights.");
  m.def("search_scales", &search, py::arg("readers"), py::arg("range"), py::arg("integers"),
        py::kw_only(), py::arg("fixed_range"), py::arg("exact_input"), py::arg("own_error"),
        py::arg("rounds"),
        "Searches scales of the readers' weights and the range of what they read; the range.");
}
