// RUN: ax-opt -p 'quant-load-statistics{file="%S/inputs/statistics.json"}' --mlir-print-debuginfo %s | filecheck %s
// RUN: not ax-opt -p 'quant-load-statistics{file="%S/inputs/bad-statistics.json"}' %s 2>&1 | filecheck %s --check-prefix=BAD
// RUN: not ax-opt -p 'quant-load-statistics{file="%S/inputs/unknown-statistics.json"}' %s 2>&1 | filecheck %s --check-prefix=UNKNOWN
// RUN: not ax-opt -p 'quant-load-statistics{file="%S/inputs/none.json"}' %s 2>&1 | filecheck %s --check-prefix=NONE

// BAD: 'r' has no list of finite magnitudes
// BAD: 's' has no list of finite magnitudes
// UNKNOWN: the module multiplies no tensor 'rr' by constant weights (did you mean 'r'?)
// UNKNOWN: 'r' has 2 channels, but the file holds 3
// NONE: cannot read statistics

func.func @main(%x: tensor<2x2xf32> loc("x")) -> (tensor<2x2xf32>) {
  %w = onnx.Constant {value = dense<[[1.0, 1.0], [1.0, 1.0]]> : tensor<2x2xf32>} : tensor<2x2xf32>
  // CHECK: onnx.Relu(%x) : {{.*}} loc("relu"("r"))
  %r = onnx.Relu(%x) : (tensor<2x2xf32>) -> tensor<2x2xf32> loc("relu"("r"))
  // CHECK-NEXT: onnx.MatMul({{.*}}) {quant.channel_maxima = dense<[8.000000e+00, 1.250000e-01]> : tensor<2xf32>}
  %y = onnx.MatMul(%r, %w) : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32> loc("product"("y"))
  func.return %y : tensor<2x2xf32>
}
