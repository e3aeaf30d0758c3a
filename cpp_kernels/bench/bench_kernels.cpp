// Speed of the conv kernel on the layers of well-known networks, per instruction-set path.
//
//   bench_kernels [--layers] [--isa NAME]... [--seconds S]
//
// Prints GMAC/s and milliseconds per network and kind of layer (with --layers: per layer), on one
// thread, 8-bit activations and weights, activations channels-last.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "pulsar2/kernels/isa.h"
#include "pulsar2/kernels/registry.h"

namespace {

using Clock = std::chrono::steady_clock;

struct Layer {
  std::string network;
  std::string kind;
  int in, size, out, kernel, stride, group;
  int count = 1;

  int out_size() const { return (size + stride - 1) / stride; }
  double macs() const {
    return static_cast<double>(out_size()) * out_size() * out * (in / group) * kernel * kernel;
  }
};

void add(std::vector<Layer>& layers, const std::string& network, int in, int size, int out,
         int kernel, int stride, int group) {
  std::string kind = group > 1 ? "depthwise" : kernel == 1 ? "pointwise" : "k x k";
  if (in == 3) kind = "first";
  if (size == 1) kind = "fully conn.";
  for (Layer& l : layers) {
    if (l.network == network && l.in == in && l.size == size && l.out == out &&
        l.kernel == kernel && l.stride == stride && l.group == group) {
      ++l.count;
      return;
    }
  }
  layers.push_back({network, kind, in, size, out, kernel, stride, group});
}

struct Stage {
  int expand, kernel, stride, out, repeat;
};

void add_inverted_residuals(std::vector<Layer>& layers, const std::string& network,
                            const std::vector<Stage>& stages) {
  add(layers, network, 3, 224, 32, 3, 2, 1);
  int channels = 32;
  int size = 112;
  for (const Stage& s : stages) {
    for (int i = 0; i < s.repeat; ++i) {
      const int wide = channels * s.expand;
      const int stride = i == 0 ? s.stride : 1;
      if (s.expand > 1) add(layers, network, channels, size, wide, 1, 1, 1);
      add(layers, network, wide, size, wide, s.kernel, stride, wide);
      size = (size + stride - 1) / stride;
      add(layers, network, wide, size, s.out, 1, 1, 1);
      channels = s.out;
    }
  }
  add(layers, network, channels, size, 1280, 1, 1, 1);
  add(layers, network, 1280, 1, 1000, 1, 1, 1);
}

void add_resnet18(std::vector<Layer>& layers) {
  const std::string network = "ResNet18";
  add(layers, network, 3, 224, 64, 7, 2, 1);
  int channels = 64;
  int size = 56;
  for (int stage = 0; stage < 4; ++stage) {
    const int out = 64 << stage;
    for (int block = 0; block < 2; ++block) {
      const int stride = stage > 0 && block == 0 ? 2 : 1;
      add(layers, network, channels, size, out, 3, stride, 1);
      if (channels != out) add(layers, network, channels, size, out, 1, stride, 1);
      size = (size + stride - 1) / stride;
      add(layers, network, out, size, out, 3, 1, 1);
      channels = out;
    }
  }
  add(layers, network, 512, 1, 1000, 1, 1, 1);
}

pulsar2::View view(std::vector<uint8_t>& data, pulsar2::DType dtype, std::vector<int> shape,
                   std::vector<int> strides, float scale = 1.0f, int zero_point = 0) {
  pulsar2::View v;
  v.data = data.data();
  v.dtype = dtype;
  v.ndim = static_cast<int>(shape.size());
  std::copy(shape.begin(), shape.end(), v.shape);
  std::copy(strides.begin(), strides.end(), v.strides);
  v.scale = scale;
  v.zero_point = zero_point;
  return v;
}

/// Seconds of the fastest run of the layer: others may share the machine.
double time_layer(const Layer& l, double budget) {
  using pulsar2::DType;
  std::mt19937 random(1);
  const int depth = l.in / l.group;
  const int os = l.out_size();
  std::vector<uint8_t> x(static_cast<size_t>(l.in) * l.size * l.size);
  std::vector<uint8_t> w(static_cast<size_t>(l.out) * depth * l.kernel * l.kernel);
  std::vector<uint8_t> y(static_cast<size_t>(l.out) * os * os);
  std::vector<uint8_t> mult(static_cast<size_t>(l.out) * 4);
  std::vector<uint8_t> bias(static_cast<size_t>(l.out) * 4, 0);
  for (uint8_t& v : x) v = static_cast<uint8_t>(random());
  for (uint8_t& v : w) v = static_cast<uint8_t>(random());
  const float m = 0.0001f;
  for (int o = 0; o < l.out; ++o) std::memcpy(&mult[static_cast<size_t>(o) * 4], &m, 4);
  const pulsar2::View views[] = {
      view(x, DType::U8, {1, l.in, l.size, l.size}, {0, 1, l.size * l.in, l.in}, 0.02f, 3),
      view(w, DType::S8, {l.out, depth, l.kernel, l.kernel},
           {depth * l.kernel * l.kernel, 1, l.kernel * depth, depth}),
      view(y, DType::U8, {1, l.out, os, os}, {0, 1, os * l.out, l.out}, 0.02f, 5),
      view(mult, DType::F32, {l.out}, {4}),
      view(bias, DType::S32, {l.out}, {4}),
  };
  const int pad = (l.kernel - 1) / 2;
  const int32_t params[] = {l.stride, l.stride, pad, pad, 1, 1, l.group, 1, 0, 0, 0, 255};
  std::unique_ptr<pulsar2::KernelState> state;
  pulsar2::KernelCall call;
  call.operands = views;
  call.num_operands = 5;
  call.params = params;
  call.num_params = 12;
  call.state = &state;
  const pulsar2::KernelFn fn =
      pulsar2::find_kernel(static_cast<uint16_t>(pulsar2::Opcode::Conv))->fn;
  fn(call);
  double best = 1e9;
  int runs = 0;
  const auto start = Clock::now();
  while (++runs <= 5 || std::chrono::duration<double>(Clock::now() - start).count() < budget) {
    const auto t0 = Clock::now();
    fn(call);
    best = std::min(best, std::chrono::duration<double>(Clock::now() - t0).count());
  }
  return best;
}

}  // namespace

int main(int argc, char** argv) {
  bool per_layer = false;
  double budget = 0.02;
  std::vector<pulsar2::Isa> isas;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--layers") == 0) {
      per_layer = true;
    } else if (std::strcmp(argv[i], "--isa") == 0 && i + 1 < argc) {
      isas.push_back(pulsar2::isa_from_name(argv[++i]));
    } else if (std::strcmp(argv[i], "--seconds") == 0 && i + 1 < argc) {
      budget = std::atof(argv[++i]);
    } else {
      std::fprintf(stderr, "usage: bench_kernels [--layers] [--isa NAME]... [--seconds S]\n");
      return 2;
    }
  }
  if (isas.empty()) {
    for (const auto isa : {pulsar2::Isa::Portable, pulsar2::Isa::Avx2, pulsar2::Isa::AvxVnni,
                           pulsar2::Isa::Avx512}) {
      if (pulsar2::isa_supported(isa)) isas.push_back(isa);
    }
  }
  std::vector<Layer> layers;
  add_inverted_residuals(layers, "EfficientNet-Lite0",
                         {{1, 3, 1, 16, 1},
                          {6, 3, 2, 24, 2},
                          {6, 5, 2, 40, 2},
                          {6, 3, 2, 80, 3},
                          {6, 5, 1, 112, 3},
                          {6, 5, 2, 192, 4},
                          {6, 3, 1, 320, 1}});
  add_inverted_residuals(layers, "MobileNetV2",
                         {{1, 3, 1, 16, 1},
                          {6, 3, 2, 24, 2},
                          {6, 3, 2, 32, 3},
                          {6, 3, 2, 64, 4},
                          {6, 3, 1, 96, 3},
                          {6, 3, 2, 160, 3},
                          {6, 3, 1, 320, 1}});
  add_resnet18(layers);
  for (const pulsar2::Isa isa : isas) {
    const pulsar2::IsaScope scope(isa);
    struct Sum {
      double macs = 0;
      double seconds = 0;
    };
    std::map<std::pair<std::string, std::string>, Sum> sums;
    for (const Layer& l : layers) {
      const double seconds = time_layer(l, budget);
      if (per_layer) {
        std::printf("%-9s %-18s %-11s %4d x %3d^2 -> %4d k%d s%d x%d %8.1f us %7.1f GMAC/s\n",
                    pulsar2::isa_name(isa), l.network.c_str(), l.kind.c_str(), l.in, l.size, l.out,
                    l.kernel, l.stride, l.count, seconds * 1e6, l.macs() / seconds * 1e-9);
      }
      for (const std::string& kind : {l.kind, std::string("all")}) {
        Sum& sum = sums[{l.network, kind}];
        sum.macs += l.macs() * l.count;
        sum.seconds += seconds * l.count;
      }
    }
    for (const auto& [key, sum] : sums) {
      std::printf("%-9s %-18s %-11s %8.1f MMAC %8.3f ms %7.1f GMAC/s\n", pulsar2::isa_name(isa),
                  key.first.c_str(), key.second.c_str(), sum.macs * 1e-6, sum.seconds * 1e3,
                  sum.macs / sum.seconds * 1e-9);
    }
  }
  return 0;
}
