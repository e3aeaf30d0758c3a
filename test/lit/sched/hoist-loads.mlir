// RUN: ax-opt -p sched-hoist-loads %s | filecheck %s
// RUN: ax-opt -p 'sched-hoist-loads{window=1}' %s | filecheck %s --check-prefix=NEAR

// CHECK-LABEL: @prefetch
// NEAR-LABEL: @prefetch
sched.program @prefetch target "AX650" mode "NPU1" ocm 4096 {
  %p = sched.buffer param 64 {data = #ax.weight<"000102030405060708090a0b0c0d0e0f", tensor<64xi8>>} : !sched.buffer
  %s = sched.buffer swap 64 : !sched.buffer
  %a = sched.buffer ocm 64 : !sched.buffer
  %b = sched.buffer ocm 64 : !sched.buffer
  %w = sched.buffer ocm 64 : !sched.buffer
  %c = sched.buffer ocm 64 : !sched.buffer
  // The load from param goes first; the one from swap cannot pass the store.
  // CHECK: sched.job "copy" on sdma
  // CHECK-NEXT: sched.job "fill" on cv
  // CHECK-NEXT: sched.job "copy" on cv
  // CHECK-NEXT: sched.job "copy" on sdma
  // CHECK-NEXT: sched.job "copy" on sdma
  // CHECK-NEXT: sched.job "fill" on teng
  // NEAR: sched.job "fill" on cv
  // NEAR-NEXT: sched.job "copy" on cv
  %t0 = sched.job "fill" on cv(%a) [#sched.view<i8 [64] : [1]>] <value = 1>
  %t1 = sched.job "copy" on cv(%a, %b) [#sched.view<i8 [64] : [1]>, #sched.view<i8 [64] : [1]>] <>
  %t2 = sched.job "copy" on sdma(%a, %s) [#sched.view<i8 [64] : [1]>, #sched.view<i8 [64] : [1]>] <>
  %t3 = sched.job "copy" on sdma(%p, %w) [#sched.view<i8 [64] : [1]>, #sched.view<i8 [64] : [1]>] <>
  %t4 = sched.job "fill" on teng(%b) [#sched.view<i8 [64] : [1]>] <value = 2>
  %t5 = sched.job "copy" on sdma(%s, %c) [#sched.view<i8 [64] : [1]>, #sched.view<i8 [64] : [1]>] <>
  %t6 = sched.job "eltwise" on teng(%w, %c, %b) [#sched.view<i8 [64] : [1]>, #sched.view<i8 [64] : [1]>, #sched.view<i8 [64] : [1]>] <fn = 0, clamp_lo = -128, clamp_hi = 127>
}
