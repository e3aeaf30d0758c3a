#include "pulsar2/observers.h"

#include <memory>
#include <optional>
#include <string>

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "pulsar2/kernels/isa.h"

namespace py = pybind11;

namespace {

using F32Array = py::array_t<float, py::array::c_style>;

template <typename Observer>
bool observe(Observer& self, const F32Array& values) {
  const float* data = values.data();
  const int64_t count = values.size();
  py::gil_scoped_release release;
  return self.observe(data, count);
}

bool observe_histogram(pulsar2::HistogramObserver& self, const F32Array& values,
                       const std::optional<std::string>& isa) {
  const pulsar2::IsaScope scope(isa ? pulsar2::isa_from_name(isa->c_str())
                                    : pulsar2::current_isa());
  return observe(self, values);
}

pulsar2::ChannelObserver make_channel_observer(int64_t channels, int64_t inner) {
  if (channels < 1 || inner < 1) {
    throw py::value_error("there are at least one channel and one number of each");
  }
  return pulsar2::ChannelObserver(channels, inner);
}

bool observe_channels(pulsar2::ChannelObserver& self, const F32Array& values) {
  const int64_t whole = static_cast<int64_t>(self.maxima().size()) * self.inner();
  if (values.size() % whole != 0) {
    throw py::value_error("the numbers are no whole number of tensors [channels, inner]");
  }
  return observe(self, values);
}

void merge_channels(pulsar2::ChannelObserver& self, const pulsar2::ChannelObserver& other) {
  if (self.maxima().size() != other.maxima().size()) {
    throw py::value_error("the other observer has another number of channels");
  }
  self.merge(other);
}

std::unique_ptr<pulsar2::ObserverSet> make_observer_set(
    std::vector<std::shared_ptr<pulsar2::TensorObserver>> observers, std::vector<int64_t> sizes) {
  if (observers.size() != sizes.size()) throw py::value_error("there is one size of each observer");
  return std::make_unique<pulsar2::ObserverSet>(std::move(observers), std::move(sizes));
}

int64_t observe_in_set(pulsar2::ObserverSet& self, size_t index, const F32Array& values) {
  const float* data = values.data();
  const int64_t count = values.size();
  py::gil_scoped_release release;
  return static_cast<int64_t>(self.observe(index, data, count));
}

constexpr const char* kObserve =
    "Takes a contiguous f32 array; False, and no change, when a number is not finite.";

}  // namespace

void bind_observers(py::module_& m) {
  using pulsar2::ChannelObserver;
  using pulsar2::HistogramObserver;
  using pulsar2::MinMaxObserver;
  using pulsar2::TensorObserver;
  py::class_<TensorObserver, std::shared_ptr<TensorObserver>>(
      m, "TensorObserver", "What is kept of a stream of f32 tensors.");

  py::class_<MinMaxObserver, TensorObserver, std::shared_ptr<MinMaxObserver>>(
      m, "MinMaxObserver", "The least and greatest of a stream of f32 numbers; mergeable.")
      .def(py::init<>())
      .def("observe", &observe<MinMaxObserver>, py::arg("values").noconvert(), kObserve)
      .def("merge", &MinMaxObserver::merge, py::arg("other"))
      .def_property_readonly("count", &MinMaxObserver::count)
      .def_property_readonly("min", &MinMaxObserver::min)
      .def_property_readonly("max", &MinMaxObserver::max);

  py::class_<ChannelObserver, TensorObserver, std::shared_ptr<ChannelObserver>>(
      m, "ChannelObserver",
      "The greatest magnitude of each channel of a stream of f32 tensors "
      "[.., channels, inner]; mergeable.")
      .def(py::init(&make_channel_observer), py::arg("channels"), py::arg("inner"))
      .def("observe", &observe_channels, py::arg("values").noconvert(), kObserve)
      .def("merge", &merge_channels, py::arg("other"))
      .def_property_readonly("maxima", [](const ChannelObserver& self) {
        return py::array_t<float>(static_cast<py::ssize_t>(self.maxima().size()),
                                  self.maxima().data());
      });

  py::class_<HistogramObserver, TensorObserver, std::shared_ptr<HistogramObserver>>(
      m, "HistogramObserver", "Counts of f32 numbers in bins of equal width; mergeable.")
      .def(py::init<>())
      .def("observe", &observe_histogram, py::arg("values").noconvert(),
           py::arg("isa") = py::none(), kObserve)
      .def("merge", &HistogramObserver::merge, py::arg("other"))
      .def("forget_zeros", &HistogramObserver::forget_zeros, py::arg("count"),
           "Takes back zeros that were observed and are no data.")
      .def("percentile_range", &pulsar2::percentile_range, py::arg("fraction"),
           py::call_guard<py::gil_scoped_release>(),
           "The range without the least and the greatest 1 - fraction of the numbers.")
      .def("mse_range", &pulsar2::mse_range, py::arg("levels"),
           py::call_guard<py::gil_scoped_release>(),
           "The range whose quantization to `levels` steps has the least squared error.")
      .def("kl_range", &pulsar2::kl_range, py::arg("levels"),
           py::call_guard<py::gil_scoped_release>(),
           "The range whose quantization to `levels` steps diverges least.")
      .def_property_readonly("count", &HistogramObserver::count)
      .def_property_readonly("min", &HistogramObserver::min)
      .def_property_readonly("max", &HistogramObserver::max)
      .def_property_readonly("exponent", &HistogramObserver::exponent,
                             "A bin is 2 ** exponent wide.")
      .def_property_readonly("counts", [](const HistogramObserver& self) {
        return py::array_t<int64_t>(static_cast<py::ssize_t>(self.counts().size()),
                                    self.counts().data());
      });

  py::class_<pulsar2::ObserverSet>(m, "ObserverSet",
                                   "Observers of the tensors of a model, and the sizes of these.")
      .def(py::init(&make_observer_set), py::arg("observers"), py::arg("sizes"))
      .def(
          "observe", &observe_in_set, py::arg("index"), py::arg("values").noconvert(),
          "Shows an f32 tensor to its observer; 1 where it holds infinities, 2 with a NaN, else 0.")
      .def_property_readonly(
          "address",
          [](const pulsar2::ObserverSet& self) { return reinterpret_cast<intptr_t>(&self); },
          "Where the set lies, for the operator Observe in a session of ONNX Runtime.");
}
