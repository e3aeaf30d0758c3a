// RUN: ax-opt %s | ax-opt | filecheck %s
// RUN: ax-opt --mlir-print-op-generic %s | ax-opt | filecheck %s

// Each chip has the operations under its own name.
// CHECK-LABEL: ax650.program @conv mode "NPU1" ocm 65536 input 128 output 128 param 128 swap 64 {
ax650.program @conv mode "NPU1" ocm 65536 input 128 output 128 param 128 swap 64 {
  // CHECK-NEXT: ax650.port "x" <input ui8 [1, 8, 4, 4] : [128, 16, 4, 1], 0.5:128>
  ax650.port "x" <input ui8 [1, 8, 4, 4] : [128, 16, 4, 1], 0.5:128>
  // CHECK-NEXT: ax650.port "y" <output ui8 [1, 8, 4, 4] : [128, 16, 4, 1]>
  ax650.port "y" <output ui8 [1, 8, 4, 4] : [128, 16, 4, 1]>
  // CHECK-NEXT: ax650.param 64 <"000102030405060708090a0b0c0d0e0f", tensor<64xi8>>
  ax650.param 64 <"000102030405060708090a0b0c0d0e0f", tensor<64xi8>>
  // CHECK-NEXT: [[T:%\w+]] = ax650.job "copy" on sdma 0 [#chip.at<input ui8 [128] : [1]>, #chip.at<ocm ui8 [128] : [1] + 64>] <>
  %0 = ax650.job "copy" on sdma 0 [#chip.at<input ui8 [128] : [1]>, #chip.at<ocm ui8 [128] : [1] + 64>] <>
  // CHECK-NEXT: [[U:%\w+]] = ax650.job "unary" on teng 0 [{{.*}}, #chip.at<ocm ui8 [128] : [1] + 192, 1.0e-20:3>] <fn = 4, alpha = 0.2, beta = 1.0e-20, clamp_lo = 0, clamp_hi = 255> waits([[T]])
  %1 = ax650.job "unary" on teng 0 [#chip.at<ocm ui8 [128] : [1] + 64, 0.5:128>, #chip.at<ocm ui8 [128] : [1] + 192, 1.0e-20:3>] <fn = 4, alpha = 0.2, beta = 1.0e-20, clamp_lo = 0, clamp_hi = 255> waits(%0)
  // CHECK-NEXT: ax650.job "copy" on cv 0 [{{.*}}] <> waits([[T]], [[U]])
  %2 = ax650.job "copy" on cv 0 [#chip.at<ocm ui8 [128] : [1] + 192>, #chip.at<output ui8 [128] : [1]>] <> waits(%0, %1)
}

// CHECK-LABEL: ax620e.program @fill mode "NPU2"
ax620e.program @fill mode "NPU2" ocm 64 input 0 output 0 param 0 swap 0 {
  // CHECK-NEXT: ax620e.job "fill" on teng 0 [#chip.at<ocm i8 [64] : [1]>] <value = -1>
  %0 = ax620e.job "fill" on teng 0 [#chip.at<ocm i8 [64] : [1]>] <value = -1>
}

// CHECK-LABEL: ax615.program
ax615.program @two mode "NPU1" ocm 64 input 0 output 0 param 0 swap 0 {
  %0 = ax615.job "fill" on teng 0 [#chip.at<ocm i8 [64] : [1]>] <value = -1>
}

// CHECK-LABEL: m57.program
m57.program @three mode "NPU1" ocm 64 input 0 output 0 param 0 swap 0 {
  %0 = m57.job "fill" on teng 0 [#chip.at<ocm i8 [64] : [1]>] <value = -1>
}

// CHECK-LABEL: m76h.program
m76h.program @four mode "NPU3" ocm 64 input 0 output 0 param 0 swap 0 {
  // CHECK-NEXT: m76h.job "fill" on teng 2
  %0 = m76h.job "fill" on teng 2 [#chip.at<ocm i8 [64] : [1]>] <value = -1>
}
