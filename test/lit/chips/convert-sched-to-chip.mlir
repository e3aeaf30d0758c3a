// RUN: ax-opt -p convert-sched-to-chip --split-input-file --verify-diagnostics %s | filecheck %s

// Buffers become addresses, ports and parameters; the segments are as large as their buffers reach,
// rounded up to 64 bytes. Jobs keep their order, units and waits.
// CHECK-LABEL: ax650.program @program mode "NPU1" ocm 4096 input 64 output 64 param 128 swap 192 {
sched.program @program target "AX650" mode "NPU1" ocm 4096 {
  // CHECK-NEXT: ax650.port "x" <input ui8 [40] : [1], 0.5:3>
  %x = sched.buffer input 40 {name = "x", type = #sched.view<ui8 [40] : [1], 0.5:3>, address = 0 : i64} : !sched.buffer
  // CHECK-NEXT: ax650.port "y" <output ui8 [40] : [1]>
  %y = sched.buffer output 40 {name = "y", type = #sched.view<ui8 [40] : [1]>, address = 0 : i64} : !sched.buffer
  // CHECK-NEXT: ax650.param 64 <"000102030405060708090a0b0c0d0e0f", tensor<40xi8>>
  %p = sched.buffer param 40 {data = #ax.weight<"000102030405060708090a0b0c0d0e0f", tensor<40xi8>>, address = 64 : i64} : !sched.buffer
  %s = sched.buffer swap 65 {address = 64 : i64} : !sched.buffer
  %a = sched.buffer ocm 80 {address = 128 : i64} : !sched.buffer
  // CHECK-NEXT: [[T:%\w+]] = ax650.job "copy" on sdma 0 [#chip.at<input ui8 [40] : [1], 0.5:3>, #chip.at<ocm ui8 [40] : [1] + 168>] <>
  %0 = sched.job "copy" on sdma(%x, %a) [#sched.view<ui8 [40] : [1], 0.5:3>, #sched.view<ui8 [40] : [1] + 40>] <> {unit = 0 : i64}
  // CHECK-NEXT: ax650.job "copy" on sdma 0 [#chip.at<param i8 [40] : [1] + 64>, #chip.at<swap i8 [40] : [1] + 64>] <> waits([[T]])
  %1 = sched.job "copy" on sdma(%p, %s) [#sched.view<i8 [40] : [1]>, #sched.view<i8 [40] : [1]>] <> waits(%0) {unit = 0 : i64}
  // CHECK-NEXT: ax650.job "copy" on cv 0
  %2 = sched.job "copy" on cv(%a, %y) [#sched.view<ui8 [40] : [1] + 40>, #sched.view<ui8 [40] : [1]>] <> waits(%0) {unit = 0 : i64}
}

// -----

// The dialect is that of the program's target.
// CHECK-LABEL: ax620e.program @other
sched.program @other target "AX620E" mode "NPU2" ocm 4096 {
  %a = sched.buffer ocm 64 {address = 64 : i64} : !sched.buffer
  // CHECK-NEXT: ax620e.job "fill" on teng 0 [#chip.at<ocm ui8 [64] : [1] + 64>] <value = 1>
  %0 = sched.job "fill" on teng(%a) [#sched.view<ui8 [64] : [1]>] <value = 1> {unit = 0 : i64}
}

// -----

sched.program @no_unit target "AX650" mode "NPU1" ocm 4096 {
  %a = sched.buffer ocm 64 {address = 64 : i64} : !sched.buffer
  // expected-error@+1 {{a job has no unit: run sched-assign-eus first}}
  %0 = sched.job "fill" on teng(%a) [#sched.view<ui8 [64] : [1]>] <value = 1>
}

// -----

sched.program @no_address target "AX650" mode "NPU1" ocm 4096 {
  // expected-error@+1 {{a buffer has no address: run sched-allocate first}}
  %a = sched.buffer ocm 64 : !sched.buffer
  %0 = sched.job "fill" on teng(%a) [#sched.view<ui8 [64] : [1]>] <value = 1> {unit = 0 : i64}
}

// -----

sched.program @undecided target "AX650" mode "NPU1" ocm 4096 {
  // expected-error@+1 {{a buffer's space is not decided: run sched-plan-tiles first}}
  %a = sched.buffer any 64 {address = 64 : i64} : !sched.buffer
  %0 = sched.job "fill" on teng(%a) [#sched.view<ui8 [64] : [1]>] <value = 1> {unit = 0 : i64}
}
