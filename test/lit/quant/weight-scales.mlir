// RUN: ax-opt -p convert-onnx-to-quant --split-input-file %s | filecheck %s

// Scales that an operator holds are those of its weights, whatever the greatest weight is; what is
// beyond them saturates, and the bias is in units of the products with them.
// CHECK-LABEL: func.func @conv
// CHECK: quant.constant dense<{{\[+}}64{{\]+}}, {{\[+}}-127{{\]+}}> : tensor<2x1x1x1xi8> : tensor<2x1x1x1x!quant.uniform<i8:f32:0, {0.02, 0.01}>>
// CHECK-NEXT: quant.constant dense<[5000, -10000]> : tensor<2xi32> : tensor<2x!quant.uniform<i32:f32:0, {0.0002, 0.0001}>>
func.func @conv(%x: tensor<1x1x2x2xf32> {quant.range = array<f32: -1.0, 1.55>}) -> (tensor<1x2x2x2xf32>) {
  %w = onnx.Constant {value = dense<[[[[1.27]]], [[[-2.54]]]]> : tensor<2x1x1x1xf32>} : tensor<2x1x1x1xf32>
  %b = onnx.Constant {value = dense<[1.0, -1.0]> : tensor<2xf32>} : tensor<2xf32>
  %0 = onnx.Conv(%x, %w, %b) {quant.ranges = [array<f32: 0.0, 5.1>], quant.weight_scales = dense<[0.02, 0.01]> : tensor<2xf32>} : (tensor<1x1x2x2xf32>, tensor<2x1x1x1xf32>, tensor<2xf32>) -> tensor<1x2x2x2xf32>
  func.return %0 : tensor<1x2x2x2xf32>
}

// -----

// A ConvTranspose's output channels are the second axis of its weight.
// CHECK-LABEL: func.func @conv_transpose
// CHECK: quant.constant dense<{{\[+}}50{{\]+}}, {{\[+}}100{{\]+}}> : tensor<2x1x1x1xi8> : tensor<2x1x1x1x!quant.uniform<i8:f32:0, {0.02, 0.01}>>
func.func @conv_transpose(%x: tensor<1x1x2x2xf32> {quant.range = array<f32: -1.0, 1.55>}) -> (tensor<1x2x2x2xf32>) {
  %w = onnx.Constant {value = dense<[[[[1.0]], [[1.0]]]]> : tensor<1x2x1x1xf32>} : tensor<1x2x1x1xf32>
  %0 = onnx.ConvTranspose(%x, %w) {quant.ranges = [array<f32: 0.0, 5.1>], quant.weight_scales = dense<[0.02, 0.01]> : tensor<2xf32>} : (tensor<1x1x2x2xf32>, tensor<1x2x1x1xf32>) -> tensor<1x2x2x2xf32>
  func.return %0 : tensor<1x2x2x2xf32>
}

// -----

// Gemm's scales are of alpha * B, and of the columns of the product.
// CHECK-LABEL: func.func @products
// CHECK: quant.constant dense<{{\[+}}100, 50{{\]+}}> : tensor<1x2xi8> : tensor<1x2x!quant.uniform<i8:f32:1, {0.02, 0.04}>>
// CHECK: quant.matmul
// CHECK: quant.constant dense<{{\[+}}5, 10], [5, 10{{\]+}}> : tensor<2x2xi8> : tensor<2x2x!quant.uniform<i8:f32:1, {0.2, 0.1}>>
// CHECK: quant.matmul
func.func @products(%x: tensor<1x1xf32> {quant.range = array<f32: -1.0, 1.55>}) -> (tensor<1x2xf32>) {
  %b = onnx.Constant {value = dense<[[1.0], [1.0]]> : tensor<2x1xf32>} : tensor<2x1xf32>
  %c = onnx.Constant {value = dense<[[1.0, 1.0], [1.0, 1.0]]> : tensor<2x2xf32>} : tensor<2x2xf32>
  %0 = onnx.Gemm(%x, %b) {alpha = 2.0 : f32, transB = 1 : i64, quant.ranges = [array<f32: 0.0, 5.1>], quant.weight_scales = dense<[0.02, 0.04]> : tensor<2xf32>} : (tensor<1x1xf32>, tensor<2x1xf32>) -> tensor<1x2xf32>
  %1 = onnx.MatMul(%0, %c) {quant.ranges = [array<f32: 0.0, 5.1>], quant.weight_scales = dense<[0.2, 0.1]> : tensor<2xf32>} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  func.return %1 : tensor<1x2xf32>
}

// -----

// Shifts are added to the bias, or are one.
// CHECK-LABEL: func.func @shifts
// CHECK: quant.constant dense<[7500, 2500]> : tensor<2xi32> : tensor<2x!quant.uniform<i32:f32:0, {0.0002, 0.0002}>>
// CHECK: quant.matmul
// CHECK: quant.constant dense<[50, -25]> : tensor<2xi32>
func.func @shifts(%x: tensor<1x1xf32> {quant.range = array<f32: -1.0, 1.55>}) -> (tensor<1x2xf32>) {
  %b = onnx.Constant {value = dense<[[1.0, 1.0]]> : tensor<1x2xf32>} : tensor<1x2xf32>
  %c = onnx.Constant {value = dense<[1.0, 1.0]> : tensor<2xf32>} : tensor<2xf32>
  %d = onnx.Constant {value = dense<[[1.0, 1.0], [1.0, 1.0]]> : tensor<2x2xf32>} : tensor<2x2xf32>
  %0 = onnx.Gemm(%x, %b, %c) {quant.ranges = [array<f32: 0.0, 5.1>], quant.weight_scales = dense<0.02> : tensor<2xf32>, quant.bias_shifts = dense<[0.5, -0.5]> : tensor<2xf32>} : (tensor<1x1xf32>, tensor<1x2xf32>, tensor<2xf32>) -> tensor<1x2xf32>
  %1 = onnx.MatMul(%0, %d) {quant.ranges = [array<f32: 0.0, 5.1>], quant.weight_scales = dense<0.5> : tensor<2xf32>, quant.bias_shifts = dense<[0.5, -0.25]> : tensor<2xf32>} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  func.return %1 : tensor<1x2xf32>
}
