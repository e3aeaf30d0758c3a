// RUN: ax-opt -p 'quant-load-noise{file="%S/inputs/noise.json"}' %s | filecheck %s
// RUN: not ax-opt -p 'quant-load-noise{file="%S/inputs/bad-noise.json"}' %s 2>&1 | filecheck %s --check-prefix=BAD
// RUN: not ax-opt -p 'quant-load-noise{file="%S/inputs/unknown-noise.json"}' %s 2>&1 | filecheck %s --check-prefix=UNKNOWN
// RUN: not ax-opt -p 'quant-load-noise{file="%S/inputs/none.json"}' %s 2>&1 | filecheck %s --check-prefix=NONE

// BAD: 's' has no share of noise
// BAD: 'n' has no share of noise
// UNKNOWN: the module computes no tensor 'ss' (did you mean 's'?)
// NONE: cannot read noise

// CHECK: func.func @main{{.*}} attributes {quant.noise = 1.000000e-03 : f32}
func.func @main(%x: tensor<2x2xf32> loc("x")) -> (tensor<2x2xf32>) {
  // CHECK-NEXT: onnx.Add(%x, %x) {quant.noise = 5.000000e-01 : f32}
  %s = onnx.Add(%x, %x) : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32> loc("sum"("s"))
  // CHECK-NEXT: onnx.Softmax({{%\w+}}) :
  %n = onnx.Softmax(%s) : (tensor<2x2xf32>) -> tensor<2x2xf32> loc("soft"("n"))
  func.return %n : tensor<2x2xf32>
}
