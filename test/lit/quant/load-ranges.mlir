// RUN: ax-opt -p 'quant-load-ranges{file="%S/inputs/ranges.json"}' %s | filecheck %s
// RUN: not ax-opt -p 'quant-load-ranges{file="%S/inputs/bad-ranges.json"}' %s 2>&1 | filecheck %s --check-prefix=BAD
// RUN: not ax-opt -p 'quant-load-ranges{file="%S/inputs/unknown-ranges.json"}' %s 2>&1 | filecheck %s --check-prefix=UNKNOWN
// RUN: not ax-opt -p 'quant-load-ranges{file="%S/inputs/broken-ranges.json"}' %s 2>&1 | filecheck %s --check-prefix=BROKEN
// RUN: not ax-opt -p 'quant-load-ranges{file="%S/inputs/none.json"}' %s 2>&1 | filecheck %s --check-prefix=NONE

// BAD: 'yy' has no range of two ordered finite numbers
// BAD: 'x' has no range of two ordered finite numbers
// UNKNOWN: the module has no tensor 'yy' (did you mean 'y'?)
// BROKEN: cannot read ranges
// NONE: cannot read ranges

// CHECK: func.func @main(%x: tensor<4xf32> {quant.range = array<f32: -1.000000e+00, 2.500000e+00>}) -> tensor<4xf32>
func.func @main(%x: tensor<4xf32> loc("x")) -> (tensor<4xf32>) {
  // CHECK-NEXT: onnx.Relu(%x) {quant.ranges = [array<f32: 0.000000e+00, 4.000000e+00>]}
  %y = onnx.Relu(%x) : (tensor<4xf32>) -> tensor<4xf32> loc("r"("y"))
  // A tensor that the file has not keeps what it has.
  // CHECK-NEXT: onnx.Abs({{.*}}) {quant.ranges = [array<f32: 1.000000e+00, 2.000000e+00>]}
  %z = onnx.Abs(%y) {quant.ranges = [array<f32: 1.0, 2.0>]} : (tensor<4xf32>) -> tensor<4xf32> loc("a"("z"))
  func.return %z : tensor<4xf32>
}
