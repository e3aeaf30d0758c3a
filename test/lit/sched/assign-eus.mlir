// RUN: ax-opt -p sched-assign-eus --split-input-file %s | filecheck %s

// Independent jobs share the units of their class; the longest chain goes first.
// CHECK-LABEL: @spread
sched.program @spread target "AX650" mode "NPU2" ocm 4096 {
  %a = sched.buffer ocm 64 {address = 0 : i64} : !sched.buffer
  %b = sched.buffer ocm 64 {address = 64 : i64} : !sched.buffer
  %c = sched.buffer ocm 64 {address = 128 : i64} : !sched.buffer
  // CHECK: sched.job "fill" on cv{{.*}} <value = 2> {unit = 0 : i64}
  // CHECK-NEXT: sched.job "fill" on cv{{.*}} <value = 1> {unit = 1 : i64}
  %t0 = sched.job "fill" on cv(%a) [#sched.view<ui8 [64] : [1]>] <value = 1>
  %t1 = sched.job "fill" on cv(%b) [#sched.view<ui8 [64] : [1]>] <value = 2>
  %t2 = sched.job "copy" on cv(%b, %c) [#sched.view<ui8 [64] : [1]>, #sched.view<ui8 [64] : [1]>] <> waits(%t1)
}

// -----

// On one unit the queue orders the jobs: the wait goes.
// CHECK-LABEL: @queue
sched.program @queue target "AX650" mode "NPU1" ocm 4096 {
  %a = sched.buffer ocm 64 {address = 0 : i64} : !sched.buffer
  %b = sched.buffer ocm 64 {address = 64 : i64} : !sched.buffer
  // CHECK: sched.job "fill" on cv{{.*}} {unit = 0 : i64}
  // CHECK-NOT: waits
  %t0 = sched.job "fill" on cv(%a) [#sched.view<ui8 [64] : [1]>] <value = 1>
  %t1 = sched.job "copy" on cv(%a, %b) [#sched.view<ui8 [64] : [1]>, #sched.view<ui8 [64] : [1]>] <> waits(%t0)
}
