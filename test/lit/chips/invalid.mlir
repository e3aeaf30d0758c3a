// RUN: ax-opt --split-input-file --verify-diagnostics %s

// expected-error@+1 {{AX650 has no 'NPU9', only NPU1, NPU2, NPU3}}
ax650.program @mode mode "NPU9" ocm 64 input 0 output 0 param 0 swap 0 {
  %0 = ax650.job "fill" on cv 0 [#chip.at<ocm ui8 [64] : [1]>] <value = 1>
}

// -----

// expected-error@+1 {{NPU1 of AX650 has 3145728 bytes of OCM, got 3145729}}
ax650.program @ocm mode "NPU1" ocm 3145729 input 0 output 0 param 0 swap 0 {
  %0 = ax650.job "fill" on cv 0 [#chip.at<ocm ui8 [64] : [1]>] <value = 1>
}

// -----

ax650.program @port mode "NPU1" ocm 64 input 0 output 0 param 0 swap 0 {
  // expected-error@+1 {{a port lies in the input or output segment}}
  ax650.port "x" <ocm ui8 [64] : [1]>
}

// -----

ax650.program @kernel mode "NPU1" ocm 64 input 0 output 0 param 0 swap 0 {
  // expected-error@+1 {{unknown kernel 'twist'}}
  %0 = ax650.job "twist" on cv 0 [#chip.at<ocm ui8 [64] : [1]>] <>
}

// -----

ax650.program @eu mode "NPU1" ocm 64 input 0 output 0 param 0 swap 0 {
  // expected-error@+1 {{'fill' does not run on conv units}}
  %0 = ax650.job "fill" on conv 0 [#chip.at<ocm ui8 [64] : [1]>] <value = 1>
}

// -----

ax650.program @unit mode "NPU1" ocm 64 input 0 output 0 param 0 swap 0 {
  // expected-error@+1 {{NPU1 has 1 cv units, there is no number 1}}
  %0 = ax650.job "fill" on cv 1 [#chip.at<ocm ui8 [64] : [1]>] <value = 1>
}

// -----

ax650.program @type mode "NPU1" ocm 64 input 0 output 0 param 0 swap 0 {
  // expected-error@+1 {{AX650 has no F16 operands (only}}
  %0 = ax650.job "fill" on cv 0 [#chip.at<ocm f16 [8] : [2]>] <value = 1>
}

// -----

ax650.program @outside mode "NPU1" ocm 64 input 0 output 0 param 0 swap 0 {
  // expected-error@+1 {{operand 0 touches bytes [32, 96) of the ocm space, which has 64}}
  %0 = ax650.job "fill" on cv 0 [#chip.at<ocm ui8 [64] : [1] + 32>] <value = 1>
}

// -----

ax650.program @params mode "NPU1" ocm 64 input 0 output 0 param 0 swap 0 {
  // expected-error@+1 {{'fill' takes parameters (value)}}
  %0 = ax650.job "fill" on cv 0 [#chip.at<ocm ui8 [64] : [1]>] <>
}

// -----

ax650.program @dims mode "NPU1" ocm 64 input 0 output 0 param 0 swap 0 {
  // expected-error@+1 {{a view has at most 6 dimensions, got 7}}
  %0 = ax650.job "fill" on cv 0 [#chip.at<ocm ui8 [1, 1, 1, 1, 1, 1, 64] : [64, 64, 64, 64, 64, 64, 1]>] <value = 1>
}

// -----

ax650.program @shapes mode "NPU1" ocm 64 input 0 output 0 param 0 swap 0 {
  // expected-error@+1 {{operands have one shape, got [64] and [32]}}
  %0 = ax650.job "copy" on cv 0 [#chip.at<ocm ui8 [64] : [1]>, #chip.at<ocm ui8 [32] : [1]>] <>
}

// -----

ax650.program @strides mode "NPU1" ocm 64 input 0 output 0 param 0 swap 0 {
  // expected-error@+1 {{a view has as many strides as dimensions}}
  %0 = ax650.job "fill" on cv 0 [#chip.at<ocm ui8 [64] : [1, 1]>] <value = 1>
}

// -----

ax650.program @space mode "NPU1" ocm 64 input 0 output 0 param 0 swap 0 {
  // expected-error@+1 {{Expected `any`, `ocm`}}
  %0 = ax650.job "fill" on cv 0 [#chip.at<cache ui8 [64] : [1]>] <value = 1>
}

// -----

ax650.program @undecided mode "NPU1" ocm 64 input 0 output 0 param 0 swap 0 {
  // expected-error@+1 {{'any' is no space of a chip}}
  %0 = ax650.job "fill" on cv 0 [#chip.at<any ui8 [64] : [1]>] <value = 1>
}

// -----

ax650.program @element mode "NPU1" ocm 64 input 0 output 0 param 0 swap 0 {
  // expected-error@+1 {{jobs have no operands of type i7}}
  %0 = ax650.job "fill" on cv 0 [#chip.at<ocm i7 [64] : [1]>] <value = 1>
}

// -----

ax650.program @weight mode "NPU1" ocm 64 input 0 output 0 param 64 swap 0 {
  // expected-error@+1 {{a weight key has 32 hexadecimal digits, got 'abc'}}
  ax650.param 0 <"abc", tensor<64xi8>>
}

// -----

ax650.program @param mode "NPU1" ocm 64 input 0 output 0 param 64 swap 0 {
  // expected-error@+1 {{the bytes [32, 96) lie outside the param space, which has 64}}
  ax650.param 32 <"000102030405060708090a0b0c0d0e0f", tensor<64xi8>>
}
