// The operator Observe of the domain "pulsar2", by which a session of ONNX Runtime shows tensors to
// observers at the moment it has computed them: they are still in cache, and their memory is used
// again at once. A tensor that is an output would stay to the end of the run.
//
//   state = Observe<index>(tensor, observers)
//
// `tensor` is f32, `observers` is s64 [1], the address of an ObserverSet in which the tensor has
// the number `index`; `state` is s64 [1], a Seen.

#include <limits>
#include <stdexcept>
#include <string>

#include "ort_api.h"
#include "pulsar2/observers.h"

namespace {

constexpr uint32_t kVersion = 17;  // of the interface: the fields that OrtCustomOp has here

/// Throws what went wrong.
void check(const OrtApi& api, OrtStatus* status) {
  if (status == nullptr) return;
  const std::string message = api.GetErrorMessage(status);
  api.ReleaseStatus(status);
  throw std::runtime_error(message);
}

struct Kernel {
  const OrtApi& api;
  size_t index;
};

template <typename T>
T* data_of(const OrtApi& api, const OrtValue* value) {
  void* data = nullptr;
  check(api, api.GetTensorMutableData(const_cast<OrtValue*>(value), &data));
  return static_cast<T*>(data);
}

int64_t count_of(const OrtApi& api, const OrtValue* value) {
  OrtTensorTypeAndShapeInfo* info = nullptr;
  check(api, api.GetTensorTypeAndShape(value, &info));
  size_t count = 0;
  OrtStatus* status = api.GetTensorShapeElementCount(info, &count);
  api.ReleaseTensorTypeAndShapeInfo(info);
  check(api, status);
  return static_cast<int64_t>(count);
}

/// Runs what may throw; no exception passes through ONNX Runtime.
template <typename Function>
OrtStatus* status_of(const OrtApi& api, Function&& function) noexcept {
  try {
    function();
    return nullptr;
  } catch (const std::exception& error) {
    return api.CreateStatus(kOrtFail, error.what());
  }
}

OrtStatus* create_kernel(const OrtCustomOp*, const OrtApi* api, const OrtKernelInfo* info,
                         void** kernel) {
  return status_of(*api, [&] {
    int64_t index = 0;
    check(*api, api->KernelInfoGetAttribute_int64(info, "index", &index));
    *kernel = new Kernel{*api, static_cast<size_t>(index)};
  });
}

void observe(const Kernel& kernel, OrtKernelContext* context) {
  const OrtApi& api = kernel.api;
  const OrtValue *tensor = nullptr, *address = nullptr;
  check(api, api.KernelContext_GetInput(context, 0, &tensor));
  check(api, api.KernelContext_GetInput(context, 1, &address));
  OrtValue* state = nullptr;
  const int64_t shape[1] = {1};
  check(api, api.KernelContext_GetOutput(context, 0, shape, 1, &state));
  const intptr_t place = static_cast<intptr_t>(*data_of<int64_t>(api, address));
  auto* observers = reinterpret_cast<pulsar2::ObserverSet*>(place);
  const auto seen =
      observers->observe(kernel.index, data_of<float>(api, tensor), count_of(api, tensor));
  *data_of<int64_t>(api, state) = static_cast<int64_t>(seen);
}

OrtStatus* compute(void* kernel, OrtKernelContext* context) {
  const Kernel& known = *static_cast<const Kernel*>(kernel);
  return status_of(known.api, [&] { observe(known, context); });
}

void destroy_kernel(void* kernel) { delete static_cast<Kernel*>(kernel); }

OrtCustomOp make_operator() {
  OrtCustomOp op{};
  op.version = kVersion;
  op.GetName = [](const OrtCustomOp*) { return "Observe"; };
  op.GetExecutionProviderType = [](const OrtCustomOp*) {
    return static_cast<const char*>(nullptr);
  };
  op.GetInputTypeCount = [](const OrtCustomOp*) -> size_t { return 2; };
  op.GetInputType = [](const OrtCustomOp*, size_t i) { return i == 0 ? kOrtFloat : kOrtInt64; };
  op.GetOutputTypeCount = [](const OrtCustomOp*) -> size_t { return 1; };
  op.GetOutputType = [](const OrtCustomOp*, size_t) { return kOrtInt64; };
  op.GetInputCharacteristic = [](const OrtCustomOp*, size_t) { return kOrtRequired; };
  op.GetOutputCharacteristic = op.GetInputCharacteristic;
  op.GetInputMemoryType = [](const OrtCustomOp*, size_t) { return kOrtDefaultMemory; };
  op.GetStartVersion = [](const OrtCustomOp*) { return 1; };
  op.GetEndVersion = [](const OrtCustomOp*) { return std::numeric_limits<int>::max(); };
  op.CreateKernelV2 = create_kernel;
  op.KernelComputeV2 = compute;
  op.KernelDestroy = destroy_kernel;
  return op;
}

OrtCustomOpDomain* make_domain(const OrtApi& api) {
  static const OrtCustomOp observe_operator = make_operator();
  OrtCustomOpDomain* domain = nullptr;
  check(api, api.CreateCustomOpDomain("pulsar2", &domain));
  check(api, api.CustomOpDomain_Add(domain, &observe_operator));
  return domain;
}

}  // namespace

#if defined(_WIN32)
#define PULSAR2_EXPORT __declspec(dllexport)
#else
#define PULSAR2_EXPORT __attribute__((visibility("default")))
#endif

/// What ONNX Runtime calls of a library of operators that is registered with a session's options.
extern "C" PULSAR2_EXPORT OrtStatus* RegisterCustomOps(OrtSessionOptions* options,
                                                       const OrtApiBase* base) {
  const OrtApi& api = *base->GetApi(kVersion);
  return status_of(api, [&] {
    // All sessions share it, so it must outlive them.
    static OrtCustomOpDomain* const domain = make_domain(api);
    check(api, api.AddCustomOpDomain(options, domain));
  });
}
