// How passes are asked for: -p, --pass-pipeline, options, named pipelines; and what is refused.

// RUN: ax-opt %s -p onnx-fold-constants | filecheck %s --check-prefix=FOLD
// RUN: ax-opt %s -p 'onnx-fold-constants{max-elements=1}' | filecheck %s --check-prefix=KEEP
// RUN: ax-opt %s --pass-pipeline='builtin.module(onnx-fold-constants, onnx-eliminate-dead)' | filecheck %s --check-prefix=BOTH
// RUN: ax-opt %s --pass-pipeline='module( onnx-fold-constants{ max-elements=0 } )' | filecheck %s --check-prefix=KEEP
// RUN: ax-opt %s -p optimize | filecheck %s --check-prefix=BOTH
// RUN: ax-opt %s | filecheck %s --check-prefix=KEEP

// FOLD-LABEL: func.func @main
// FOLD: onnx.Constant {value = dense<1.000000e+00> : tensor<4xf32>}
// FOLD-NOT: onnx.Expand

// KEEP-LABEL: func.func @main
// KEEP: onnx.Expand

// BOTH-LABEL: func.func @main
// BOTH-NEXT: onnx.Constant {value = dense<1.000000e+00> : tensor<4xf32>}
// BOTH-NEXT: onnx.Add
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %one = onnx.Constant {value = dense<1.0> : tensor<1xf32>} : tensor<1xf32>
  %shape = onnx.Constant {value = dense<4> : tensor<1xi64>} : tensor<1xi64>
  %ones = onnx.Expand(%one, %shape) : (tensor<1xf32>, tensor<1xi64>) -> tensor<4xf32>
  %y = onnx.Add(%x, %ones) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  func.return %y : tensor<4xf32>
}

// RUN: not ax-opt %s -p 'onnx-fold-constant,quantise,xyz' 2>&1 | filecheck %s --check-prefix=UNKNOWN
// UNKNOWN: ax-opt: error: unknown pass 'onnx-fold-constant' (did you mean 'onnx-fold-constants'
// UNKNOWN-NEXT: ax-opt: error: unknown pass 'quantise' (did you mean 'quantize'
// UNKNOWN-NEXT: ax-opt: error: unknown pass 'xyz' (--list-passes names them all)

// RUN: not ax-opt %s -p 'onnx-fold-constants{max-element=1},sched-allocate{a=1},schedule{npumode=NPU1}' 2>&1 | filecheck %s --check-prefix=OPTION
// OPTION: error: pass 'onnx-fold-constants' has no option 'max-element' (did you mean 'max-elements'? its options: max-elements)
// OPTION-NEXT: error: pass 'sched-allocate' has no option 'a' (it has no options)
// OPTION-NEXT: error: pipeline 'schedule' has no option 'npumode' (did you mean 'npu-mode'? its options: target, npu-mode,

// RUN: not ax-opt %s -p 'onnx-fold-constants{max-elements=many},quantize{activation=U9},quant-load-ranges' 2>&1 | filecheck %s --check-prefix=VALUE
// VALUE: error: option 'max-elements' of pass 'onnx-fold-constants' cannot be 'many' (expected an integer)
// VALUE-NEXT: error: option 'activation' of pass 'convert-onnx-to-quant' cannot be 'U9' (expected one of U8, S8, U16, S16)
// VALUE-NEXT: error: pass 'quant-load-ranges' needs the option 'file' (expected text)

// RUN: not ax-opt %s -p 'onnx-fold-constants{max-elements=1' 2>&1 | filecheck %s --check-prefix=SYNTAX
// SYNTAX: error: cannot read the pipeline at column 35: expected the name of an option or '}', got the end

// RUN: not ax-opt %s --pass-pipeline='builtin.module(func.func(onnx-fold-pad))' 2>&1 | filecheck %s --check-prefix=NESTED
// NESTED: error: cannot read the pipeline: passes cannot be nested in 'func.func(...)'

// RUN: not ax-opt %s -p onnx-fold-pad --pass-pipeline=onnx-fold-pad 2>&1 | filecheck %s --check-prefix=TWICE
// TWICE: ax-opt: error: argument --pass-pipeline: not allowed with argument -p/--passes

// RUN: not ax-opt %s --verifyeach 2>&1 | filecheck %s --check-prefix=USAGE
// USAGE: ax-opt: error: unknown option '--verifyeach' (did you mean '--verify-each'
