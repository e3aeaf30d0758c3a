// RUN: ax-opt -p onnx-eliminate-identity --split-input-file %s | filecheck %s

// CHECK-LABEL: @main
func.func @main(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  // CHECK-NEXT: func.return %x : tensor<2x3xf32>
  %none = onnx.NoValue : none
  %shape = onnx.Constant {value = dense<[2, 3]> : tensor<2xi64>} : tensor<2xi64>
  %pads = onnx.Constant {value = dense<0> : tensor<4xi64>} : tensor<4xi64>
  %one = onnx.Constant {value = dense<1.0> : tensor<f32>} : tensor<f32>
  %a = onnx.Identity(%x) : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %b = onnx.Dropout(%a) : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %c = onnx.Cast(%b) {to = f32} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %d = onnx.Reshape(%c, %shape) : (tensor<2x3xf32>, tensor<2xi64>) -> tensor<2x3xf32>
  %e = onnx.Transpose(%d) {perm = array<i64: 0, 1>} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %f = onnx.Pad(%e, %pads) : (tensor<2x3xf32>, tensor<4xi64>) -> tensor<2x3xf32>
  %g = onnx.Mul(%one, %f) : (tensor<f32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  %h = onnx.Concat(%g) {axis = 0 : i64} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  func.return %h : tensor<2x3xf32>
}

// -----

// CHECK-LABEL: @main
func.func @main(%x: tensor<3x3xf32>, %t: tensor<i1>) -> (tensor<3x3xf64>, tensor<3x3xf32>, tensor<3x3xf32>) {
  %ratio = onnx.Constant {value = dense<0.5> : tensor<f32>} : tensor<f32>
  %one = onnx.Constant {value = dense<1.0> : tensor<f32>} : tensor<f32>
  // CHECK: onnx.Cast
  %a = onnx.Cast(%x) {to = f64} : (tensor<3x3xf32>) -> tensor<3x3xf64>
  // CHECK: onnx.Transpose
  %b = onnx.Transpose(%x) : (tensor<3x3xf32>) -> tensor<3x3xf32>
  // CHECK: onnx.Dropout
  %c = onnx.Dropout(%b, %ratio, %t) : (tensor<3x3xf32>, tensor<f32>, tensor<i1>) -> tensor<3x3xf32>
  // CHECK: onnx.Div
  %d = onnx.Div(%one, %x) : (tensor<f32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  func.return %a, %c, %d : tensor<3x3xf64>, tensor<3x3xf32>, tensor<3x3xf32>
}
