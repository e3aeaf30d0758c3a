// RUN: ax-opt -p verify-program --split-input-file --verify-diagnostics %s | filecheck %s

// A wait orders the two.
// CHECK-LABEL: @ordered
ax650.program @ordered mode "NPU1" ocm 128 input 0 output 0 param 0 swap 0 {
  %0 = ax650.job "fill" on cv 0 [#chip.at<ocm ui8 [64] : [1]>] <value = 1>
  %1 = ax650.job "fill" on teng 0 [#chip.at<ocm ui8 [64] : [1]>] <value = 2> waits(%0)
}

// -----

ax650.program @race mode "NPU1" ocm 128 input 0 output 0 param 0 swap 0 {
  %0 = ax650.job "fill" on cv 0 [#chip.at<ocm ui8 [64] : [1]>] <value = 1>
  // expected-error@+1 {{race:}}
  %1 = ax650.job "fill" on teng 0 [#chip.at<ocm ui8 [64] : [1] + 32>] <value = 2>
}

// -----

ax650.program @unwritten mode "NPU1" ocm 128 input 0 output 0 param 0 swap 0 {
  // expected-error@+1 {{unwritten:}}
  %0 = ax650.job "copy" on cv 0 [#chip.at<ocm ui8 [64] : [1]>, #chip.at<ocm ui8 [64] : [1] + 64>] <>
}

// -----

// The queue orders the two: the wait is useless, which is a note.
// CHECK-LABEL: @useless
ax650.program @useless mode "NPU1" ocm 128 input 0 output 0 param 0 swap 0 {
  %0 = ax650.job "fill" on cv 0 [#chip.at<ocm ui8 [64] : [1]>] <value = 1>
  %1 = ax650.job "fill" on cv 0 [#chip.at<ocm ui8 [64] : [1]>] <value = 2> waits(%0)
}
