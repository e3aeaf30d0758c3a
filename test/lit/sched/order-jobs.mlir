// RUN: ax-opt -p sched-order-jobs --split-input-file %s | filecheck %s

// The load from param runs beside the fill; the one from swap cannot pass the store.
// CHECK-LABEL: @prefetch
sched.program @prefetch target "AX650" mode "NPU1" ocm 4096 {
  %p = sched.buffer param 64 {data = #ax.weight<"000102030405060708090a0b0c0d0e0f", tensor<64xi8>>} : !sched.buffer
  %s = sched.buffer swap 64 : !sched.buffer
  %a = sched.buffer ocm 64 : !sched.buffer
  %b = sched.buffer ocm 64 : !sched.buffer
  %w = sched.buffer ocm 64 : !sched.buffer
  %c = sched.buffer ocm 64 : !sched.buffer
  // CHECK: sched.job "copy" on sdma{{.*}} {start = 0 : i64, end = 105 : i64}
  // CHECK-NEXT: sched.job "fill" on cv{{.*}} {start = 0 : i64, end = 101 : i64}
  // CHECK-NEXT: sched.job "copy" on cv{{.*}} {start = 101 : i64
  // CHECK-NEXT: sched.job "copy" on sdma{{.*}} {start = 105 : i64
  // CHECK-NEXT: sched.job "fill" on teng{{.*}} {start = 202 : i64
  // CHECK-NEXT: sched.job "copy" on sdma{{.*}} {start = 210 : i64
  // CHECK-NEXT: sched.job "eltwise" on teng
  %t0 = sched.job "fill" on cv(%a) [#sched.view<i8 [64] : [1]>] <value = 1>
  %t1 = sched.job "copy" on cv(%a, %b) [#sched.view<i8 [64] : [1]>, #sched.view<i8 [64] : [1]>] <>
  %t2 = sched.job "copy" on sdma(%a, %s) [#sched.view<i8 [64] : [1]>, #sched.view<i8 [64] : [1]>] <>
  %t3 = sched.job "copy" on sdma(%p, %w) [#sched.view<i8 [64] : [1]>, #sched.view<i8 [64] : [1]>] <>
  %t4 = sched.job "fill" on teng(%b) [#sched.view<i8 [64] : [1]>] <value = 2>
  %t5 = sched.job "copy" on sdma(%s, %c) [#sched.view<i8 [64] : [1]>, #sched.view<i8 [64] : [1]>] <>
  %t6 = sched.job "eltwise" on teng(%w, %c, %b) [#sched.view<i8 [64] : [1]>, #sched.view<i8 [64] : [1]>, #sched.view<i8 [64] : [1]>] <fn = 0, clamp_lo = -128, clamp_hi = 127>
}

// -----

// The second fill has a unit at once, but no room before the first buffer has been stored.
// CHECK-LABEL: @full
sched.program @full target "AX650" mode "NPU1" ocm 64 {
  %s = sched.buffer swap 128 : !sched.buffer
  %a = sched.buffer ocm 64 : !sched.buffer
  %b = sched.buffer ocm 64 : !sched.buffer
  // CHECK: sched.job "fill" on cv{{.*}} {start = 0 : i64
  // CHECK-NEXT: sched.job "copy" on sdma{{.*}}end = [[STORED:\d+]] : i64}
  // CHECK-NEXT: sched.job "fill" on teng{{.*}} {start = [[STORED]] : i64
  // CHECK-NEXT: sched.job "copy" on sdma
  %t0 = sched.job "fill" on cv(%a) [#sched.view<i8 [64] : [1]>] <value = 1>
  %t1 = sched.job "copy" on sdma(%a, %s) [#sched.view<i8 [64] : [1]>, #sched.view<i8 [64] : [1]>] <>
  %t2 = sched.job "fill" on teng(%b) [#sched.view<i8 [64] : [1]>] <value = 2>
  %t3 = sched.job "copy" on sdma(%b, %s) [#sched.view<i8 [64] : [1]>, #sched.view<i8 [64] : [1] + 64>] <>
}
