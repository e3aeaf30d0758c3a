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
