// RUN: ax-opt -p onnx-canonicalize-spatial --split-input-file %s | filecheck %s

// CHECK-LABEL: @main
func.func @main(%x: tensor<1x1x8xf32>) -> tensor<1x1x3xf32> {
  %w = onnx.Constant {value = dense<1.0> : tensor<1x1x3xf32>} : tensor<1x1x3xf32>
  // CHECK: [[X:%\w+]] = onnx.Reshape(%x, {{.*}}) : (tensor<1x1x8xf32>, tensor<4xi64>) -> tensor<1x1x1x8xf32>
  // CHECK: [[W:%\w+]] = onnx.Constant {value = dense<1.000000e+00> : tensor<1x1x1x3xf32>}
  // CHECK-NEXT: [[Y:%\w+]] = onnx.Conv([[X]], [[W]]) {kernel_shape = array<i64: 1, 3>, pads = array<i64: 0, 1, 0, 0>, strides = array<i64: 1, 3>} : {{.*}} -> tensor<1x1x1x3xf32>
  // CHECK: onnx.Reshape([[Y]], {{.*}}) : (tensor<1x1x1x3xf32>, tensor<3xi64>) -> tensor<1x1x3xf32>
  %y = onnx.Conv(%x, %w) {kernel_shape = array<i64: 3>, pads = array<i64: 1, 0>, strides = array<i64: 3>} : (tensor<1x1x8xf32>, tensor<1x1x3xf32>) -> tensor<1x1x3xf32>
  func.return %y : tensor<1x1x3xf32>
}

// -----

// CHECK-LABEL: @main
func.func @main(%x: tensor<1x2x8xf32>) -> tensor<1x2x1xf32> {
  // CHECK: onnx.GlobalAveragePool({{.*}}) : (tensor<1x2x1x8xf32>) -> tensor<1x2x1x1xf32>
  %y = onnx.GlobalAveragePool(%x) : (tensor<1x2x8xf32>) -> tensor<1x2x1xf32>
  func.return %y : tensor<1x2x1xf32>
}

// -----

// Two axes, and unknown shapes, stay.
// CHECK-LABEL: @main
func.func @main(%x: tensor<1x2x8x8xf32>, %z: tensor<1x2x?xf32>) -> (tensor<1x2x4x4xf32>, tensor<1x2x?xf32>) {
  // CHECK-NEXT: onnx.MaxPool(%x)
  %a = onnx.MaxPool(%x) {kernel_shape = array<i64: 2, 2>, strides = array<i64: 2, 2>} : (tensor<1x2x8x8xf32>) -> tensor<1x2x4x4xf32>
  // CHECK-NEXT: onnx.MaxPool(%z)
  %b = onnx.MaxPool(%z) {kernel_shape = array<i64: 2>} : (tensor<1x2x?xf32>) -> tensor<1x2x?xf32>
  func.return %a, %b : tensor<1x2x4x4xf32>, tensor<1x2x?xf32>
}

// -----

// Weights that are stored as integers stay so, their scales along the same axis.
// CHECK-LABEL: @main
func.func @main(%x: tensor<1x1x8xf32>) -> tensor<1x2x6xf32> {
  // CHECK: [[Q:%\w+]] = onnx.Constant {value = dense<1> : tensor<2x1x1x3xi8>}
  // CHECK: [[W:%\w+]] = onnx.DequantizeLinear([[Q]], {{.*}}) {axis = 0 : i64} : (tensor<2x1x1x3xi8>, tensor<2xf32>) -> tensor<2x1x1x3xf32>
  // CHECK: onnx.Conv({{.*}}, [[W]])
  %q = onnx.Constant {value = dense<1> : tensor<2x1x3xi8>} : tensor<2x1x3xi8>
  %s = onnx.Constant {value = dense<0.5> : tensor<2xf32>} : tensor<2xf32>
  %w = onnx.DequantizeLinear(%q, %s) {axis = 0 : i64} : (tensor<2x1x3xi8>, tensor<2xf32>) -> tensor<2x1x3xf32>
  %y = onnx.Conv(%x, %w) {kernel_shape = array<i64: 3>} : (tensor<1x1x8xf32>, tensor<2x1x3xf32>) -> tensor<1x2x6xf32>
  func.return %y : tensor<1x2x6xf32>
}
