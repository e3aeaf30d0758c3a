// RUN: ax-opt -p onnx-fold-pad --split-input-file %s | filecheck %s

// CHECK-LABEL: @main
func.func @main(%x: tensor<1x2x8x8xf32>, %w: tensor<3x2x3x3xf32>) -> (tensor<1x3x9x8xf32>, tensor<1x2x8x7xf32>) {
  %pads = onnx.Constant {value = dense<[0, 0, 1, 0, 0, 0, 1, 1]> : tensor<8xi64>} : tensor<8xi64>
  %p = onnx.Pad(%x, %pads) : (tensor<1x2x8x8xf32>, tensor<8xi64>) -> tensor<1x2x10x9xf32>
  // CHECK: onnx.Conv(%x, %w) {pads = array<i64: 2, 1, 1, 1>}
  %a = onnx.Conv(%p, %w) {pads = array<i64: 1, 1, 0, 0>} : (tensor<1x2x10x9xf32>, tensor<3x2x3x3xf32>) -> tensor<1x3x9x8xf32>
  // CHECK: onnx.AveragePool(%x) {count_include_pad = 1 : i64, kernel_shape = array<i64: 3, 3>, pads = array<i64: 1, 0, 1, 1>}
  %b = onnx.AveragePool(%p) {kernel_shape = array<i64: 3, 3>} : (tensor<1x2x10x9xf32>) -> tensor<1x2x8x7xf32>
  func.return %a, %b : tensor<1x3x9x8xf32>, tensor<1x2x8x7xf32>
}

// -----

// Zeros never win against what a Relu makes, but they do against negative numbers.
// CHECK-LABEL: @main
func.func @main(%x: tensor<1x2x8x8xf32>) -> (tensor<1x2x8x8xf32>, tensor<1x2x8x8xf32>) {
  %pads = onnx.Constant {value = dense<[0, 0, 1, 1, 0, 0, 1, 1]> : tensor<8xi64>} : tensor<8xi64>
  // CHECK: [[R:%\w+]] = onnx.Relu
  %r = onnx.Relu(%x) : (tensor<1x2x8x8xf32>) -> tensor<1x2x8x8xf32>
  %p = onnx.Pad(%r, %pads) : (tensor<1x2x8x8xf32>, tensor<8xi64>) -> tensor<1x2x10x10xf32>
  // CHECK-NEXT: onnx.MaxPool([[R]]) {kernel_shape = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>}
  %a = onnx.MaxPool(%p) {kernel_shape = array<i64: 3, 3>} : (tensor<1x2x10x10xf32>) -> tensor<1x2x8x8xf32>
  // CHECK: onnx.Pad(%x
  %q = onnx.Pad(%x, %pads) : (tensor<1x2x8x8xf32>, tensor<8xi64>) -> tensor<1x2x10x10xf32>
  %b = onnx.MaxPool(%q) {kernel_shape = array<i64: 3, 3>} : (tensor<1x2x10x10xf32>) -> tensor<1x2x8x8xf32>
  func.return %a, %b : tensor<1x2x8x8xf32>, tensor<1x2x8x8xf32>
}

// -----

// Channels, another value, another mode.
// CHECK-LABEL: @main
func.func @main(%x: tensor<1x2x8x8xf32>, %w: tensor<3x4x1x1xf32>, %v: tensor<3x2x1x1xf32>) -> (tensor<1x3x8x8xf32>, tensor<1x3x10x10xf32>, tensor<1x3x10x10xf32>) {
  %channels = onnx.Constant {value = dense<[0, 1, 0, 0, 0, 1, 0, 0]> : tensor<8xi64>} : tensor<8xi64>
  %pads = onnx.Constant {value = dense<[0, 0, 1, 1, 0, 0, 1, 1]> : tensor<8xi64>} : tensor<8xi64>
  %one = onnx.Constant {value = dense<1.0> : tensor<f32>} : tensor<f32>
  // CHECK: onnx.Pad
  %p = onnx.Pad(%x, %channels) : (tensor<1x2x8x8xf32>, tensor<8xi64>) -> tensor<1x4x8x8xf32>
  %a = onnx.Conv(%p, %w) : (tensor<1x4x8x8xf32>, tensor<3x4x1x1xf32>) -> tensor<1x3x8x8xf32>
  // CHECK: onnx.Pad
  %q = onnx.Pad(%x, %pads, %one) : (tensor<1x2x8x8xf32>, tensor<8xi64>, tensor<f32>) -> tensor<1x2x10x10xf32>
  %b = onnx.Conv(%q, %v) : (tensor<1x2x10x10xf32>, tensor<3x2x1x1xf32>) -> tensor<1x3x10x10xf32>
  // CHECK: onnx.Pad
  %r = onnx.Pad(%x, %pads) {mode = "reflect"} : (tensor<1x2x8x8xf32>, tensor<8xi64>) -> tensor<1x2x10x10xf32>
  %c = onnx.Conv(%r, %v) : (tensor<1x2x10x10xf32>, tensor<3x2x1x1xf32>) -> tensor<1x3x10x10xf32>
  func.return %a, %b, %c : tensor<1x3x8x8xf32>, tensor<1x3x10x10xf32>, tensor<1x3x10x10xf32>
}
