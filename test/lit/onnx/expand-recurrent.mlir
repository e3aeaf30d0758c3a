// RUN: ax-opt -p onnx-expand-recurrent --split-input-file %s | filecheck %s
// RUN: ax-opt -p 'onnx-expand-recurrent{max-steps=1}' --split-input-file %s | filecheck %s --check-prefix=SHORT

// The last state alone is used, so no outputs are put together.
// CHECK-LABEL: @gru
// SHORT-LABEL: @gru
// SHORT: onnx.GRU
func.func @gru(%x: tensor<2x1x1xf32>) -> tensor<1x1x1xf32> {
  %w = onnx.Constant {value = dense<[[[0.1], [0.2], [0.3]]]> : tensor<1x3x1xf32>} : tensor<1x3x1xf32>
  // CHECK: [[ALL:%\w+]] = onnx.Gemm({{.*}}) : (tensor<2x1xf32>, tensor<1x3xf32>) -> tensor<2x3xf32>
  // CHECK-NEXT: [[A:%\w+]], [[B:%\w+]] = onnx.Split([[ALL]]) {axis = 0 : i64, num_outputs = 2 : i64}
  // CHECK-NEXT: [[Z:%\w+]], [[R:%\w+]], [[N:%\w+]] = onnx.Split([[A]]) {axis = 1 : i64, num_outputs = 3 : i64}
  // CHECK-NEXT: [[T:%\w+]] = onnx.Tanh([[N]])
  // CHECK-NEXT: [[S:%\w+]] = onnx.Sigmoid([[Z]])
  // CHECK-NEXT: [[P:%\w+]] = onnx.Mul([[S]], [[T]])
  // CHECK-NEXT: [[H:%\w+]] = onnx.Sub([[T]], [[P]])
  // CHECK: onnx.Gemm([[H]],
  // CHECK-NOT: onnx.Concat
  // CHECK: %h = onnx.Unsqueeze
  %y, %h = onnx.GRU(%x, %w, %w) {hidden_size = 1 : i64} : (tensor<2x1x1xf32>, tensor<1x3x1xf32>, tensor<1x3x1xf32>) -> (tensor<2x1x1x1xf32>, tensor<1x1x1xf32>)
  func.return %h : tensor<1x1x1xf32>
}

// -----

// All that a first step needs of a state that is 0 is left out.
// CHECK-LABEL: @lstm
// SHORT-LABEL: @lstm
// SHORT-NOT: onnx.LSTM
func.func @lstm(%x: tensor<1x1x1xf32>) -> tensor<1x1x1x1xf32> {
  %w = onnx.Constant {value = dense<[[[0.1], [0.2], [0.3], [0.4]]]> : tensor<1x4x1xf32>} : tensor<1x4x1xf32>
  // CHECK: [[I:%\w+]], [[O:%\w+]], [[F:%\w+]], [[G:%\w+]] = onnx.Split({{.*}}) {axis = 1 : i64, num_outputs = 4 : i64}
  // CHECK: [[C:%\w+]] = onnx.Mul(
  // CHECK-NEXT: [[T:%\w+]] = onnx.Tanh([[C]])
  // CHECK-NEXT: [[H:%\w+]] = onnx.Mul({{.*}}, [[T]])
  %y = onnx.LSTM(%x, %w, %w) {hidden_size = 1 : i64} : (tensor<1x1x1xf32>, tensor<1x4x1xf32>, tensor<1x4x1xf32>) -> tensor<1x1x1x1xf32>
  func.return %y : tensor<1x1x1x1xf32>
}

// -----

// Weights that are computed, another activation, clipping: these stay.
// CHECK-LABEL: @stays
func.func @stays(%x: tensor<2x1x1xf32>, %v: tensor<1x3x1xf32>) -> (tensor<1x1x1xf32>, tensor<1x1x1xf32>, tensor<1x1x1xf32>) {
  %w = onnx.Constant {value = dense<[[[0.1], [0.2], [0.3]]]> : tensor<1x3x1xf32>} : tensor<1x3x1xf32>
  // CHECK: onnx.GRU(%x, %v, %w)
  %y, %h = onnx.GRU(%x, %v, %w) {hidden_size = 1 : i64} : (tensor<2x1x1xf32>, tensor<1x3x1xf32>, tensor<1x3x1xf32>) -> (tensor<2x1x1x1xf32>, tensor<1x1x1xf32>)
  // CHECK: onnx.GRU(%x, %w, %w)
  %z, %i = onnx.GRU(%x, %w, %w) {activations = ["Sigmoid", "Relu"], hidden_size = 1 : i64} : (tensor<2x1x1xf32>, tensor<1x3x1xf32>, tensor<1x3x1xf32>) -> (tensor<2x1x1x1xf32>, tensor<1x1x1xf32>)
  // CHECK: onnx.GRU(%x, %w, %w)
  %a, %j = onnx.GRU(%x, %w, %w) {clip = 1.0 : f32, hidden_size = 1 : i64} : (tensor<2x1x1xf32>, tensor<1x3x1xf32>, tensor<1x3x1xf32>) -> (tensor<2x1x1x1xf32>, tensor<1x1x1xf32>)
  func.return %h, %i, %j : tensor<1x1x1xf32>, tensor<1x1x1xf32>, tensor<1x1x1xf32>
}
