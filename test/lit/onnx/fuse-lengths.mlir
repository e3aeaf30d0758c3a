// RUN: ax-opt -p onnx-fuse-lengths --split-input-file %s | filecheck %s

// CHECK-LABEL: @main
func.func @main(%x: tensor<2x8xf32>) -> tensor<2x8xf32> {
  %axes = onnx.Constant {value = dense<[-1]> : tensor<1xi64>} : tensor<1xi64>
  %eps = onnx.Constant {value = dense<1.0e-12> : tensor<f32>} : tensor<f32>
  %shape = onnx.Constant {value = dense<[2, 8]> : tensor<2xi64>} : tensor<2xi64>
  // CHECK: [[Y:%\w+]] = onnx.LpNormalization(%x) {axis = 1 : i64, p = 2 : i64}
  // CHECK-NEXT: func.return [[Y]]
  %0 = onnx.ReduceL2(%x, %axes) {keepdims = 1 : i64} : (tensor<2x8xf32>, tensor<1xi64>) -> tensor<2x1xf32>
  %1 = onnx.Clip(%0, %eps) : (tensor<2x1xf32>, tensor<f32>) -> tensor<2x1xf32>
  %2 = onnx.Expand(%1, %shape) : (tensor<2x1xf32>, tensor<2xi64>) -> tensor<2x8xf32>
  %3 = onnx.Div(%x, %2) : (tensor<2x8xf32>, tensor<2x8xf32>) -> tensor<2x8xf32>
  func.return %3 : tensor<2x8xf32>
}

// -----

// Along the channels, without a bound.
// CHECK-LABEL: @main
func.func @main(%x: tensor<2x8x3xf32>) -> tensor<2x8x3xf32> {
  %axes = onnx.Constant {value = dense<[1]> : tensor<1xi64>} : tensor<1xi64>
  // CHECK: [[T:%\w+]] = onnx.Transpose(%x) {perm = array<i64: 0, 2, 1>}
  // CHECK: [[N:%\w+]] = onnx.LpNormalization([[T]]) {axis = 2 : i64, p = 1 : i64}
  // CHECK: onnx.Transpose([[N]]) {perm = array<i64: 0, 2, 1>}
  %0 = onnx.ReduceL1(%x, %axes) {keepdims = 1 : i64} : (tensor<2x8x3xf32>, tensor<1xi64>) -> tensor<2x1x3xf32>
  %1 = onnx.Div(%x, %0) : (tensor<2x8x3xf32>, tensor<2x1x3xf32>) -> tensor<2x8x3xf32>
  func.return %1 : tensor<2x8x3xf32>
}

// -----

// A bound that vectors may well be below, and the length of another tensor.
// CHECK-LABEL: @main
func.func @main(%x: tensor<2x8xf32>, %z: tensor<2x8xf32>) -> (tensor<2x8xf32>, tensor<2x8xf32>) {
  %axes = onnx.Constant {value = dense<[-1]> : tensor<1xi64>} : tensor<1xi64>
  %eps = onnx.Constant {value = dense<0.1> : tensor<f32>} : tensor<f32>
  // CHECK: onnx.ReduceL2(%x
  // CHECK: onnx.Div(%x
  %0 = onnx.ReduceL2(%x, %axes) {keepdims = 1 : i64} : (tensor<2x8xf32>, tensor<1xi64>) -> tensor<2x1xf32>
  %1 = onnx.Clip(%0, %eps) : (tensor<2x1xf32>, tensor<f32>) -> tensor<2x1xf32>
  %2 = onnx.Div(%x, %1) : (tensor<2x8xf32>, tensor<2x1xf32>) -> tensor<2x8xf32>
  // CHECK: onnx.ReduceL2(%z
  // CHECK: onnx.Div(%x
  %3 = onnx.ReduceL2(%z, %axes) {keepdims = 1 : i64} : (tensor<2x8xf32>, tensor<1xi64>) -> tensor<2x1xf32>
  %4 = onnx.Div(%x, %3) : (tensor<2x8xf32>, tensor<2x1xf32>) -> tensor<2x8xf32>
  func.return %2, %4 : tensor<2x8xf32>, tensor<2x8xf32>
}
