// RUN: ax-opt -p 'verify-program{useless-waits=true}' --verify-diagnostics %s

ax650.program @useless mode "NPU1" ocm 128 input 0 output 0 param 0 swap 0 {
  %0 = ax650.job "fill" on cv 0 [#chip.at<ocm ui8 [64] : [1]>] <value = 1>
  // expected-error@+1 {{useless-wait:}}
  %1 = ax650.job "fill" on cv 0 [#chip.at<ocm ui8 [64] : [1]>] <value = 2> waits(%0)
}
