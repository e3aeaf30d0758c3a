// RUN: ax-opt -p convert-onnx-to-quant --split-input-file --verify-diagnostics %s

// expected-error@+1 {{operators supported on the NPU: Abs, Add, And, ArgMax, ArgMin, AveragePool}}
func.func @all_at_once(%x: tensor<1x2x4x4xf32>, %w: tensor<2x2x1x1xf32>) -> (tensor<1x2x4x4xf32>) {
  // expected-error@+1 {{the operator is not supported on the NPU}}
  %0 = onnx.Softsign(%x) : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32> loc("sign"("a"))
  // expected-error@+1 {{the weight is computed, but only a constant weight is supported}}
  %1 = onnx.Conv(%0, %w) : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32> loc("conv"("b"))
  // expected-error@+1 {{the operator is not supported on the NPU}}
  %2 = onnx.Softsign(%1) : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32> loc("sign2"("c"))
  func.return %2 : tensor<1x2x4x4xf32>
}

// -----

func.func @not_calibrated(%x: tensor<4xf32> {quant.range = array<f32: 0.0, 1.0>}) -> (tensor<4xf32>) {
  // expected-error@+1 {{tensor 'y' has no observed range}}
  %0 = onnx.Sigmoid(%x) : (tensor<4xf32>) -> tensor<4xf32> loc("s"("y"))
  func.return %0 : tensor<4xf32>
}

// -----

// expected-error@+1 {{tensor 'x' has no observed range}}
func.func @input_not_calibrated(%x: tensor<4xf32> loc("x")) -> (tensor<4xf32>) {
  %0 = onnx.Sigmoid(%x) {quant.ranges = [array<f32: 0.0, 1.0>]} : (tensor<4xf32>) -> tensor<4xf32> loc("s"("y"))
  func.return %0 : tensor<4xf32>
}

// -----

func.func @shapes(%x: tensor<?xf32>) -> (tensor<?xf32>) {
  // expected-error@+1 {{has no fixed shape}}
  %0 = onnx.Sigmoid(%x) : (tensor<?xf32>) -> tensor<?xf32> loc("s"("y"))
  func.return %0 : tensor<?xf32>
}

// -----

func.func @constants(%x: tensor<2xf32>, %i: tensor<1xi64>, %h: tensor<1xf16>) -> (tensor<2xf32>) {
  %zero = onnx.Constant {value = dense<[0.0, 1.0]> : tensor<2xf32>} : tensor<2xf32>
  // expected-error@+1 {{the constant divisor holds a 0}}
  %0 = onnx.Div(%x, %zero) : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  // expected-error@+1 {{starts, ends, axes and steps must be constants}}
  %1 = onnx.Slice(%0, %i, %i) : (tensor<2xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<2xf32>
  // expected-error@+1 {{only f32, booleans, and integers of up to 32 bits}}
  %2 = onnx.Add(%h, %h) : (tensor<1xf16>, tensor<1xf16>) -> tensor<1xf16>
  func.return %1 : tensor<2xf32>
}

// -----

func.func @weight_scales(%x: tensor<1x2xf32> {quant.range = array<f32: -1.0, 1.55>}, %v: tensor<2x2xf32>) -> (tensor<1x2xf32>) {
  %w = onnx.Constant {value = dense<[[1.0, 1.0], [1.0, 1.0]]> : tensor<2x2xf32>} : tensor<2x2xf32>
  // expected-error@+1 {{'quant.weight_scales' is of tensor<3xf32>, but tensor<2xf32> is expected}}
  %0 = onnx.MatMul(%x, %w) {quant.weight_scales = dense<[1.0, 1.0, 1.0]> : tensor<3xf32>} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  // expected-error@+1 {{'quant.weight_scales' holds 1 number(s) that are not positive and finite}}
  %1 = onnx.MatMul(%0, %w) {quant.weight_scales = dense<[0.5, -0.5]> : tensor<2xf32>} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  // expected-error@+1 {{'quant.weight_scales' is 1 : i64, which is not a constant}}
  %2 = onnx.MatMul(%1, %w) {quant.weight_scales = 1 : i64} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  // expected-error@+1 {{'quant.weight_scales' belongs to an operator with constant weights}}
  %3 = onnx.MatMul(%2, %v) {quant.weight_scales = dense<[1.0, 1.0]> : tensor<2xf32>} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  // expected-error@+1 {{'quant.weight_scales' belongs to an operator with constant weights}}
  %4 = onnx.Relu(%3) {quant.weight_scales = dense<[1.0, 1.0]> : tensor<2xf32>} : (tensor<1x2xf32>) -> tensor<1x2xf32>
  func.return %4 : tensor<1x2xf32>
}

// -----

func.func @weight_scales_of_integers(%x: tensor<1x2xf32> {quant.range = array<f32: -1.0, 1.55>}) -> (tensor<1x2xf32>) {
  %w = onnx.Constant {value = dense<[[1, 1], [1, 1]]> : tensor<2x2xi8>} : tensor<2x2xi8>
  %s = onnx.Constant {value = dense<0.5> : tensor<f32>} : tensor<f32>
  %d = onnx.DequantizeLinear(%w, %s) : (tensor<2x2xi8>, tensor<f32>) -> tensor<2x2xf32>
  // expected-error@+1 {{'quant.weight_scales' contradicts the weights, which the model gives}}
  %0 = onnx.MatMul(%x, %d) {quant.weight_scales = dense<[1.0, 1.0]> : tensor<2xf32>} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  func.return %0 : tensor<1x2xf32>
}
