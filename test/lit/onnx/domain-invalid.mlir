// RUN: ax-opt --verify-diagnostics --split-input-file %s

func.func @size(%x: tensor<1x3x16x16xf32>, %t: tensor<1x2x3xf32>) {
  // expected-error@+1 {{onnx.SpatialTransformer has an output_size of [8]}}
  %0 = onnx.SpatialTransformer(%x, %t) {output_size = array<i64: 8>} : (tensor<1x3x16x16xf32>, tensor<1x2x3xf32>) -> tensor<1x3x8x4xf32>
  func.return
}

// -----

func.func @theta(%x: tensor<1x3x16x16xf32>, %t: tensor<1x6xf32>) {
  // expected-error@+1 {{onnx.SpatialTransformer takes a theta of [1, 2, 3], got [1, 6]}}
  %0 = onnx.SpatialTransformer(%x, %t) {output_size = array<i64: 8, 4>} : (tensor<1x3x16x16xf32>, tensor<1x6xf32>) -> tensor<1x3x8x4xf32>
  func.return
}

// -----

func.func @result(%x: tensor<1x3x16x16xf32>, %t: tensor<1x2x3xf32>) {
  // expected-error@+1 {{onnx.SpatialTransformer has a result of [1, 3, 8, 4], not [1, 3, 4, 8]}}
  %0 = onnx.SpatialTransformer(%x, %t) {output_size = array<i64: 8, 4>} : (tensor<1x3x16x16xf32>, tensor<1x2x3xf32>) -> tensor<1x3x4x8xf32>
  func.return
}

// -----

func.func @type(%x: tensor<4xf16>) {
  // expected-error@+1 {{operand 0 (X) cannot be a tensor(float16)}}
  %0 = onnx.InverseSigmoid(%x) : (tensor<4xf16>) -> tensor<4xf16>
  func.return
}

// -----

func.func @ranks(%d: tensor<1x4x2x2xf32>, %f: tensor<1x2x2x3xf32>, %p: tensor<9xi64>, %q: tensor<8xi64>) {
  // expected-error@+1 {{onnx.Bevpool takes three lists of equal length}}
  %0 = onnx.Bevpool(%d, %f, %p, %q, %p) {bev_size = array<i64: 1, 2, 8, 8>} : (tensor<1x4x2x2xf32>, tensor<1x2x2x3xf32>, tensor<9xi64>, tensor<8xi64>, tensor<9xi64>) -> tensor<1x3x2x8x8xf32>
  func.return
}
