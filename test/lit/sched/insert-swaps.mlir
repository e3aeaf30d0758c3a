// RUN: ax-opt -p sched-insert-swaps --split-input-file --verify-diagnostics %s | filecheck %s

// What is needed last again leaves: stored after its last use, loaded before the next.
// CHECK-LABEL: @stored
sched.program @stored target "AX650" mode "NPU1" ocm 128 {
  // CHECK: [[A:%\w+]] = sched.buffer ocm 64
  // CHECK-DAG: [[S:%\w+]] = sched.buffer swap 64
  %a = sched.buffer ocm 64 : !sched.buffer
  %b = sched.buffer ocm 64 : !sched.buffer
  %c = sched.buffer ocm 64 : !sched.buffer
  // CHECK: sched.job "fill" on cv([[A]])
  // CHECK-NEXT: sched.job "copy" on sdma([[A]], [[S]])
  %t0 = sched.job "fill" on cv(%a) [#sched.view<ui8 [64] : [1]>] <value = 1>
  // CHECK-NEXT: sched.job "fill" on cv
  %t1 = sched.job "fill" on cv(%b) [#sched.view<ui8 [64] : [1]>] <value = 2>
  // CHECK-NEXT: sched.job "copy" on cv
  %t2 = sched.job "copy" on cv(%b, %c) [#sched.view<ui8 [64] : [1]>, #sched.view<ui8 [64] : [1]>] <>
  // CHECK-NEXT: sched.job "copy" on sdma([[S]], [[A2:%\w+]])
  // CHECK-NEXT: sched.job "copy" on cv([[A2]], {{%\w+}})
  %t3 = sched.job "copy" on cv(%a, %c) [#sched.view<ui8 [64] : [1]>, #sched.view<ui8 [64] : [1]>] <>
}

// -----

// What was loaded from parameters is loaded again, not stored.
// CHECK-LABEL: @reloaded
sched.program @reloaded target "AX650" mode "NPU1" ocm 128 {
  // CHECK: [[P:%\w+]] = sched.buffer param 64
  %p = sched.buffer param 64 {data = #ax.weight<"000102030405060708090a0b0c0d0e0f", tensor<64xi8>>} : !sched.buffer
  %a = sched.buffer ocm 64 : !sched.buffer
  %b = sched.buffer ocm 64 : !sched.buffer
  %c = sched.buffer ocm 64 : !sched.buffer
  // CHECK-NOT: sched.buffer swap
  // CHECK: sched.job "copy" on sdma([[P]], {{%\w+}})
  %t0 = sched.job "copy" on sdma(%p, %a) [#sched.view<i8 [64] : [1]>, #sched.view<i8 [64] : [1]>] <>
  %t1 = sched.job "fill" on cv(%b) [#sched.view<ui8 [64] : [1]>] <value = 2>
  %t2 = sched.job "copy" on cv(%b, %c) [#sched.view<ui8 [64] : [1]>, #sched.view<ui8 [64] : [1]>] <>
  // CHECK: sched.job "copy" on sdma([[P]], [[A2:%\w+]])
  // CHECK-NEXT: sched.job "copy" on cv([[A2]], {{%\w+}})
  %t3 = sched.job "copy" on cv(%a, %c) [#sched.view<i8 [64] : [1]>, #sched.view<i8 [64] : [1]>] <>
}

// -----

// Nothing changes where all fits.
// CHECK-LABEL: @fits
sched.program @fits target "AX650" mode "NPU1" ocm 192 {
  %a = sched.buffer ocm 64 : !sched.buffer
  %b = sched.buffer ocm 64 : !sched.buffer
  // CHECK-NOT: sdma
  %t0 = sched.job "fill" on cv(%a) [#sched.view<ui8 [64] : [1]>] <value = 1>
  %t1 = sched.job "copy" on cv(%a, %b) [#sched.view<ui8 [64] : [1]>, #sched.view<ui8 [64] : [1]>] <>
}

// -----

sched.program @one_job_too_large target "AX650" mode "NPU1" ocm 64 {
  %a = sched.buffer ocm 64 : !sched.buffer
  %b = sched.buffer ocm 64 : !sched.buffer
  // expected-error@+1 {{one job needs 128 bytes of OCM at once, there are 64}}
  %t0 = sched.job "copy" on cv(%a, %b) [#sched.view<ui8 [64] : [1]>, #sched.view<ui8 [64] : [1]>] <>
}
