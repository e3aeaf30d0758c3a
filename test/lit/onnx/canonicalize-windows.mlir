// RUN: ax-opt -p onnx-canonicalize-windows --split-input-file %s | filecheck %s

// CHECK-LABEL: @main
func.func @main(%x: tensor<1x2x8x9xf32>, %w: tensor<3x2x3x3xf32>) -> (tensor<1x3x4x5xf32>, tensor<1x2x8x9xf32>) {
  // CHECK-NEXT: onnx.Conv(%x, %w) {dilations = array<i64: 1, 1>, kernel_shape = array<i64: 3, 3>, pads = array<i64: 0, 1, 1, 1>, strides = array<i64: 2, 2>}
  %a = onnx.Conv(%x, %w) {auto_pad = "SAME_UPPER", strides = array<i64: 2, 2>} : (tensor<1x2x8x9xf32>, tensor<3x2x3x3xf32>) -> tensor<1x3x4x5xf32>
  // CHECK-NEXT: onnx.MaxPool(%x) {dilations = array<i64: 1, 1>, kernel_shape = array<i64: 2, 2>, pads = array<i64: 1, 1, 0, 0>, strides = array<i64: 1, 1>}
  %b = onnx.MaxPool(%x) {auto_pad = "SAME_LOWER", kernel_shape = array<i64: 2, 2>} : (tensor<1x2x8x9xf32>) -> tensor<1x2x8x9xf32>
  func.return %a, %b : tensor<1x3x4x5xf32>, tensor<1x2x8x9xf32>
}

// -----

// CHECK-LABEL: @main
func.func @main(%x: tensor<1x2x8x8xf32>, %w: tensor<2x3x3x3xf32>) -> (tensor<1x3x16x16xf32>, tensor<1x3x18x18xf32>) {
  // CHECK-NEXT: onnx.ConvTranspose(%x, %w) {dilations = array<i64: 1, 1>, kernel_shape = array<i64: 3, 3>, output_padding = array<i64: 0, 0>, pads = array<i64: 1, 1, 0, 0>, strides = array<i64: 2, 2>}
  %a = onnx.ConvTranspose(%x, %w) {output_shape = array<i64: 16, 16>, strides = array<i64: 2, 2>} : (tensor<1x2x8x8xf32>, tensor<2x3x3x3xf32>) -> tensor<1x3x16x16xf32>
  // Longer than the window reaches: elements are added.
  // CHECK-NEXT: onnx.ConvTranspose(%x, %w) {{.*}}output_padding = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>
  %b = onnx.ConvTranspose(%x, %w) {output_shape = array<i64: 18, 18>, strides = array<i64: 2, 2>} : (tensor<1x2x8x8xf32>, tensor<2x3x3x3xf32>) -> tensor<1x3x18x18xf32>
  func.return %a, %b : tensor<1x3x16x16xf32>, tensor<1x3x18x18xf32>
}

// -----

// Without shapes there is nothing to write out.
// CHECK-LABEL: @main
func.func @main(%x: tensor<1x2x?x9xf32>, %w: tensor<3x2x3x3xf32>) -> tensor<1x3x?x9xf32> {
  // CHECK-NEXT: onnx.Conv(%x, %w) {auto_pad = "SAME_UPPER"}
  %a = onnx.Conv(%x, %w) {auto_pad = "SAME_UPPER"} : (tensor<1x2x?x9xf32>, tensor<3x2x3x3xf32>) -> tensor<1x3x?x9xf32>
  func.return %a : tensor<1x3x?x9xf32>
}
