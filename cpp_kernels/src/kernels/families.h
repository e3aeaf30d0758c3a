#pragma once

#include "pulsar2/kernel.h"

namespace pulsar2::kernels {

// One function per operation; see the job table in docs/program-format.md.
void run_copy(const KernelCall& call);
void run_fill(const KernelCall& call);
void run_conv(const KernelCall& call);
void run_matmul(const KernelCall& call);
void run_conv_sums(const KernelCall& call);
void run_matmul_sums(const KernelCall& call);
void run_eltwise(const KernelCall& call);
void run_lut(const KernelCall& call);
void run_unary(const KernelCall& call);
void run_pool(const KernelCall& call);
void run_reduce(const KernelCall& call);
void run_softmax(const KernelCall& call);
void run_convert(const KernelCall& call);
void run_norm(const KernelCall& call);
void run_log_softmax(const KernelCall& call);
void run_cum_sum(const KernelCall& call);
void run_integer(const KernelCall& call);
void run_where(const KernelCall& call);
void run_cast(const KernelCall& call);
void run_gather_elements(const KernelCall& call);
void run_scatter_elements(const KernelCall& call);
void run_arg(const KernelCall& call);
void run_top_k(const KernelCall& call);
void run_resize(const KernelCall& call);
void run_grid_sample(const KernelCall& call);
void run_roi_align(const KernelCall& call);

}  // namespace pulsar2::kernels
