#define PULSAR2_TARGET portable
#define PULSAR2_TARGET_ID 0

#include <cmath>
#include <cstring>

#include "element_ops.h"
#include "half.h"
#include "pulsar2/kernels/functions.h"
#include "target.h"

#include "element_ops.inc"

namespace pulsar2 {
namespace {

namespace fn = kernels::portable;

constexpr FunctionEntry kFunctions[] = {
    {"exp", fn::exp_d, nullptr},
    {"log", fn::log_d, nullptr},
    {"erf", fn::erf_d, nullptr},
    {"tanh", fn::tanh_d, nullptr},
    {"sigmoid", fn::sigmoid_d, nullptr},
    {"sin", fn::sin_d, nullptr},
    {"cos", fn::cos_d, nullptr},
    {"sqrt", fn::sqrt_d, nullptr},
    {"rsqrt", fn::rsqrt_d, nullptr},
    {"expm1", fn::expm1_d, nullptr},
    {"gelu", fn::gelu_d, nullptr},
    {"gelu_tanh", fn::gelu_tanh_d, nullptr},
    {"silu", fn::silu_d, nullptr},
    {"softplus", fn::softplus_d, nullptr},
    {"mish", fn::mish_d, nullptr},
    {"pow", nullptr, fn::pow_d},
    {"inverse_sigmoid", nullptr, fn::inverse_sigmoid_d},
};

}  // namespace

const FunctionEntry* all_functions(size_t* count) {
  *count = sizeof kFunctions / sizeof kFunctions[0];
  return kFunctions;
}

}  // namespace pulsar2
