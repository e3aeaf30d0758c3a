// A program of two jobs, to bytes and back: names, quantization, parameters and waits survive.
// RUN: ax-translate --assemble %s -o %t.bin --params-out %t.params
// RUN: ax-translate --disassemble %t.bin --program main_program --params %t.params -o %t.mlir
// RUN: filecheck %s < %t.mlir
// RUN: ax-translate --assemble %t.mlir -o %t.2.bin --params-out %t.2.params
// RUN: diff %t.bin %t.2.bin
// RUN: diff %t.params %t.2.params
// RUN: ax-translate --disassemble < %t.bin | ax-translate --assemble | diff %t.bin -

// CHECK: ax650.program @main_program mode "NPU1" ocm 4096 input 64 output 64 param 0 swap 192 {
// CHECK-NEXT: ax650.port "x" <input ui8 [4, 8] : [8, 1]> loc("x")
// CHECK-NEXT: ax650.port "y" <output ui8 [32] : [1] + 32> loc("y")
// CHECK-NEXT: [[T:%\w+]] = ax650.job "copy" on sdma 0 [#chip.at<input ui8 [32] : [1], 0.5:3>, #chip.at<ocm ui8 [32] : [2] + 64, 0.5:3>] <> loc("node_1")
// CHECK-NEXT: ax650.job "unary" on teng 0 [#chip.at<ocm ui8 [32] : [2] + 64>, #chip.at<output ui8 [32] : [1] + 32>] <fn = 4, alpha = 0.2, beta = 1.0e-20, clamp_lo = 0, clamp_hi = 255> waits([[T]]) loc("a/b_2")
ax650.program @p mode "NPU1" ocm 4096 input 64 output 64 param 0 swap 192 {
  ax650.port "x" <input ui8 [4, 8] : [8, 1]>
  ax650.port "y" <output ui8 [32] : [1] + 32>
  %0 = ax650.job "copy" on sdma 0 [#chip.at<input ui8 [32] : [1], 0.5:3>, #chip.at<ocm ui8 [32] : [2] + 64, 0.5:3>] <> loc("node_1"("t"))
  %1 = ax650.job "unary" on teng 0 [#chip.at<ocm ui8 [32] : [2] + 64>, #chip.at<output ui8 [32] : [1] + 32>] <fn = 4, alpha = 0.2, beta = 1.0e-20, clamp_lo = 0, clamp_hi = 255> waits(%0) loc("a/b_2")
}

// RUN: ax-translate --assemble --program fill %S/../chips/ops.mlir | ax-translate --disassemble --mlir-print-op-generic | filecheck %s --check-prefix FILL
// FILL: "ax620e.program"() ({

// RUN: ax-translate --version | filecheck %s --check-prefix VERSION
// VERSION: ax-translate {{[0-9]+\.}}
// RUN: ax-translate --help | filecheck %s --check-prefix HELP
// HELP: --export-qdq
