// RUN: ax-opt -p onnx-expand-rotary --split-input-file %s | filecheck %s

// CHECK-LABEL: @halves
func.func @halves(%x: tensor<1x3x2x2xf32>) -> tensor<1x3x2x2xf32> {
  %c = onnx.Constant {value = dense<[[[1.0], [0.5]]]> : tensor<1x2x1xf32>} : tensor<1x2x1xf32>
  // CHECK: [[A:%\w+]] = onnx.Slice(%x,
  // CHECK: [[B:%\w+]] = onnx.Slice(%x,
  // CHECK: [[P:%\w+]] = onnx.Mul([[A]], {{.*}}) : (tensor<1x3x2x1xf32>, tensor<1x1x2x1xf32>)
  // CHECK-NEXT: [[Q:%\w+]] = onnx.Mul([[B]],
  // CHECK-NEXT: [[R:%\w+]] = onnx.Mul([[A]],
  // CHECK-NEXT: [[S:%\w+]] = onnx.Mul([[B]],
  // CHECK-NEXT: [[T:%\w+]] = onnx.Sub([[P]], [[Q]])
  // CHECK-NEXT: [[U:%\w+]] = onnx.Add([[R]], [[S]])
  // CHECK-NEXT: onnx.Concat([[T]], [[U]]) {axis = 3 : i64}
  %y = onnx.RotaryEmbedding(%x, %c, %c) : (tensor<1x3x2x2xf32>, tensor<1x2x1xf32>, tensor<1x2x1xf32>) -> tensor<1x3x2x2xf32>
  func.return %y : tensor<1x3x2x2xf32>
}

// -----

// Computed angles stay.
// CHECK-LABEL: @computed
func.func @computed(%x: tensor<1x3x2x2xf32>, %c: tensor<1x2x1xf32>) -> tensor<1x3x2x2xf32> {
  // CHECK-NEXT: onnx.RotaryEmbedding(%x, %c, %c)
  %y = onnx.RotaryEmbedding(%x, %c, %c) : (tensor<1x3x2x2xf32>, tensor<1x2x1xf32>, tensor<1x2x1xf32>) -> tensor<1x3x2x2xf32>
  func.return %y : tensor<1x3x2x2xf32>
}
