// RUN: ax-opt -p onnx-eliminate-transposes --split-input-file %s | filecheck %s

// A pair around elementwise operators goes; a constant is brought to the other order.
// CHECK-LABEL: @main
func.func @main(%x: tensor<1x2x3x4xf32>) -> tensor<1x2x3x4xf32> {
  %k = onnx.Constant {value = dense<[1.0, 2.0]> : tensor<2xf32>} : tensor<2xf32>
  // CHECK: [[K:%\w+]] = onnx.Constant {value = dense<{{\[\[\[\[}}1.000000e+00{{\]\], \[\[}}2.000000e+00{{\]\]\]\]}}> : tensor<1x2x1x1xf32>}
  // CHECK-NEXT: [[M:%\w+]] = onnx.Mul(%x, [[K]]) : (tensor<1x2x3x4xf32>, tensor<1x2x1x1xf32>) -> tensor<1x2x3x4xf32>
  // CHECK-NEXT: [[R:%\w+]] = onnx.Relu([[M]])
  // CHECK-NEXT: func.return [[R]]
  %a = onnx.Transpose(%x) {perm = array<i64: 0, 2, 3, 1>} : (tensor<1x2x3x4xf32>) -> tensor<1x3x4x2xf32>
  %b = onnx.Mul(%a, %k) : (tensor<1x3x4x2xf32>, tensor<2xf32>) -> tensor<1x3x4x2xf32>
  %c = onnx.Relu(%b) : (tensor<1x3x4x2xf32>) -> tensor<1x3x4x2xf32>
  %d = onnx.Transpose(%c) {perm = array<i64: 0, 3, 1, 2>} : (tensor<1x3x4x2xf32>) -> tensor<1x2x3x4xf32>
  func.return %d : tensor<1x2x3x4xf32>
}

// -----

// Two become one, and an axis follows.
// CHECK-LABEL: @main
func.func @main(%x: tensor<2x3x4xf32>) -> tensor<4x2x3xf32> {
  // CHECK-NEXT: [[S:%\w+]] = onnx.Softmax(%x) {axis = 1 : i64}
  // CHECK-NEXT: onnx.Transpose([[S]]) {perm = array<i64: 2, 0, 1>}
  %a = onnx.Transpose(%x) {perm = array<i64: 1, 0, 2>} : (tensor<2x3x4xf32>) -> tensor<3x2x4xf32>
  %b = onnx.Softmax(%a) {axis = 0 : i64} : (tensor<3x2x4xf32>) -> tensor<3x2x4xf32>
  %c = onnx.Transpose(%b) {perm = array<i64: 2, 1, 0>} : (tensor<3x2x4xf32>) -> tensor<4x2x3xf32>
  func.return %c : tensor<4x2x3xf32>
}

// -----

// It stays where somebody needs it, or where the operands are ordered differently.
// CHECK-LABEL: @main
func.func @main(%x: tensor<3x3xf32>, %z: tensor<3x3xf32>) -> (tensor<3x3xf32>, tensor<3x3xf32>, tensor<3x3xf32>) {
  // CHECK-NEXT: [[A:%\w+]] = onnx.Transpose(%x)
  %a = onnx.Transpose(%x) : (tensor<3x3xf32>) -> tensor<3x3xf32>
  // CHECK-NEXT: onnx.MatMul([[A]], %z)
  %b = onnx.MatMul(%a, %z) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  // CHECK-NEXT: onnx.Relu([[A]])
  %c = onnx.Relu(%a) : (tensor<3x3xf32>) -> tensor<3x3xf32>
  // CHECK-NEXT: [[D:%\w+]] = onnx.Transpose(%z)
  %d = onnx.Transpose(%z) : (tensor<3x3xf32>) -> tensor<3x3xf32>
  // CHECK-NEXT: onnx.Add([[D]], %z)
  %e = onnx.Add(%d, %z) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  func.return %b, %c, %e : tensor<3x3xf32>, tensor<3x3xf32>, tensor<3x3xf32>
}

// -----

// Reductions, slices and pads along constant axes.
// CHECK-LABEL: @main
func.func @main(%x: tensor<2x3x4xf32>) -> (tensor<4x2xf32>, tensor<4x1x3xf32>) {
  %two = onnx.Constant {value = dense<[2]> : tensor<1xi64>} : tensor<1xi64>
  %one = onnx.Constant {value = dense<[1]> : tensor<1xi64>} : tensor<1xi64>
  %zero = onnx.Constant {value = dense<[0]> : tensor<1xi64>} : tensor<1xi64>
  %a = onnx.Transpose(%x) {perm = array<i64: 2, 0, 1>} : (tensor<2x3x4xf32>) -> tensor<4x2x3xf32>
  // CHECK: [[R:%\w+]] = onnx.ReduceMax(%x, {{.*}}) {keepdims = 0 : i64} : (tensor<2x3x4xf32>, tensor<1xi64>) -> tensor<2x4xf32>
  // CHECK-NEXT: [[T:%\w+]] = onnx.Transpose([[R]]) {perm = array<i64: 1, 0>}
  %r = onnx.ReduceMax(%a, %two) {keepdims = 0 : i64} : (tensor<4x2x3xf32>, tensor<1xi64>) -> tensor<4x2xf32>
  // CHECK: [[S:%\w+]] = onnx.Slice(%x, {{.*}}) : {{.*}} -> tensor<1x3x4xf32>
  // CHECK-NEXT: [[U:%\w+]] = onnx.Transpose([[S]]) {perm = array<i64: 2, 0, 1>}
  %s = onnx.Slice(%a, %zero, %one, %one) : (tensor<4x2x3xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<4x1x3xf32>
  // CHECK: func.return [[T]], [[U]]
  func.return %r, %s : tensor<4x2xf32>, tensor<4x1x3xf32>
}
