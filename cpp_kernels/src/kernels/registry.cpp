#include "pulsar2/kernels/registry.h"

#include "families.h"

namespace pulsar2 {
namespace {

template <typename T, size_t N>
constexpr int32_t count_of(const T (&)[N]) {
  return static_cast<int32_t>(N);
}

constexpr OperandInfo kXy[] = {{"x"}, {"y", true}};
constexpr OperandInfo kY[] = {{"y", true}};
constexpr OperandInfo kAby[] = {{"a"}, {"b"}, {"y", true}};
constexpr OperandInfo kGridSampleOperands[] = {{"x"}, {"grid"}, {"y", true}};
constexpr OperandInfo kRoiAlignOperands[] = {{"x"}, {"rois"}, {"batch"}, {"y", true}};
constexpr OperandInfo kLutOperands[] = {{"x"}, {"table"}, {"y", true}};
constexpr OperandInfo kConvOperands[] = {{"x"},
                                         {"w"},
                                         {"y", true},
                                         {"mult"},
                                         {"bias", false, true},
                                         {"w_zp", false, true},
                                         {"sums", false, true}};
constexpr OperandInfo kConvSumsOperands[] = {
    {"x"}, {"w"}, {"y", true}, {"w_zp", false, true}, {"sums", false, true}};
constexpr OperandInfo kMatmulOperands[] = {
    {"a"}, {"b"}, {"y", true}, {"mult"}, {"bias", false, true}, {"sums", false, true}};
constexpr OperandInfo kMatmulSumsOperands[] = {{"a"}, {"b"}, {"y", true}, {"sums", false, true}};
constexpr OperandInfo kNormOperands[] = {
    {"x"}, {"y", true}, {"scale", false, true}, {"bias", false, true}};

constexpr OperandInfo kGatherOperands[] = {{"x"}, {"indices"}, {"y", true}};
constexpr OperandInfo kScatterOperands[] = {{"x"}, {"indices"}, {"updates"}, {"y", true}};
constexpr OperandInfo kWhereOperands[] = {{"c"}, {"a"}, {"b"}, {"y", true}};

constexpr ParamInfo kFnParams[] = {{"fn"}};
constexpr ParamInfo kCastParams[] = {{"saturate"}};
constexpr ParamInfo kFillParams[] = {{"value"}};
constexpr ParamInfo kConvParams[] = {{"stride_h"}, {"stride_w"}, {"pad_top"},  {"pad_left"},
                                     {"dil_h"},    {"dil_w"},    {"group"},    {"bias_mode"},
                                     {"has_wzp"},  {"has_sums"}, {"clamp_lo"}, {"clamp_hi"}};
constexpr ParamInfo kMatmulParams[] = {{"bias_mode"}, {"has_sums"}, {"clamp_lo"}, {"clamp_hi"}};
constexpr ParamInfo kConvSumsParams[] = {{"stride_h"}, {"stride_w"}, {"pad_top"},
                                         {"pad_left"}, {"dil_h"},    {"dil_w"},
                                         {"group"},    {"has_wzp"},  {"has_sums"}};
constexpr ParamInfo kMatmulSumsParams[] = {{"has_sums"}};
constexpr ParamInfo kEltwiseParams[] = {{"fn"}, {"clamp_lo"}, {"clamp_hi"}};
constexpr ParamInfo kAxisParams[] = {{"axis"}};
constexpr ParamInfo kUnaryParams[] = {
    {"fn"}, {"alpha", true}, {"beta", true}, {"clamp_lo"}, {"clamp_hi"}};
constexpr ParamInfo kPoolParams[] = {
    {"kind"},     {"kh"},         {"kw"},        {"stride_h"}, {"stride_w"}, {"pad_top"},
    {"pad_left"}, {"pad_bottom"}, {"pad_right"}, {"dil_h"},    {"dil_w"},    {"count_include_pad"},
    {"clamp_lo"}, {"clamp_hi"}};
constexpr ParamInfo kReduceParams[] = {{"kind"}, {"axes_mask"}, {"clamp_lo"}, {"clamp_hi"}};
constexpr ParamInfo kResizeParams[] = {
    {"kind"},      {"coordinates"}, {"rounding"},      {"in_h"},          {"in_w"},
    {"out_h"},     {"out_w"},       {"scale_h", true}, {"scale_w", true}, {"in_row"},
    {"in_column"}, {"out_row"},     {"out_column"}};
constexpr ParamInfo kGridSampleParams[] = {{"kind"}, {"padding"}, {"align_corners"}};
constexpr ParamInfo kRoiAlignParams[] = {{"kind"}, {"half_pixel"}, {"samples"}, {"scale", true}};
constexpr ParamInfo kClampParams[] = {{"clamp_lo"}, {"clamp_hi"}};
constexpr ParamInfo kNormParams[] = {{"kind"},     {"axes_mask"}, {"eps", true}, {"has_scale"},
                                     {"has_bias"}, {"clamp_lo"},  {"clamp_hi"}};
constexpr ParamInfo kScatterParams[] = {{"axis"}, {"reduction"}};
constexpr ParamInfo kRankParams[] = {{"axis"}, {"largest"}};
constexpr ParamInfo kCumSumParams[] = {
    {"axis"}, {"exclusive"}, {"reverse"}, {"clamp_lo"}, {"clamp_hi"}};

template <size_t N, size_t M>
constexpr KernelEntry entry(Opcode opcode, const char* name, KernelFn fn,
                            const OperandInfo (&operands)[N], const ParamInfo (&params)[M]) {
  return {static_cast<uint16_t>(opcode),
          name,
          fn,
          operands,
          count_of(operands),
          params,
          count_of(params)};
}

constexpr KernelEntry kEntries[] = {
    {static_cast<uint16_t>(Opcode::Copy), "copy", kernels::run_copy, kXy, 2, nullptr, 0},
    entry(Opcode::Fill, "fill", kernels::run_fill, kY, kFillParams),
    entry(Opcode::Conv, "conv", kernels::run_conv, kConvOperands, kConvParams),
    entry(Opcode::Matmul, "matmul", kernels::run_matmul, kMatmulOperands, kMatmulParams),
    entry(Opcode::Eltwise, "eltwise", kernels::run_eltwise, kAby, kEltwiseParams),
    entry(Opcode::Lut, "lut", kernels::run_lut, kLutOperands, kAxisParams),
    entry(Opcode::Unary, "unary", kernels::run_unary, kXy, kUnaryParams),
    entry(Opcode::Pool, "pool", kernels::run_pool, kXy, kPoolParams),
    entry(Opcode::Reduce, "reduce", kernels::run_reduce, kXy, kReduceParams),
    entry(Opcode::Softmax, "softmax", kernels::run_softmax, kXy, kAxisParams),
    entry(Opcode::Convert, "convert", kernels::run_convert, kXy, kClampParams),
    entry(Opcode::ConvSums, "conv_sums", kernels::run_conv_sums, kConvSumsOperands,
          kConvSumsParams),
    entry(Opcode::MatmulSums, "matmul_sums", kernels::run_matmul_sums, kMatmulSumsOperands,
          kMatmulSumsParams),
    entry(Opcode::Norm, "norm", kernels::run_norm, kNormOperands, kNormParams),
    entry(Opcode::LogSoftmax, "log_softmax", kernels::run_log_softmax, kXy, kAxisParams),
    entry(Opcode::CumSum, "cum_sum", kernels::run_cum_sum, kXy, kCumSumParams),
    entry(Opcode::Integer, "integer", kernels::run_integer, kAby, kFnParams),
    {static_cast<uint16_t>(Opcode::Where), "where", kernels::run_where, kWhereOperands, 4, nullptr,
     0},
    entry(Opcode::Cast, "cast", kernels::run_cast, kXy, kCastParams),
    entry(Opcode::GatherElements, "gather_elements", kernels::run_gather_elements, kGatherOperands,
          kAxisParams),
    entry(Opcode::ScatterElements, "scatter_elements", kernels::run_scatter_elements,
          kScatterOperands, kScatterParams),
    entry(Opcode::Arg, "arg", kernels::run_arg, kXy, kRankParams),
    entry(Opcode::TopK, "top_k", kernels::run_top_k, kXy, kRankParams),
    entry(Opcode::Resize, "resize", kernels::run_resize, kXy, kResizeParams),
    entry(Opcode::GridSample, "grid_sample", kernels::run_grid_sample, kGridSampleOperands,
          kGridSampleParams),
    entry(Opcode::RoiAlign, "roi_align", kernels::run_roi_align, kRoiAlignOperands,
          kRoiAlignParams),
};

}  // namespace

const KernelEntry* all_kernels(size_t* count) {
  *count = sizeof kEntries / sizeof kEntries[0];
  return kEntries;
}

const KernelEntry* find_kernel(uint16_t opcode) {
  for (const KernelEntry& e : kEntries) {
    if (e.opcode == opcode) return &e;
  }
  return nullptr;
}

}  // namespace pulsar2
