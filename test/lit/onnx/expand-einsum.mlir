// RUN: ax-opt -p onnx-expand-einsum --split-input-file %s | filecheck %s

// CHECK-LABEL: @main
func.func @main(%a: tensor<2x5x8xf32>, %b: tensor<2x6x8xf32>) -> tensor<2x5x6xf32> {
  // CHECK-NEXT: [[B:%\w+]] = onnx.Transpose(%b) {perm = array<i64: 0, 2, 1>}
  // CHECK-NEXT: [[Y:%\w+]] = onnx.MatMul(%a, [[B]]) : {{.*}} -> tensor<2x5x6xf32>
  // CHECK-NEXT: func.return [[Y]]
  %y = onnx.Einsum(%a, %b) {equation = "bid,bjd->bij"} : (tensor<2x5x8xf32>, tensor<2x6x8xf32>) -> tensor<2x5x6xf32>
  func.return %y : tensor<2x5x6xf32>
}

// -----

// Nothing is summed over: a product of elements.
// CHECK-LABEL: @main
func.func @main(%a: tensor<2x5xf32>, %b: tensor<2x6xf32>) -> tensor<2x5x6xf32> {
  // CHECK: onnx.Mul({{.*}}) : (tensor<2x5x1xf32>, tensor<2x1x6xf32>) -> tensor<2x5x6xf32>
  %y = onnx.Einsum(%a, %b) {equation = "bi,bj->bij"} : (tensor<2x5xf32>, tensor<2x6xf32>) -> tensor<2x5x6xf32>
  func.return %y : tensor<2x5x6xf32>
}

// -----

// A diagonal, three operands and an ellipsis stay.
// CHECK-LABEL: @main
func.func @main(%a: tensor<5x5xf32>, %b: tensor<2x5x5xf32>) -> (tensor<5xf32>, tensor<5x5xf32>, tensor<2x5x5xf32>) {
  // CHECK-NEXT: onnx.Einsum(%a)
  %d = onnx.Einsum(%a) {equation = "ii->i"} : (tensor<5x5xf32>) -> tensor<5xf32>
  // CHECK-NEXT: onnx.Einsum(%a, %a, %a)
  %t = onnx.Einsum(%a, %a, %a) {equation = "ij,jk,kl->il"} : (tensor<5x5xf32>, tensor<5x5xf32>, tensor<5x5xf32>) -> tensor<5x5xf32>
  // CHECK-NEXT: onnx.Einsum(%b)
  %e = onnx.Einsum(%b) {equation = "...ij->...ji"} : (tensor<2x5x5xf32>) -> tensor<2x5x5xf32>
  func.return %d, %t, %e : tensor<5xf32>, tensor<5x5xf32>, tensor<2x5x5xf32>
}
