// RUN: ax-opt -p onnx-canonicalize-elementwise --split-input-file %s | filecheck %s

// CHECK-LABEL: @main
func.func @main(%x: tensor<4xf32>, %y: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %a = onnx.Constant {value = dense<2.0> : tensor<f32>} : tensor<f32>
  %b = onnx.Constant {value = dense<5.0> : tensor<f32>} : tensor<f32>
  // CHECK: [[C:%\w+]] = onnx.Constant {value = dense<3.000000e+00> : tensor<f32>}
  // CHECK-NEXT: onnx.Add(%x, [[C]])
  %c = onnx.Sub(%x, %a) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %d = onnx.Add(%b, %c) : (tensor<f32>, tensor<4xf32>) -> tensor<4xf32>
  // CHECK: [[C:%\w+]] = onnx.Constant {value = dense<5.000000e-01> : tensor<f32>}
  // CHECK-NEXT: onnx.Mul(%x, [[C]])
  %e = onnx.Div(%x, %a) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  // CHECK-NEXT: [[S:%\w+]] = onnx.Add(%x, %y)
  // CHECK-NEXT: onnx.Add([[S]], %x)
  %f = onnx.Sum(%x, %y, %x) : (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  func.return %d, %e, %f : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// -----

// Zeros, integers, a value that others use, constants along different axes.
// CHECK-LABEL: @main
func.func @main(%x: tensor<2x2xf32>, %n: tensor<2x2xi32>) -> (tensor<2x2xf32>, tensor<2x2xi32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>) {
  %zero = onnx.Constant {value = dense<0.0> : tensor<f32>} : tensor<f32>
  %two = onnx.Constant {value = dense<2> : tensor<i32>} : tensor<i32>
  %row = onnx.Constant {value = dense<[1.0, 2.0]> : tensor<2xf32>} : tensor<2xf32>
  %column = onnx.Constant {value = dense<[[1.0], [2.0]]> : tensor<2x1xf32>} : tensor<2x1xf32>
  // CHECK: onnx.Div(%x, %zero)
  %a = onnx.Div(%x, %zero) : (tensor<2x2xf32>, tensor<f32>) -> tensor<2x2xf32>
  // CHECK-NEXT: onnx.Div(%n, %two)
  %b = onnx.Div(%n, %two) : (tensor<2x2xi32>, tensor<i32>) -> tensor<2x2xi32>
  // CHECK-NEXT: onnx.Mul
  // CHECK-NEXT: onnx.Mul
  // CHECK-NEXT: onnx.Mul
  %c = onnx.Mul(%x, %row) : (tensor<2x2xf32>, tensor<2xf32>) -> tensor<2x2xf32>
  %d = onnx.Mul(%c, %column) : (tensor<2x2xf32>, tensor<2x1xf32>) -> tensor<2x2xf32>
  %e = onnx.Mul(%d, %row) : (tensor<2x2xf32>, tensor<2xf32>) -> tensor<2x2xf32>
  func.return %a, %b, %d, %c, %e : tensor<2x2xf32>, tensor<2x2xi32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>
}
