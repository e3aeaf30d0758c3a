// Speed of the kernels other than conv: elements per nanosecond on one thread.
//
//   bench_vector [--isa NAME]... [--seconds S]

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <random>
#include <string>
#include <vector>

#include "pulsar2/kernels/isa.h"
#include "pulsar2/kernels/registry.h"

namespace {

using pulsar2::DType;
using pulsar2::Opcode;
using pulsar2::View;
using Clock = std::chrono::steady_clock;

int size_of(DType dtype) {
  return dtype == DType::F32 || dtype == DType::S32 ? 4 : dtype == DType::U16 ? 2 : 1;
}

/// A tensor with its storage, which the view is told of when the tensor stands still; `order` lists
/// dimensions from the slowest to the fastest.
struct Tensor {
  std::vector<uint8_t> data;
  View view;

  Tensor(DType dtype, std::vector<int> shape, std::vector<int> order = {}, float scale = 0.02f,
         int zero_point = 3) {
    view.dtype = dtype;
    view.ndim = static_cast<int>(shape.size());
    view.scale = dtype == DType::F32 ? 1.0f : scale;
    view.zero_point = dtype == DType::F32 ? 0 : zero_point;
    int stride = size_of(dtype);
    for (int d = view.ndim - 1; d >= 0; --d) {
      const auto i = static_cast<size_t>(d);
      const int dim = order.empty() ? d : order[i];
      view.shape[dim] = shape[static_cast<size_t>(dim)];
      view.strides[dim] = stride;
      stride *= view.shape[dim];
    }
    data.resize(static_cast<size_t>(stride) + 64);
    std::mt19937 random(1);
    if (dtype == DType::F32) {
      std::normal_distribution<float> normal(0, 3);
      for (size_t i = 0; i + 4 <= data.size(); i += 4) {
        const float v = normal(random);
        std::memcpy(&data[i], &v, 4);
      }
    } else {
      for (uint8_t& v : data) v = static_cast<uint8_t>(random());
    }
  }

  double elements() const {
    double n = 1;
    for (int d = 0; d < view.ndim; ++d) n *= view.shape[d];
    return n;
  }
};

struct Case {
  std::string name;
  Opcode opcode;
  std::vector<Tensor> tensors;
  std::vector<int32_t> params;
  double work;  ///< elements, or multiply-adds
};

double best_seconds(Case& c, double budget) {
  std::vector<View> views;
  for (Tensor& t : c.tensors) {
    t.view.data = t.data.data();
    views.push_back(t.view);
  }
  std::unique_ptr<pulsar2::KernelState> state;
  pulsar2::KernelCall call;
  call.operands = views.data();
  call.num_operands = static_cast<int32_t>(views.size());
  call.params = c.params.data();
  call.num_params = static_cast<int32_t>(c.params.size());
  call.state = &state;
  const pulsar2::KernelFn fn = pulsar2::find_kernel(static_cast<uint16_t>(c.opcode))->fn;
  fn(call);
  double best = 1e9;
  const auto start = Clock::now();
  int runs = 0;
  while (++runs <= 5 || std::chrono::duration<double>(Clock::now() - start).count() < budget) {
    const auto t0 = Clock::now();
    fn(call);
    best = std::min(best, std::chrono::duration<double>(Clock::now() - t0).count());
  }
  return best;
}

std::vector<Case> cases() {
  constexpr int32_t kLo = -2147483647 - 1;
  constexpr int32_t kHi = 2147483647;
  const std::vector<int> image = {1, 96, 56, 56};
  const std::vector<int> nhwc = {0, 2, 3, 1};
  std::vector<Case> out;
  const auto add = [&](std::string name, Opcode opcode, std::vector<Tensor> tensors,
                       std::vector<int32_t> params) {
    const double work = std::max(tensors.front().elements(), tensors.back().elements());
    out.push_back({std::move(name), opcode, std::move(tensors), std::move(params), work});
  };
  for (const DType t : {DType::U8, DType::U16, DType::F32}) {
    const std::string type = t == DType::U8 ? "u8" : t == DType::U16 ? "u16" : "f32";
    for (const auto& [fn, name] : {std::pair{0, "add"}, {2, "mul"}, {3, "div"}, {4, "min"}}) {
      add(std::string(name) + " " + type, Opcode::Eltwise,
          {Tensor(t, image, nhwc), Tensor(t, image, nhwc), Tensor(t, image, nhwc)}, {fn, kLo, kHi});
    }
    Tensor row(t, image, nhwc);
    row.view.strides[2] = row.view.strides[3] = 0;
    add("mul by channel " + type, Opcode::Eltwise,
        {Tensor(t, image, nhwc), row, Tensor(t, image, nhwc)}, {2, kLo, kHi});
    for (const auto& [fn, name] : {std::pair{1, "relu"},
                                   {3, "sigmoid"},
                                   {6, "tanh"},
                                   {5, "hard_swish"},
                                   {11, "gelu"},
                                   {22, "sin"},
                                   {8, "log"}}) {
      add(std::string(name) + " " + type, Opcode::Unary,
          {Tensor(t, image, nhwc), Tensor(t, image, nhwc)}, {fn, 0, 0, kLo, kHi});
    }
    add("copy " + type, Opcode::Copy, {Tensor(t, image, nhwc), Tensor(t, image, nhwc)}, {});
    add("copy NCHW to NHWC " + type, Opcode::Copy, {Tensor(t, image), Tensor(t, image, nhwc)}, {});
    add("copy NHWC to NCHW " + type, Opcode::Copy, {Tensor(t, image, nhwc), Tensor(t, image)}, {});
    add("copy NCHW to NHWC, C = 3 " + type, Opcode::Copy,
        {Tensor(t, {1, 3, 224, 224}), Tensor(t, {1, 3, 224, 224}, nhwc)}, {});
    add("max pool 3x3 s2 " + type, Opcode::Pool,
        {Tensor(t, {1, 64, 112, 112}, nhwc), Tensor(t, {1, 64, 56, 56}, nhwc)},
        {0, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1, 0, kLo, kHi});
    add("max pool 5x5 s1 " + type, Opcode::Pool,
        {Tensor(t, {1, 256, 20, 20}, nhwc), Tensor(t, {1, 256, 20, 20}, nhwc)},
        {0, 5, 5, 1, 1, 2, 2, 2, 2, 1, 1, 0, kLo, kHi});
    add("avg pool 3x3 s1 " + type, Opcode::Pool,
        {Tensor(t, {1, 64, 56, 56}, nhwc), Tensor(t, {1, 64, 56, 56}, nhwc)},
        {1, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 0, kLo, kHi});
    add("global mean " + type, Opcode::Reduce,
        {Tensor(t, {1, 1280, 7, 7}, nhwc), Tensor(t, {1, 1280, 1, 1}, nhwc)}, {0, 12, kLo, kHi});
    add("mean over the last axis " + type, Opcode::Reduce,
        {Tensor(t, {197, 768}), Tensor(t, {197, 1})}, {0, 2, kLo, kHi});
    add("softmax of 1000 " + type, Opcode::Softmax,
        {Tensor(t, {1, 1000}), Tensor(t, {1, 1000}, {}, 1 / 256.f, 0)}, {1});
    add("softmax of 197 x 197 " + type, Opcode::Softmax,
        {Tensor(t, {3, 197, 197}), Tensor(t, {3, 197, 197}, {}, 1 / 256.f, 0)}, {2});
  }
  add("lut u8", Opcode::Lut,
      {Tensor(DType::U8, image, nhwc), Tensor(DType::U8, {256}), Tensor(DType::U8, image, nhwc)},
      {-1});
  add("lut by channel, C = 3 u8", Opcode::Lut,
      {Tensor(DType::U8, {1, 3, 224, 224}, nhwc), Tensor(DType::U8, {3, 256}),
       Tensor(DType::U8, {1, 3, 224, 224}, nhwc)},
      {1});
  add("quantize f32 to u8", Opcode::Convert,
      {Tensor(DType::F32, image, nhwc), Tensor(DType::U8, image, nhwc)}, {kLo, kHi});
  add("requantize u8 to u8", Opcode::Convert,
      {Tensor(DType::U8, image, nhwc), Tensor(DType::U8, image, nhwc, 0.03f)}, {kLo, kHi});
  add("dequantize u8 to f32", Opcode::Convert,
      {Tensor(DType::U8, image, nhwc), Tensor(DType::F32, image, nhwc)}, {kLo, kHi});
  const auto product = [&](const std::string& name, DType t, int batch, int m, int k, int n) {
    std::vector<Tensor> tensors;
    tensors.emplace_back(t, std::vector<int>{batch, m, k});
    tensors.emplace_back(t, std::vector<int>{batch, k, n});
    tensors.emplace_back(t, std::vector<int>{batch, m, n});
    tensors.emplace_back(DType::F32, std::vector<int>{1});
    out.push_back({name,
                   Opcode::Matmul,
                   std::move(tensors),
                   {0, 0, kLo, kHi},
                   static_cast<double>(batch) * m * k * n});
  };
  product("matmul u8 3 x 197 x 64 x 197 (MAC)", DType::U8, 3, 197, 64, 197);
  product("matmul u8 197 x 192 x 768 (MAC)", DType::U8, 1, 197, 192, 768);
  product("matmul u16 197 x 192 x 768 (MAC)", DType::U16, 1, 197, 192, 768);
  product("matmul f32 197 x 192 x 192 (MAC)", DType::F32, 1, 197, 192, 192);
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  double budget = 0.02;
  std::vector<pulsar2::Isa> isas;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--isa") == 0 && i + 1 < argc) {
      isas.push_back(pulsar2::isa_from_name(argv[++i]));
    } else if (std::strcmp(argv[i], "--seconds") == 0 && i + 1 < argc) {
      budget = std::atof(argv[++i]);
    } else {
      std::fprintf(stderr, "usage: bench_vector [--isa NAME]... [--seconds S]\n");
      return 2;
    }
  }
  if (isas.empty()) {
    for (const auto isa : {pulsar2::Isa::Portable, pulsar2::Isa::Avx2, pulsar2::Isa::Avx512}) {
      if (pulsar2::isa_supported(isa)) isas.push_back(isa);
    }
  }
  std::printf("%-36s", "elements per ns");
  for (const pulsar2::Isa isa : isas) std::printf(" %9s", pulsar2::isa_name(isa));
  std::printf("\n");
  for (Case& c : cases()) {
    std::printf("%-36s", c.name.c_str());
    for (const pulsar2::Isa isa : isas) {
      const pulsar2::IsaScope scope(isa);
      std::printf(" %9.3f", c.work / best_seconds(c, budget) * 1e-9);
    }
    std::printf("\n");
  }
  return 0;
}
