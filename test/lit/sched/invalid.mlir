// RUN: ax-opt --split-input-file --verify-diagnostics %s

sched.program @p target "AX650" mode "NPU1" ocm 64 {
  // expected-error@+1 {{a buffer has at least one byte, got 0}}
  %x = sched.buffer ocm 0 : !sched.buffer
}

// -----

sched.program @p target "AX650" mode "NPU1" ocm 64 {
  // expected-error@+1 {{a buffer has `data` exactly when it lies in `param`}}
  %x = sched.buffer param 64 : !sched.buffer
}

// -----

sched.program @p target "AX650" mode "NPU1" ocm 64 {
  // expected-error@+1 {{an input or output buffer has a `name` and a `type`}}
  %x = sched.buffer input 64 : !sched.buffer
}

// -----

sched.program @p target "AX650" mode "NPU1" ocm 64 {
  // expected-error@+1 {{the address of a buffer is a multiple of 64, got 32}}
  %x = sched.buffer ocm 64 {address = 32 : i64} : !sched.buffer
}

// -----

// expected-error@+1 {{ocm_bytes must be positive}}
sched.program @p target "AX650" mode "NPU1" ocm 0 {
  %x = sched.buffer ocm 64 : !sched.buffer
}

// -----

sched.program @p target "AX650" mode "NPU1" ocm 64 {
  %x = sched.buffer ocm 64 : !sched.buffer
  // expected-error@+1 {{operand 1 touches bytes [1, 65) of a buffer of 64 bytes}}
  %t = sched.job "copy" on cv(%x, %x) [#sched.view<ui8 [64] : [1]>, #sched.view<ui8 [64] : [1] + 1>] <>
}

// -----

sched.program @p target "AX650" mode "NPU1" ocm 64 {
  %x = sched.buffer ocm 64 : !sched.buffer
  // expected-error@+1 {{unknown kernel 'twist'}}
  %t = sched.job "twist" on cv(%x, %x) [#sched.view<ui8 [64] : [1]>, #sched.view<ui8 [64] : [1]>] <>
}

// -----

sched.program @p target "AX650" mode "NPU1" ocm 64 {
  %x = sched.buffer ocm 64 : !sched.buffer
  // expected-error@+1 {{'copy' does not run on a conv unit}}
  %t = sched.job "copy" on conv(%x, %x) [#sched.view<ui8 [64] : [1]>, #sched.view<ui8 [64] : [1]>] <>
}

// -----

sched.program @p target "AX650" mode "NPU1" ocm 64 {
  %x = sched.buffer ocm 64 : !sched.buffer
  // expected-error@+1 {{2 operands but 1 views}}
  %t = sched.job "copy" on cv(%x, %x) [#sched.view<ui8 [64] : [1]>] <>
}

// -----

sched.program @p target "AX650" mode "NPU1" ocm 64 {
  %x = sched.buffer ocm 64 : !sched.buffer
  // expected-error@+1 {{'softmax' takes parameters (axis)}}
  sched.layer "softmax"(%x, %x) [#sched.view<ui8 [64] : [1]>, #sched.view<ui8 [64] : [1]>] <dim = 0> : !sched.buffer, !sched.buffer
}

// -----

sched.program @p target "AX650" mode "NPU1" ocm 64 {
  %x = sched.buffer ocm 64 : !sched.buffer
  // expected-error@+1 {{has_scale and has_bias ask for 3 operands, got 2}}
  sched.layer "norm"(%x, %x) [#sched.view<ui8 [64] : [1]>, #sched.view<ui8 [64] : [1]>] <kind = 0, axes_mask = 1, eps = 0.5, has_scale = 1, has_bias = 0, clamp_lo = 0, clamp_hi = 255> : !sched.buffer, !sched.buffer
}

// -----

sched.program @p target "AX650" mode "NPU1" ocm 64 {
  %x = sched.buffer ocm 64 : !sched.buffer
  // expected-error@+1 {{scale and bias are f32, the scale also i32 or ui32}}
  sched.layer "norm"(%x, %x, %x) [#sched.view<ui8 [64] : [1]>, #sched.view<ui8 [64] : [1]>, #sched.view<ui8 [64] : [1]>] <kind = 0, axes_mask = 1, eps = 0.5, has_scale = 1, has_bias = 0, clamp_lo = 0, clamp_hi = 255> : !sched.buffer, !sched.buffer, !sched.buffer
}

// -----

sched.program @p target "AX650" mode "NPU1" ocm 64 {
  %x = sched.buffer ocm 64 : !sched.buffer
  // expected-error@+1 {{operands have one shape, got [64] and [32]}}
  sched.layer "copy"(%x, %x) [#sched.view<ui8 [64] : [1]>, #sched.view<ui8 [32] : [1]>] <> : !sched.buffer, !sched.buffer
}

// -----

sched.program @p target "AX650" mode "NPU1" ocm 64 {
  %x = sched.buffer ocm 64 : !sched.buffer
  // expected-error@+1 {{a tiling has one tile count for each output dimension}}
  sched.layer "copy"(%x, %x) [#sched.view<ui8 [64] : [1]>, #sched.view<ui8 [64] : [1]>] <> {tiling = #sched.tiling<[1, 1] order [0, 1]>} : !sched.buffer, !sched.buffer
}

// -----

sched.program @p target "AX650" mode "NPU1" ocm 64 {
  %x = sched.buffer ocm 64 : !sched.buffer
  // expected-error@+1 {{a view has as many strides as dimensions}}
  sched.layer "copy"(%x, %x) [#sched.view<ui8 [64] : [1, 1]>, #sched.view<ui8 [64] : [1]>] <> : !sched.buffer, !sched.buffer
}

// -----

sched.program @p target "AX650" mode "NPU1" ocm 64 {
  %x = sched.buffer ocm 64 : !sched.buffer
  // expected-error@+1 {{rows 2 to 4 are outside the 3}}
  sched.layer "resize"(%x, %x) [#sched.view<ui8 [1, 1, 2, 2] : [4, 4, 2, 1]>, #sched.view<ui8 [1, 1, 2, 2] : [4, 4, 2, 1]>] <kind = 0, coordinates = 0, rounding = 0, in_h = 3, in_w = 2, out_h = 2, out_w = 2, scale_h = 0.0, scale_w = 0.0, in_row = 2, in_column = 0, out_row = 0, out_column = 0> : !sched.buffer, !sched.buffer
}

// -----

sched.program @p target "AX650" mode "NPU1" ocm 64 {
  %x = sched.buffer ocm 64 : !sched.buffer
  // expected-error@+1 {{the grid has shape [1, 2, 2, 2], got [1, 2, 1, 2]}}
  sched.layer "grid_sample"(%x, %x, %x) [#sched.view<ui8 [1, 1, 2, 2] : [4, 4, 2, 1]>, #sched.view<ui8 [1, 2, 1, 2] : [4, 2, 2, 1]>, #sched.view<ui8 [1, 1, 2, 2] : [4, 4, 2, 1]>] <kind = 0, padding = 0, align_corners = 0> : !sched.buffer, !sched.buffer, !sched.buffer
}

// -----

sched.program @p target "AX650" mode "NPU1" ocm 64 {
  %x = sched.buffer ocm 64 : !sched.buffer
  // expected-error@+1 {{a and b are integers of one type}}
  sched.layer "integer"(%x, %x, %x) [#sched.view<i32 [4] : [4]>, #sched.view<i16 [4] : [2]>, #sched.view<i32 [4] : [4]>] <fn = 0> : !sched.buffer, !sched.buffer, !sched.buffer
}

// -----

sched.program @p target "AX650" mode "NPU1" ocm 64 {
  %x = sched.buffer ocm 64 : !sched.buffer
  // expected-error@+1 {{the images of regions are s32}}
  sched.layer "roi_align"(%x, %x, %x, %x) [#sched.view<ui8 [1, 1, 2, 2] : [4, 4, 2, 1]>, #sched.view<ui8 [1, 4] : [4, 1]>, #sched.view<ui8 [1] : [1]>, #sched.view<ui8 [1, 1, 2, 2] : [4, 4, 2, 1]>] <kind = 0, half_pixel = 0, samples = 1, scale = 1.0> : !sched.buffer, !sched.buffer, !sched.buffer, !sched.buffer
}

// -----

sched.program @p target "AX650" mode "NPU1" ocm 64 {
  %x = sched.buffer ocm 64 : !sched.buffer
  // expected-error@+1 {{the condition is BOOL}}
  sched.layer "where"(%x, %x, %x, %x) [#sched.view<i32 [4] : [4]>, #sched.view<i32 [4] : [4]>, #sched.view<i32 [4] : [4]>, #sched.view<i32 [4] : [4]>] <> : !sched.buffer, !sched.buffer, !sched.buffer, !sched.buffer
}

// -----

sched.program @p target "AX650" mode "NPU1" ocm 64 {
  %x = sched.buffer ocm 64 : !sched.buffer
  %y = sched.buffer ocm 64 : !sched.buffer
  %t0 = sched.job "resize" on cv(%x, %y) [#sched.view<ui8 [1, 1, 2, 2] : [4, 4, 2, 1]>, #sched.view<ui8 [1, 1, 4, 4] : [16, 16, 4, 1]>] <kind = 0, coordinates = 0, rounding = 0, in_h = 2, in_w = 2, out_h = 4, out_w = 4, scale_h = 0.0, scale_w = 0.0, in_row = 0, in_column = 0, out_row = 0, out_column = 0>
  // expected-error@+1 {{'resize' does not run on a cv unit, only on: teng}}
  %t1 = sched.job "resize" on cv(%x, %y) [#sched.view<ui8 [1, 1, 2, 2] : [4, 4, 2, 1]>, #sched.view<ui8 [1, 1, 4, 4] : [16, 16, 4, 1]>] <kind = 1, coordinates = 0, rounding = 0, in_h = 2, in_w = 2, out_h = 4, out_w = 4, scale_h = 0.0, scale_w = 0.0, in_row = 0, in_column = 0, out_row = 0, out_column = 0>
}

// -----

sched.program @p target "AX650" mode "NPU1" ocm 64 {
  %x = sched.buffer ocm 64 : !sched.buffer
  // expected-error@+1 {{the sums of a part are i32 or i64}}
  %t = sched.job "matmul_sums" on conv(%x, %x, %x) [#sched.view<ui8 [4, 2] : [2, 1]>, #sched.view<i8 [2, 4] : [1, 2]>, #sched.view<ui8 [4, 4] : [4, 1]>] <has_sums = 0>
}

// -----

sched.program @p target "AX650" mode "NPU1" ocm 64 {
  %x = sched.buffer ocm 64 : !sched.buffer
  // expected-error@+1 {{sums of earlier parts are i32 or i64 in the shape of the output, [4, 4]}}
  %t = sched.job "matmul_sums" on conv(%x, %x, %x, %x) [#sched.view<ui8 [4, 2] : [2, 1]>, #sched.view<i8 [2, 4] : [1, 2]>, #sched.view<i32 [4, 4] : [16, 4]>, #sched.view<i32 [4, 2] : [8, 4]>] <has_sums = 1>
}

// -----

sched.program @p target "AX650" mode "NPU1" ocm 64 {
  %x = sched.buffer ocm 64 : !sched.buffer
  // expected-error@+1 {{has_wzp and has_sums ask for 4 operands, got 3}}
  %t = sched.job "conv_sums" on conv(%x, %x, %x) [#sched.view<ui8 [1, 2, 4, 1] : [8, 1, 2, 2]>, #sched.view<i8 [4, 2, 1, 1] : [2, 1, 2, 2]>, #sched.view<i32 [1, 4, 4, 1] : [64, 4, 16, 16]>] <stride_h = 1, stride_w = 1, pad_top = 0, pad_left = 0, dil_h = 1, dil_w = 1, group = 1, has_wzp = 0, has_sums = 1>
}

// -----

sched.program @p target "AX650" mode "NPU1" ocm 64 {
  %x = sched.buffer ocm 64 : !sched.buffer
  // expected-error@+1 {{a part has at least one input channel}}
  sched.layer "copy"(%x, %x) [#sched.view<ui8 [64] : [1]>, #sched.view<ui8 [64] : [1]>] <> {tiling = #sched.tiling<[1] order [0] part 0>} : !sched.buffer, !sched.buffer
}

// -----

sched.program @p target "AX650" mode "NPU1" ocm 64 {
  %x = sched.buffer ocm 64 : !sched.buffer
  // expected-error@+1 {{the sums of this 'copy' are not computed in parts, only those of a conv in one group, and of a matmul of integers}}
  sched.layer "copy"(%x, %x) [#sched.view<ui8 [64] : [1]>, #sched.view<ui8 [64] : [1]>] <> {tiling = #sched.tiling<[1] order [0] part 8>} : !sched.buffer, !sched.buffer
}
