// RUN: ax-opt -p 'quant-load-decisions{file="%S/inputs/decisions.json"}' %s | filecheck %s
// RUN: not ax-opt -p 'quant-load-decisions{file="%S/inputs/bad-decisions.json"}' %s 2>&1 | filecheck %s --check-prefix=BAD
// RUN: not ax-opt -p 'quant-load-decisions{file="%S/inputs/unknown-decisions.json"}' %s 2>&1 | filecheck %s --check-prefix=UNKNOWN

// BAD: 'scales' is not one of the objects that decisions are
// BAD: 'y' has no range of two ordered finite numbers
// BAD: 'p' has no list of numbers
// BAD: 'q' has no list of numbers
// UNKNOWN: the module has no node 'pp' (did you mean 'p'?)

// CHECK: func.func @main(%x: tensor<1x2xf32> {quant.range = array<f32: -1.000000e+00, 1.000000e+00>})
func.func @main(%x: tensor<1x2xf32> {quant.range = array<f32: -1.0, 1.0>} loc("x")) -> (tensor<1x2xf32>) {
  %w = onnx.Constant {value = dense<[[1.0, 1.0], [1.0, 1.0]]> : tensor<2x2xf32>} : tensor<2x2xf32>
  // CHECK: onnx.MatMul(%x, {{.*}}) {quant.bias_shifts = dense<[0.000000e+00, 1.250000e-01]> : tensor<2xf32>, quant.ranges = [array<f32: -2.000000e+00, 2.500000e+00>], quant.weight_scales = dense<[5.000000e-01, 2.500000e-01]> : tensor<2xf32>}
  %y = onnx.MatMul(%x, %w) {quant.ranges = [array<f32: -3.0, 3.0>]} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32> loc("p"("y"))
  // What the file says nothing of stays as it is.
  // CHECK-NEXT: onnx.MatMul({{.*}}) {quant.weight_scales = dense<1.000000e+00> : tensor<2xf32>}
  %z = onnx.MatMul(%y, %w) {quant.weight_scales = dense<1.0> : tensor<2xf32>} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32> loc("q"("z"))
  func.return %z : tensor<1x2xf32>
}
