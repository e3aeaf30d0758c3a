// RUN: ax-opt -p sched-insert-waits --split-input-file %s | filecheck %s

// Data: a reader waits for the writer. Memory: who writes the bytes again waits for their reader.
// CHECK-LABEL: @data_and_memory
sched.program @data_and_memory target "AX650" mode "NPU1" ocm 256 {
  %a = sched.buffer ocm 64 {address = 0 : i64} : !sched.buffer
  %b = sched.buffer ocm 64 {address = 64 : i64} : !sched.buffer
  %c = sched.buffer ocm 64 {address = 0 : i64} : !sched.buffer
  // CHECK: [[T0:%\w+]] = sched.job "fill" on cv
  %t0 = sched.job "fill" on cv(%a) [#sched.view<ui8 [64] : [1]>] <value = 1>
  // CHECK-NEXT: [[T1:%\w+]] = sched.job "copy" on cv{{.*}} waits([[T0]])
  %t1 = sched.job "copy" on cv(%a, %b) [#sched.view<ui8 [64] : [1]>, #sched.view<ui8 [64] : [1]>] <>
  // CHECK-NEXT: sched.job "fill" on cv{{.*}} waits([[T0]], [[T1]])
  %t2 = sched.job "fill" on cv(%c) [#sched.view<ui8 [64] : [1]>] <value = 2>
}

// -----

// Two halves of the channels, interleaved in memory, do not meet; two readers need no order.
// CHECK-LABEL: @apart
sched.program @apart target "AX650" mode "NPU1" ocm 256 {
  %a = sched.buffer ocm 64 {address = 0 : i64} : !sched.buffer
  // CHECK: sched.job "fill" on cv{{.*}} <value = 1>{{$}}
  %t0 = sched.job "fill" on cv(%a) [#sched.view<ui8 [8, 4] : [8, 1]>] <value = 1>
  // CHECK-NEXT: sched.job "fill" on cv{{.*}} <value = 2>{{$}}
  %t1 = sched.job "fill" on cv(%a) [#sched.view<ui8 [8, 4] : [8, 1] + 4>] <value = 2>
}

// -----

// Waits that were there are replaced.
// CHECK-LABEL: @replaced
sched.program @replaced target "AX650" mode "NPU1" ocm 256 {
  %a = sched.buffer ocm 64 {address = 0 : i64} : !sched.buffer
  %b = sched.buffer ocm 64 {address = 64 : i64} : !sched.buffer
  %t0 = sched.job "fill" on cv(%a) [#sched.view<ui8 [64] : [1]>] <value = 1>
  // CHECK: <value = 2>{{$}}
  %t1 = sched.job "fill" on cv(%b) [#sched.view<ui8 [64] : [1]>] <value = 2> waits(%t0)
}
