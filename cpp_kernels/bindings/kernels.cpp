// Kernels one by one, for tests that compare them with their definitions.

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <atomic>
#include <cstring>
#include <exception>
#include <limits>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "pulsar2/kernels/functions.h"
#include "pulsar2/kernels/isa.h"
#include "pulsar2/kernels/registry.h"

namespace py = pybind11;

namespace {

using pulsar2::DType;
using pulsar2::KernelEntry;
using pulsar2::View;

/// Starts threads for each call: enough for tests, where only the result matters.
class Threads : public pulsar2::Parallel {
 public:
  explicit Threads(int count) : count_(count) {}

  void run(int64_t n, int64_t grain, void (*body)(void* context, int64_t begin, int64_t end),
           void* context) override {
    std::atomic<int64_t> next{0};
    std::exception_ptr error;
    std::mutex mutex;
    const pulsar2::Isa isa = pulsar2::current_isa();
    const auto work = [&] {
      const pulsar2::IsaScope scope(isa);
      try {
        for (int64_t begin = next.fetch_add(grain); begin < n; begin = next.fetch_add(grain)) {
          body(context, begin, begin + grain < n ? begin + grain : n);
        }
      } catch (...) {
        const std::lock_guard<std::mutex> lock(mutex);
        error = std::current_exception();
      }
    };
    std::vector<std::thread> threads;
    for (int i = 1; i < count_; ++i) threads.emplace_back(work);
    work();
    for (std::thread& thread : threads) thread.join();
    if (error) std::rethrow_exception(error);
  }

 private:
  int count_;
};

/// What a kernel keeps between calls for one job.
struct State {
  std::unique_ptr<pulsar2::KernelState> kernel;
};

DType dtype_of(const py::array& array) {
  const py::dtype dtype = array.dtype();
  const char kind = dtype.kind();
  const auto size = dtype.itemsize();
  if (!dtype.equal(dtype.attr("newbyteorder")("="))) throw py::type_error("foreign byte order");
  if (kind == 'b') return DType::BOOL;
  if (kind == 'u' && size == 1) return DType::U8;
  if (kind == 'i' && size == 1) return DType::S8;
  if (kind == 'u' && size == 2) return DType::U16;
  if (kind == 'i' && size == 2) return DType::S16;
  if (kind == 'i' && size == 4) return DType::S32;
  if (kind == 'u' && size == 4) return DType::U32;
  if (kind == 'i' && size == 8) return DType::S64;
  if (kind == 'f' && size == 2) return DType::F16;
  if (kind == 'f' && size == 4) return DType::F32;
  throw py::type_error("no element type for numpy dtype " + py::str(dtype).cast<std::string>());
}

View view_of(const py::handle& item, bool output) {
  const auto operand = py::cast<py::tuple>(item);
  if (operand.size() != 3) throw py::value_error("an operand is (array, scale, zero_point)");
  if (!py::isinstance<py::array>(operand[0])) throw py::type_error("operand is no numpy array");
  const auto array = py::reinterpret_borrow<py::array>(operand[0]);
  if (output && !array.writeable()) throw py::value_error("output array is read-only");
  if (array.ndim() > pulsar2::kMaxDims) throw py::value_error("more than six dimensions");
  View view;
  view.data = static_cast<uint8_t*>(const_cast<void*>(array.data()));
  view.dtype = dtype_of(array);
  view.ndim = static_cast<int32_t>(array.ndim());
  for (int d = 0; d < view.ndim; ++d) {
    const auto limit = std::numeric_limits<int32_t>::max();
    if (array.shape(d) > limit || std::abs(array.strides(d)) > limit) {
      throw py::value_error("array too large");
    }
    view.shape[d] = static_cast<int32_t>(array.shape(d));
    view.strides[d] = static_cast<int32_t>(array.strides(d));
  }
  view.scale = operand[1].cast<float>();
  view.zero_point = operand[2].cast<int32_t>();
  return view;
}

int32_t word_of(const py::handle& param) {
  int32_t word;
  if (py::isinstance<py::float_>(param)) {
    const float value = param.cast<float>();
    std::memcpy(&word, &value, sizeof word);
  } else {
    word = param.cast<int32_t>();
  }
  return word;
}

void run_kernel(int opcode, const py::list& operands, const py::list& params, int threads,
                const std::optional<std::string>& isa, State* state) {
  const KernelEntry* entry =
      opcode < 0 || opcode > 0xffff ? nullptr : pulsar2::find_kernel(static_cast<uint16_t>(opcode));
  if (entry == nullptr) throw py::value_error("no kernel has opcode " + std::to_string(opcode));
  if (threads < 1) throw py::value_error("threads must be 1 or more");
  std::vector<View> views;
  for (const py::handle& operand : operands) {
    const auto i = static_cast<int32_t>(views.size());
    views.push_back(view_of(operand, i < entry->num_operands && entry->operands[i].output));
  }
  std::vector<int32_t> words;
  for (const py::handle& param : params) words.push_back(word_of(param));

  Threads pool(threads);
  std::unique_ptr<pulsar2::KernelState> fresh;
  pulsar2::KernelCall call;
  call.operands = views.data();
  call.num_operands = static_cast<int32_t>(views.size());
  call.params = words.data();
  call.num_params = static_cast<int32_t>(words.size());
  call.parallel = threads > 1 ? &pool : nullptr;
  call.state = state != nullptr ? &state->kernel : &fresh;
  const pulsar2::IsaScope scope(isa ? pulsar2::isa_from_name(isa->c_str())
                                    : pulsar2::current_isa());
  const py::gil_scoped_release release;
  entry->fn(call);
}

py::list kernel_table() {
  size_t count = 0;
  const KernelEntry* entries = pulsar2::all_kernels(&count);
  py::list table;
  for (size_t i = 0; i < count; ++i) {
    const KernelEntry& e = entries[i];
    py::list operands;
    for (int32_t k = 0; k < e.num_operands; ++k) {
      const pulsar2::OperandInfo& o = e.operands[k];
      operands.append(py::make_tuple(o.name, o.output, o.optional));
    }
    py::list params;
    for (int32_t k = 0; k < e.num_params; ++k) {
      params.append(py::make_tuple(e.params[k].name, e.params[k].is_float));
    }
    table.append(py::make_tuple(e.opcode, e.name, operands, params));
  }
  return table;
}

std::vector<std::string> supported_isas() {
  std::vector<std::string> names;
  for (const auto isa :
       {pulsar2::Isa::Portable, pulsar2::Isa::Avx2, pulsar2::Isa::AvxVnni, pulsar2::Isa::Avx512}) {
    if (pulsar2::isa_supported(isa)) names.emplace_back(pulsar2::isa_name(isa));
  }
  return names;
}

const pulsar2::FunctionEntry& find_function(const std::string& name) {
  size_t count = 0;
  const pulsar2::FunctionEntry* entries = pulsar2::all_functions(&count);
  for (size_t i = 0; i < count; ++i) {
    if (name == entries[i].name) return entries[i];
  }
  throw py::value_error("no function is called " + name);
}

using FloatArray = py::array_t<float, py::array::c_style>;

py::array_t<double> evaluate(const std::string& name, const FloatArray& x,
                             const std::optional<FloatArray>& y) {
  const pulsar2::FunctionEntry& f = find_function(name);
  if ((f.binary != nullptr) != y.has_value()) {
    throw py::value_error(name + (f.binary != nullptr ? " takes" : " does not take") +
                          " a second argument");
  }
  if (x.ndim() != 1 || (y && (y->ndim() != 1 || y->size() != x.size()))) {
    throw py::value_error("arguments are vectors of one length");
  }
  py::array_t<double> out(x.size());
  const float* a = x.data();
  const float* b = y ? y->data() : nullptr;
  double* r = out.mutable_data();
  for (py::ssize_t i = 0; i < x.size(); ++i) {
    r[i] = b != nullptr ? f.binary(static_cast<double>(a[i]), static_cast<double>(b[i]))
                        : f.unary(static_cast<double>(a[i]));
  }
  return out;
}

}  // namespace

void bind_kernels(py::module_& m) {
  py::class_<State>(m, "KernelState", "What a kernel keeps between calls for one job.")
      .def(py::init<>());
  m.def("run_kernel", &run_kernel, py::arg("opcode"), py::arg("operands"), py::arg("params"),
        py::arg("threads") = 1, py::arg("isa") = py::none(), py::arg("state") = py::none(),
        "Runs one kernel on numpy arrays in place. operands: (array, scale, zero_point) each, any "
        "strides, nothing converted; params: ints, and floats for f32 words. Raises ValueError "
        "where they do not fit together.");
  m.def("kernel_table", &kernel_table,
        "(opcode, name, [(operand, is_output, is_optional)], [(param, is_float)]) per kernel.");
  m.def("supported_isas", &supported_isas, "Instruction-set paths that this processor can run.");
  m.def("evaluate_function", &evaluate, py::arg("name"), py::arg("x").noconvert(),
        py::arg("y") = py::none(),
        "An f32 function before its rounding to f32: float32 vectors to a float64 vector.");
}
