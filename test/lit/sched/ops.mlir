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
  sched.layer "conv"(%x, %w, %y, %m) [#sched.view<ui8 [1, 8, 4, 4] : [128, 16, 4, 1], 0.5:128>, #sched.view<i8 [8, 8, 1, 1] : [8, 1, 8, 8]>, #sched.view<ui8 [1, 8, 4, 4] : [128, 1, 32, 8], 0.25:3>, #sched.view<f32 [8] : [4]>] <stride_h = 1, stride_w = 1, pad_top = 0, pad_left = 0, dil_h = 1, dil_w = 1, group = 1, bias_mode = 0, has_wzp = 0, clamp_lo = 0, clamp_hi = 255> {tiling = #sched.tiling<[1, 1, 2, 1] order [0, 2, 3, 1]>} : !sched.buffer, !sched.buffer, !sched.buffer, !sched.buffer
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
