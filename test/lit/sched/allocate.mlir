// RUN: ax-opt -p sched-allocate --split-input-file --verify-diagnostics %s | filecheck %s

// Buffers that are never alive together share bytes when there is no room to keep them apart.
// CHECK-LABEL: @shared
sched.program @shared target "AX650" mode "NPU1" ocm 128 {
  // CHECK: sched.buffer ocm 64 {address = [[A:\d+]] : i64}
  %a = sched.buffer ocm 64 : !sched.buffer
  // CHECK-NEXT: sched.buffer ocm 64 {address =
  %b = sched.buffer ocm 64 : !sched.buffer
  // CHECK-NEXT: sched.buffer ocm 64 {address = [[A]] : i64}
  %c = sched.buffer ocm 64 : !sched.buffer
  %t0 = sched.job "copy" on cv(%a, %b) [#sched.view<ui8 [64] : [1]>, #sched.view<ui8 [64] : [1]>] <>
  %t1 = sched.job "copy" on cv(%b, %c) [#sched.view<ui8 [64] : [1]>, #sched.view<ui8 [64] : [1]>] <>
}

// -----

// With room, bytes rest before they are taken over. DDR segments are filled in order.
// CHECK-LABEL: @apart
sched.program @apart target "AX650" mode "NPU1" ocm 4096 {
  // CHECK: sched.buffer ocm 64 {address = [[B:\d+]] : i64}
  // CHECK-NEXT: sched.buffer swap 65 {address = 0 : i64}
  // CHECK-NEXT: sched.buffer swap 64 {address = 128 : i64}
  %a = sched.buffer ocm 64 : !sched.buffer
  %s = sched.buffer swap 65 : !sched.buffer
  %u = sched.buffer swap 64 : !sched.buffer
  // CHECK-NOT: address = [[B]] : i64
  %b = sched.buffer ocm 64 : !sched.buffer
  %t0 = sched.job "copy" on sdma(%a, %u) [#sched.view<ui8 [64] : [1]>, #sched.view<ui8 [64] : [1]>] <>
  %t1 = sched.job "copy" on sdma(%u, %b) [#sched.view<ui8 [64] : [1]>, #sched.view<ui8 [64] : [1]>] <>
}

// -----

// expected-error@+1 {{do not fit in 64 bytes of OCM: run sched-insert-swaps first}}
sched.program @too_small target "AX650" mode "NPU1" ocm 64 {
  %a = sched.buffer ocm 64 : !sched.buffer
  %b = sched.buffer ocm 64 : !sched.buffer
  %t0 = sched.job "copy" on cv(%a, %b) [#sched.view<ui8 [64] : [1]>, #sched.view<ui8 [64] : [1]>] <>
}

// -----

sched.program @undecided target "AX650" mode "NPU1" ocm 64 {
  // expected-error@+1 {{a buffer's space is not decided: run sched-plan-tiles first}}
  %a = sched.buffer any 64 : !sched.buffer
  %b = sched.buffer ocm 64 : !sched.buffer
  %t0 = sched.job "copy" on cv(%a, %b) [#sched.view<ui8 [64] : [1]>, #sched.view<ui8 [64] : [1]>] <>
}
