// RUN: ax-opt -p sched-build-jobs --split-input-file --verify-diagnostics %s | filecheck %s

// An operand in OCM is used in place: one job for each tile, each on its rows.
// CHECK-LABEL: @in_place
sched.program @in_place target "AX650" mode "NPU1" ocm 4096 {
  %a = sched.buffer ocm 64 : !sched.buffer
  %b = sched.buffer ocm 64 : !sched.buffer
  // CHECK: sched.job "copy" on cv([[A:%\w+]], [[B:%\w+]]) [#sched.view<ui8 [2, 16] : [16, 1]>, #sched.view<ui8 [2, 16] : [16, 1]>] <>
  // CHECK-NEXT: sched.job "copy" on cv([[A]], [[B]]) [#sched.view<ui8 [2, 16] : [16, 1] + 32>, #sched.view<ui8 [2, 16] : [16, 1] + 32>] <>
  // CHECK-NEXT: }
  sched.layer "copy"(%a, %b) [#sched.view<ui8 [4, 16] : [16, 1]>, #sched.view<ui8 [4, 16] : [16, 1]>] <> {tiling = #sched.tiling<[2, 1] order [0, 1]>} : !sched.buffer, !sched.buffer
}

// -----

// A tile of an operand in DDR is loaded into a buffer of its own. A teng unit writes to DDR itself.
// CHECK-LABEL: @loads
sched.program @loads target "AX650" mode "NPU1" ocm 4096 {
  %a = sched.buffer swap 64 : !sched.buffer
  %b = sched.buffer swap 64 : !sched.buffer
  // CHECK: [[A:%\w+]] = sched.buffer swap 64
  // CHECK-NEXT: [[B:%\w+]] = sched.buffer swap 64
  // CHECK-NEXT: [[T0:%\w+]] = sched.buffer ocm 32
  // CHECK-NEXT: [[T1:%\w+]] = sched.buffer ocm 32
  // CHECK-NEXT: sched.job "copy" on sdma([[A]], [[T0]])
  // CHECK-NEXT: sched.job "softmax" on teng([[T0]], [[B]])
  // CHECK-NEXT: sched.job "copy" on sdma([[A]], [[T1]]) [#sched.view<ui8 [2, 16] : [16, 1] + 32>, #sched.view<ui8 [2, 16] : [16, 1]>]
  // CHECK-NEXT: sched.job "softmax" on teng([[T1]], [[B]])
  // CHECK-NEXT: }
  sched.layer "softmax"(%a, %b) [#sched.view<ui8 [4, 16] : [16, 1]>, #sched.view<ui8 [4, 16] : [16, 1]>] <axis = 1> {tiling = #sched.tiling<[2, 1] order [0, 1]>} : !sched.buffer, !sched.buffer
}

// -----

// Where the sdma is to write a result, the teng unit leaves it in OCM.
// CHECK-LABEL: @store
sched.program @store target "AX650" mode "NPU1" ocm 4096 {
  %a = sched.buffer ocm 64 : !sched.buffer
  %b = sched.buffer swap 64 : !sched.buffer
  // CHECK: sched.job "softmax" on teng({{%\w+}}, [[T0:%\w+]]) [{{.*}}, #sched.view<ui8 [2, 16] : [16, 1]>]
  // CHECK-NEXT: sched.job "copy" on sdma([[T0]], [[B:%\w+]]) [#sched.view<ui8 [2, 16] : [16, 1]>, #sched.view<ui8 [2, 16] : [16, 1]>]
  // CHECK-NEXT: sched.job "softmax" on teng({{%\w+}}, [[T1:%\w+]])
  // CHECK-NEXT: sched.job "copy" on sdma([[T1]], [[B]]) [#sched.view<ui8 [2, 16] : [16, 1]>, #sched.view<ui8 [2, 16] : [16, 1] + 32>]
  sched.layer "softmax"(%a, %b) [#sched.view<ui8 [4, 16] : [16, 1]>, #sched.view<ui8 [4, 16] : [16, 1]>] <axis = 1> {tiling = #sched.tiling<[2, 1] order [0, 1]>, store = #sched<eu sdma>} : !sched.buffer, !sched.buffer
}

// -----

// What several tiles need is loaded once; a conv unit's result in DDR is stored.
// CHECK-LABEL: @stores
sched.program @stores target "AX650" mode "NPU1" ocm 4096 {
  %x = sched.buffer ocm 64 : !sched.buffer
  %v = sched.buffer swap 8 : !sched.buffer
  %m = sched.buffer ocm 8 : !sched.buffer
  %y = sched.buffer swap 16 : !sched.buffer
  // CHECK: sched.job "copy" on sdma({{%\w+}}, [[V:%\w+]]) [#sched.view<i8 [4, 2]
  // CHECK-NEXT: sched.job "matmul" on conv([[X:%\w+]], [[V]], [[Y0:%\w+]], [[M:%\w+]])
  // CHECK-NEXT: sched.job "copy" on sdma([[Y0]], [[Y:%\w+]]) [#sched.view<ui8 [4, 2] : [2, 1]>, #sched.view<ui8 [4, 2] : [2, 1]>]
  // CHECK-NEXT: sched.job "matmul" on conv([[X]], [[V]], [[Y1:%\w+]], [[M]])
  // CHECK-NEXT: sched.job "copy" on sdma([[Y1]], [[Y]]) [#sched.view<ui8 [4, 2] : [2, 1]>, #sched.view<ui8 [4, 2] : [2, 1] + 8>]
  // CHECK-NEXT: }
  sched.layer "matmul"(%x, %v, %y, %m) [#sched.view<ui8 [8, 4] : [4, 1]>, #sched.view<i8 [4, 2] : [2, 1]>, #sched.view<ui8 [8, 2] : [2, 1]>, #sched.view<f32 [2] : [4]>] <bias_mode = 0, has_sums = 0, clamp_lo = 0, clamp_hi = 255> {tiling = #sched.tiling<[2, 1] order [0, 1]>} : !sched.buffer, !sched.buffer, !sched.buffer, !sched.buffer
}

// -----

sched.program @not_planned target "AX650" mode "NPU1" ocm 4096 {
  %a = sched.buffer ocm 64 : !sched.buffer
  // expected-error@+1 {{a layer has no tiling: run sched-plan-tiles first}}
  sched.layer "copy"(%a, %a) [#sched.view<ui8 [64] : [1]>, #sched.view<ui8 [64] : [1]>] <> : !sched.buffer, !sched.buffer
}

// -----

sched.program @not_placed target "AX650" mode "NPU1" ocm 4096 {
  // expected-error@+1 {{a buffer's space is not decided: run sched-plan-tiles first}}
  %a = sched.buffer any 64 : !sched.buffer
  sched.layer "copy"(%a, %a) [#sched.view<ui8 [64] : [1]>, #sched.view<ui8 [64] : [1]>] <> {tiling = #sched.tiling<[1] order [0]>} : !sched.buffer, !sched.buffer
}

// -----

// Sums in parts of two of K: the first part writes them, the next adds to them where they lie, the last makes the
// result. Each loads its columns of the first factor, and its rows of the second.
// CHECK-LABEL: @parts
sched.program @parts target "AX650" mode "NPU1" ocm 4096 {
  %x = sched.buffer swap 20 : !sched.buffer
  %v = sched.buffer swap 10 : !sched.buffer
  %m = sched.buffer ocm 8 : !sched.buffer
  %y = sched.buffer ocm 8 : !sched.buffer
  // CHECK: [[S:%\w+]] = sched.buffer ocm 32
  // CHECK: sched.job "copy" on sdma([[X:%\w+]], [[X0:%\w+]]) [#sched.view<ui8 [4, 2] : [5, 1], 0.5:3>, #sched.view<ui8 [4, 2] : [2, 1], 0.5:3>] <>
  // CHECK-NEXT: sched.job "copy" on sdma([[V:%\w+]], [[V0:%\w+]]) [#sched.view<i8 [2, 2] : [1, 5]>, #sched.view<i8 [2, 2] : [1, 2]>] <>
  // CHECK-NEXT: sched.job "matmul_sums" on conv([[X0]], [[V0]], [[S]]) [{{.*}}, #sched.view<i32 [4, 2] : [8, 4]>] <has_sums = 0>
  // CHECK-NEXT: sched.job "copy" on sdma([[X]], [[X1:%\w+]]) [#sched.view<ui8 [4, 2] : [5, 1] + 2, 0.5:3>
  // CHECK-NEXT: sched.job "copy" on sdma([[V]], [[V1:%\w+]]) [#sched.view<i8 [2, 2] : [1, 5] + 2>
  // CHECK-NEXT: sched.job "matmul_sums" on conv([[X1]], [[V1]], [[S]], [[S]]) [{{.*}}] <has_sums = 1>
  // CHECK-NEXT: sched.job "copy" on sdma([[X]], [[X2:%\w+]]) [#sched.view<ui8 [4, 1] : [5, 1] + 4, 0.5:3>
  // CHECK-NEXT: sched.job "copy" on sdma([[V]], [[V2:%\w+]]) [#sched.view<i8 [1, 2] : [1, 5] + 4>
  // CHECK-NEXT: sched.job "matmul" on conv([[X2]], [[V2]], {{%\w+}}, {{%\w+}}, [[S]]) [{{.*}}] <bias_mode = 0, has_sums = 1, clamp_lo = 0, clamp_hi = 255>
  // CHECK-NEXT: }
  sched.layer "matmul"(%x, %v, %y, %m) [#sched.view<ui8 [4, 5] : [5, 1], 0.5:3>, #sched.view<i8 [5, 2] : [1, 5]>, #sched.view<ui8 [4, 2] : [2, 1], 0.25:7>, #sched.view<f32 [2] : [4]>] <bias_mode = 0, has_sums = 0, clamp_lo = 0, clamp_hi = 255> {tiling = #sched.tiling<[1, 1] order [0, 1] part 2>} : !sched.buffer, !sched.buffer, !sched.buffer, !sched.buffer
}

// -----

// Sums of 16 bits that S32 may not hold are S64.
// CHECK-LABEL: @wide_parts
sched.program @wide_parts target "AX650" mode "NPU1" ocm 65536 {
  %x = sched.buffer ocm 1024 : !sched.buffer
  %v = sched.buffer ocm 512 : !sched.buffer
  %m = sched.buffer ocm 4 : !sched.buffer
  %y = sched.buffer ocm 1 : !sched.buffer
  // CHECK: sched.job "matmul_sums" on conv({{.*}}) [#sched.view<ui16 [1, 256] : [1024, 2]>, {{.*}}, #sched.view<i64 [1, 1] : [8, 8]>] <has_sums = 0>
  // CHECK-NEXT: sched.job "matmul" on conv({{.*}}) [#sched.view<ui16 [1, 256] : [1024, 2] + 512>, {{.*}}, #sched.view<i64 [1, 1] : [8, 8]>] <bias_mode = 0, has_sums = 1
  sched.layer "matmul"(%x, %v, %y, %m) [#sched.view<ui16 [1, 512] : [1024, 2]>, #sched.view<i8 [512, 1] : [1, 512]>, #sched.view<ui8 [1, 1] : [1, 1]>, #sched.view<f32 [1] : [4]>] <bias_mode = 0, has_sums = 0, clamp_lo = 0, clamp_hi = 255> {tiling = #sched.tiling<[1, 1] order [0, 1] part 256>} : !sched.buffer, !sched.buffer, !sched.buffer, !sched.buffer
}
