// RUN: ax-opt -p onnx-expand-attention --split-input-file %s | filecheck %s

// CHECK-LABEL: @main
func.func @main(%q: tensor<1x2x4x8xf32>, %k: tensor<1x2x6x8xf32>, %v: tensor<1x2x6x8xf32>) -> tensor<1x2x4x8xf32> {
  // CHECK: [[Q:%\w+]] = onnx.Mul(%q, {{.*}})
  // CHECK: [[K:%\w+]] = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>}
  // CHECK: [[S:%\w+]] = onnx.MatMul([[Q]], [[K]])
  // CHECK: [[P:%\w+]] = onnx.Softmax([[S]])
  // CHECK: [[Y:%\w+]] = onnx.MatMul([[P]], %v)
  // CHECK-NEXT: func.return [[Y]]
  %y = onnx.Attention(%q, %k, %v) : (tensor<1x2x4x8xf32>, tensor<1x2x6x8xf32>, tensor<1x2x6x8xf32>) -> tensor<1x2x4x8xf32>
  func.return %y : tensor<1x2x4x8xf32>
}

// -----

// A cap of the scores stays.
// CHECK-LABEL: @main
func.func @main(%q: tensor<1x2x4x8xf32>) -> tensor<1x2x4x8xf32> {
  // CHECK-NEXT: onnx.Attention
  %y = onnx.Attention(%q, %q, %q) {softcap = 2.0 : f32} : (tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>) -> tensor<1x2x4x8xf32>
  func.return %y : tensor<1x2x4x8xf32>
}
