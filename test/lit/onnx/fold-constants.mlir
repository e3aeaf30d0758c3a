// RUN: ax-opt -p onnx-fold-constants --split-input-file %s | filecheck %s
// RUN: ax-opt -p 'onnx-fold-constants{max-elements=3}' --split-input-file %s | filecheck %s --check-prefix=FEW

// What follows from constants and from shapes is folded.
// CHECK-LABEL: @main
// FEW-LABEL: @main
func.func @main(%x: tensor<2x3xf32>) -> (tensor<2xi64>, tensor<4xf32>, tensor<2x3xf32>) {
  // CHECK: [[S:%\w+]] = onnx.Constant {value = dense<[2, 3]> : tensor<2xi64>}
  %s = onnx.Shape(%x) : (tensor<2x3xf32>) -> tensor<2xi64>
  // FEW: onnx.Constant {value = dense<1.000000e+00> : tensor<1xf32>}
  // FEW: [[N:%\w+]] = onnx.Constant {value = dense<4> : tensor<1xi64>}
  %one = onnx.Constant {value = dense<1.0> : tensor<1xf32>} : tensor<1xf32>
  %four = onnx.Constant {value = dense<4> : tensor<1xi64>} : tensor<1xi64>
  // CHECK: [[E:%\w+]] = onnx.Constant {value = dense<1.000000e+00> : tensor<4xf32>}
  // FEW: onnx.Expand({{.*}}, [[N]])
  %e = onnx.Expand(%one, %four) : (tensor<1xf32>, tensor<1xi64>) -> tensor<4xf32>
  // CHECK: [[R:%\w+]] = onnx.Relu(%x)
  %r = onnx.Relu(%x) : (tensor<2x3xf32>) -> tensor<2x3xf32>
  // CHECK: func.return [[S]], [[E]], [[R]]
  func.return %s, %e, %r : tensor<2xi64>, tensor<4xf32>, tensor<2x3xf32>
}

// -----

// Quantization and chance stay.
// CHECK-LABEL: @main
// FEW-LABEL: @main
func.func @main() -> (tensor<2xf32>, tensor<2xf32>) {
  %q = onnx.Constant {value = dense<[1, 2]> : tensor<2xi8>} : tensor<2xi8>
  %s = onnx.Constant {value = dense<0.5> : tensor<f32>} : tensor<f32>
  // CHECK: onnx.DequantizeLinear
  %d = onnx.DequantizeLinear(%q, %s) : (tensor<2xi8>, tensor<f32>) -> tensor<2xf32>
  // CHECK: onnx.RandomNormal
  %r = onnx.RandomNormal {shape = array<i64: 2>} : tensor<2xf32>
  func.return %d, %r : tensor<2xf32>, tensor<2xf32>
}

// -----

// The weights of a contraction are folded however many they are.
// FEW-LABEL: @main
func.func @main(%x: tensor<1x2xf32>) -> tensor<1x2xf32> {
  // FEW-NOT: onnx.Expand
  // FEW: onnx.Gemm(%x, {{.*}})
  %half = onnx.Constant {value = dense<0.5> : tensor<1xf32>} : tensor<1xf32>
  %two = onnx.Constant {value = dense<[2, 2]> : tensor<2xi64>} : tensor<2xi64>
  %w = onnx.Expand(%half, %two) : (tensor<1xf32>, tensor<2xi64>) -> tensor<2x2xf32>
  %y = onnx.Gemm(%x, %w) : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  func.return %y : tensor<1x2xf32>
}
