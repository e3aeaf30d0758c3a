// RUN: ax-opt -p onnx-fold-factors --split-input-file %s | filecheck %s

// Through the scores and the bias to the weights of the projection.
// CHECK-LABEL: @main
func.func @main(%x: tensor<1x2x2xf32>, %k: tensor<1x2x2xf32>) -> tensor<1x2x2xf32> {
  %w = onnx.Constant {value = dense<[[2.0, 4.0], [6.0, 8.0]]> : tensor<2x2xf32>} : tensor<2x2xf32>
  %b = onnx.Constant {value = dense<[10.0, 20.0]> : tensor<2xf32>} : tensor<2xf32>
  %half = onnx.Constant {value = dense<0.5> : tensor<f32>} : tensor<f32>
  // CHECK: [[W:%\w+]] = onnx.Constant {value = dense<{{\[\[}}1.000000e+00, 2.000000e+00], [3.000000e+00, 4.000000e+00]]> : tensor<2x2xf32>}
  // CHECK: [[P:%\w+]] = onnx.MatMul(%x, [[W]])
  // CHECK: [[B:%\w+]] = onnx.Constant {value = dense<[5.000000e+00, 1.000000e+01]> : tensor<2xf32>}
  // CHECK: [[Q:%\w+]] = onnx.Add([[P]], [[B]])
  // CHECK-NEXT: [[S:%\w+]] = onnx.MatMul([[Q]], %k)
  // CHECK-NEXT: func.return [[S]]
  %p = onnx.MatMul(%x, %w) : (tensor<1x2x2xf32>, tensor<2x2xf32>) -> tensor<1x2x2xf32>
  %q = onnx.Add(%p, %b) : (tensor<1x2x2xf32>, tensor<2xf32>) -> tensor<1x2x2xf32>
  %s = onnx.MatMul(%q, %k) : (tensor<1x2x2xf32>, tensor<1x2x2xf32>) -> tensor<1x2x2xf32>
  %y = onnx.Mul(%s, %half) : (tensor<1x2x2xf32>, tensor<f32>) -> tensor<1x2x2xf32>
  func.return %y : tensor<1x2x2xf32>
}

// -----

// Both operands are multiplied: one product is left.
// CHECK-LABEL: @main
func.func @main(%x: tensor<2x2xf32>, %k: tensor<2x2xf32>) -> tensor<2x2xf32> {
  %a = onnx.Constant {value = dense<2.0> : tensor<f32>} : tensor<f32>
  %b = onnx.Constant {value = dense<3.0> : tensor<f32>} : tensor<f32>
  // CHECK: [[C:%\w+]] = onnx.Constant {value = dense<6.000000e+00> : tensor<f32>}
  // CHECK-NEXT: [[P:%\w+]] = onnx.Mul(%x, [[C]])
  // CHECK-NEXT: [[T:%\w+]] = onnx.Transpose(%k)
  // CHECK-NEXT: onnx.MatMul([[P]], [[T]])
  %p = onnx.Mul(%x, %a) : (tensor<2x2xf32>, tensor<f32>) -> tensor<2x2xf32>
  %q = onnx.Mul(%k, %b) : (tensor<2x2xf32>, tensor<f32>) -> tensor<2x2xf32>
  %t = onnx.Transpose(%q) {perm = array<i64: 1, 0>} : (tensor<2x2xf32>) -> tensor<2x2xf32>
  %y = onnx.MatMul(%p, %t) : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  func.return %y : tensor<2x2xf32>
}

// -----

// The product before the factor has another user; a factor by a tensor of numbers; an activation.
// CHECK-LABEL: @main
func.func @main(%x: tensor<2x2xf32>) -> (tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>) {
  %w = onnx.Constant {value = dense<[[2.0, 4.0], [6.0, 8.0]]> : tensor<2x2xf32>} : tensor<2x2xf32>
  %half = onnx.Constant {value = dense<0.5> : tensor<f32>} : tensor<f32>
  // CHECK: [[P:%\w+]] = onnx.MatMul
  // CHECK-NEXT: [[A:%\w+]] = onnx.Mul([[P]]
  %p = onnx.MatMul(%x, %w) : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %a = onnx.Mul(%p, %half) : (tensor<2x2xf32>, tensor<f32>) -> tensor<2x2xf32>
  // CHECK: [[Q:%\w+]] = onnx.MatMul
  // CHECK-NEXT: onnx.Mul([[Q]]
  %q = onnx.MatMul(%a, %w) : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %b = onnx.Mul(%q, %w) : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  // CHECK: [[R:%\w+]] = onnx.Tanh
  // CHECK-NEXT: onnx.Mul([[R]]
  %r = onnx.MatMul(%b, %w) : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %t = onnx.Tanh(%r) : (tensor<2x2xf32>) -> tensor<2x2xf32>
  %c = onnx.Mul(%t, %half) : (tensor<2x2xf32>, tensor<f32>) -> tensor<2x2xf32>
  func.return %a, %b, %c, %p : tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>
}
