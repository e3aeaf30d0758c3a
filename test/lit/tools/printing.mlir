// What is printed, and where to.

// RUN: ax-opt %s -p onnx-eliminate-identity,onnx-eliminate-dead --print-ir-before=onnx-eliminate-identity --print-ir-after=onnx-eliminate-dead 2>&1 >/dev/null | filecheck %s --check-prefix=SOME
// SOME: // -----// IR Dump Before onnx-eliminate-identity //----- //
// SOME-NEXT: builtin.module {
// SOME: onnx.Identity
// SOME-NOT: IR Dump After onnx-eliminate-identity
// SOME: // -----// IR Dump After onnx-eliminate-dead //----- //
// SOME-NOT: onnx.Identity

// RUN: ax-opt %s -p onnx-eliminate-identity,onnx-eliminate-dead --print-ir-before-all --print-ir-after-all 2>&1 >/dev/null | filecheck %s --check-prefix=ALL
// ALL: IR Dump Before onnx-eliminate-identity
// ALL: IR Dump After onnx-eliminate-identity
// ALL: IR Dump Before onnx-eliminate-dead
// ALL: IR Dump After onnx-eliminate-dead

// RUN: not ax-opt %s -p onnx-eliminate-dead --print-ir-after=onnx-fold-pad 2>&1 | filecheck %s --check-prefix=ABSENT
// ABSENT: error: cannot print the IR at 'onnx-fold-pad': it does not run

// RUN: ax-opt %s --mlir-timing -p onnx-eliminate-dead 2>&1 >/dev/null | filecheck %s --check-prefix=TIME
// TIME: Execution time report
// TIME: Parser
// TIME: Verifier
// TIME: onnx-eliminate-dead
// TIME: Output
// TIME: 100.0%  Total

// RUN: ax-opt %s --mlir-print-debuginfo | filecheck %s --check-prefix=LOC
// LOC: func.func @main(%x: tensor<2xf32> loc("input"))
// LOC-NEXT: onnx.Identity({{.*}} loc("copy"("y"))
// LOC-NEXT: func.return {{.*}} loc("{{.*}}printing.mlir":{{\d+}}:3)
// LOC-NEXT: } loc("{{.*}}printing.mlir":{{\d+}}:1)
// LOC-NEXT: } loc(unknown)

// RUN: ax-opt %s --mlir-print-op-generic | filecheck %s --check-prefix=GENERIC
// GENERIC: "builtin.module"() ({
// GENERIC-NEXT: "func.func"() <{{{.*}}sym_name = "main"
// GENERIC: "onnx.Identity"(%x)

// What is printed can be read again, in both forms.
// RUN: ax-opt %s --mlir-print-debuginfo -o %t.a && ax-opt %t.a --mlir-print-debuginfo --mlir-print-op-generic | ax-opt --mlir-print-debuginfo -o %t.b && diff %t.a %t.b

// Nothing is written where something is wrong.
// RUN: rm -f %t.c && not ax-opt %s -p verify-locations,convert-onnx-to-quant -o %t.c 2>&1 | filecheck %s --check-prefix=FAIL
// RUN: not ls %t.c
// FAIL: error:

// Verifying after every pass changes nothing of what is printed.
// RUN: ax-opt %s -p onnx-eliminate-identity,onnx-eliminate-dead -o %t.d
// RUN: ax-opt %s -p onnx-eliminate-identity,onnx-eliminate-dead --verify-each | diff %t.d -

// RUN: ax-opt %s -o /dev/null && test -c /dev/null
// RUN: not ax-opt %s -o %S 2>&1 | filecheck %s --check-prefix=WRITE
// WRITE: error: {{.*}}: cannot write:

func.func @main(%x: tensor<2xf32> loc("input")) -> tensor<2xf32> {
  %y = onnx.Identity(%x) : (tensor<2xf32>) -> tensor<2xf32> loc("copy"("y"))
  func.return %y : tensor<2xf32>
}
