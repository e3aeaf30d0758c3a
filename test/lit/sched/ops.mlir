// RUN: ax-opt %s | ax-opt | filecheck %s

// CHECK-LABEL: sched.program @conv target "AX650" mode "NPU1" ocm 65536 {
sched.program @conv target "AX650" mode "NPU1" ocm 65536 {
  // CHECK-NEXT: [[X:%\w+]] = sched.buffer input 128 {name = "x", type = #sched.view<ui8 [1, 8, 4, 4] : [128, 16, 4, 1], 0.5:128>} : !sched.buffer
  %x = sched.buffer input 128 {name = "x", type = #sched.view<ui8 [1, 8, 4, 4] : [128, 16, 4, 1], 0.5:128>} : !sched.buffer
  // CHECK-NEXT: [[W:%\w+]] = sched.buffer param 64 {data = #ax.weight<"000102030405060708090a0b0c0d0e0f", tensor<8x1x1x8xi8>>} : !sched.buffer
  %w = sched.buffer param 64 {data = #ax.weight<"000102030405060708090a0b0c0d0e0f", tensor<8x1x1x8xi8>>} : !sched.buffer
  %m = sched.buffer param 32 {data = #ax.weight<"100102030405060708090a0b0c0d0e0f", tensor<8xf32>>} : !sched.buffer
  // CHECK: [[Y:%\w+]] = sched.buffer ocm 128 {address = 64 : i64} : !sched.buffer
  %y = sched.buffer ocm 128 {address = 64 : i64} : !sched.buffer
  // CHECK-NEXT: sched.layer "conv"([[X]], [[W]], [[Y]], {{%\w+}}) [#sched.view<ui8 [1, 8, 4, 4] : [128, 16, 4, 1], 0.5:128>, {{.*}}] <stride_h = 1, {{.*}}> {tiling = #sched.tiling<[1, 1, 2, 1] order [0, 2, 3, 1]>}
  sched.layer "conv"(%x, %w, %y, %m) [#sched.view<ui8 [1, 8, 4, 4] : [128, 16, 4, 1], 0.5:128>, #sched.view<i8 [8, 8, 1, 1] : [8, 1, 8, 8]>, #sched.view<ui8 [1, 8, 4, 4] : [128, 1, 32, 8], 0.25:3>, #sched.view<f32 [8] : [4]>] <stride_h = 1, stride_w = 1, pad_top = 0, pad_left = 0, dil_h = 1, dil_w = 1, group = 1, bias_mode = 0, has_wzp = 0, has_sums = 0, clamp_lo = 0, clamp_hi = 255> {tiling = #sched.tiling<[1, 1, 2, 1] order [0, 2, 3, 1]>} : !sched.buffer, !sched.buffer, !sched.buffer, !sched.buffer
}

// CHECK-LABEL: sched.program @jobs
sched.program @jobs target "AX650" mode "NPU1" ocm 65536 {
  %x = sched.buffer ocm 64 : !sched.buffer
  %y = sched.buffer swap 64 : !sched.buffer
  // CHECK: [[T:%\w+]] = sched.job "unary" on teng({{%\w+}}, {{%\w+}}) [{{.*}}] <fn = 4, alpha = 0.2, beta = 1.0e-20, clamp_lo = 0, clamp_hi = 255> {unit = 0 : i64}
  %t = sched.job "unary" on teng(%x, %x) [#sched.view<ui8 [64] : [1], 0.5:3>, #sched.view<ui8 [64] : [1], 0.1:0>] <fn = 4, alpha = 0.2, beta = 1.0e-20, clamp_lo = 0, clamp_hi = 255> {unit = 0 : i64}
  // CHECK-NEXT: sched.job "copy" on sdma({{%\w+}}, {{%\w+}}) [{{.*}}] <> waits([[T]])
  %u = sched.job "copy" on sdma(%x, %y) [#sched.view<ui8 [64] : [1]>, #sched.view<ui8 [64] : [1]>] <> waits(%t)
}

// Parts of a reduction: the first sums, one that adds to the sums where they lie, and the last.
// CHECK-LABEL: sched.program @parts
sched.program @parts target "AX650" mode "NPU1" ocm 65536 {
  %a = sched.buffer ocm 32 : !sched.buffer
  %s = sched.buffer ocm 64 : !sched.buffer
  %y = sched.buffer ocm 16 : !sched.buffer
  // CHECK: sched.job "matmul_sums" on conv({{.*}}) [{{.*}}, #sched.view<i32 [4, 4] : [16, 4]>] <has_sums = 0>
  %t = sched.job "matmul_sums" on conv(%a, %a, %s) [#sched.view<ui8 [4, 2] : [2, 1]>, #sched.view<i8 [2, 4] : [1, 2]>, #sched.view<i32 [4, 4] : [16, 4]>] <has_sums = 0>
  // CHECK-NEXT: sched.job "conv_sums" on conv({{%\w+}}, {{%\w+}}, [[S:%\w+]], [[S]]) [{{.*}}] <stride_h = 1, {{.*}}, group = 1, has_wzp = 0, has_sums = 1>
  %u = sched.job "conv_sums" on conv(%a, %a, %s, %s) [#sched.view<ui8 [1, 2, 4, 1] : [8, 1, 2, 2]>, #sched.view<i8 [4, 2, 1, 1] : [2, 1, 2, 2]>, #sched.view<i32 [1, 4, 4, 1] : [64, 4, 16, 16]>, #sched.view<i32 [1, 4, 4, 1] : [64, 4, 16, 16]>] <stride_h = 1, stride_w = 1, pad_top = 0, pad_left = 0, dil_h = 1, dil_w = 1, group = 1, has_wzp = 0, has_sums = 1>
  // CHECK-NEXT: sched.job "matmul" on conv({{.*}}) [{{.*}}] <bias_mode = 0, has_sums = 1, clamp_lo = 0, clamp_hi = 255>
  %v = sched.job "matmul" on conv(%a, %a, %y, %s, %s) [#sched.view<ui8 [4, 2] : [2, 1]>, #sched.view<i8 [2, 4] : [1, 2]>, #sched.view<ui8 [4, 4] : [4, 1]>, #sched.view<f32 [1] : [4]>, #sched.view<i32 [4, 4] : [16, 4]>] <bias_mode = 0, has_sums = 1, clamp_lo = 0, clamp_hi = 255>
}
