// RUN: ax-opt -p onnx-canonicalize-reshape --split-input-file %s | filecheck %s

// CHECK-LABEL: @main
func.func @main(%x: tensor<1x8x2x1xf32>) -> (tensor<1x16xf32>, tensor<8x2xf32>, tensor<8x1x2x1xf32>) {
  // CHECK-NEXT: [[S:%\w+]] = onnx.Constant {value = dense<[1, 16]> : tensor<2xi64>}
  // CHECK-NEXT: onnx.Reshape(%x, [[S]]) : (tensor<1x8x2x1xf32>, tensor<2xi64>) -> tensor<1x16xf32>
  %a = onnx.Flatten(%x) {axis = 1 : i64} : (tensor<1x8x2x1xf32>) -> tensor<1x16xf32>
  // CHECK: [[S:%\w+]] = onnx.Constant {value = dense<[8, 2]> : tensor<2xi64>}
  // CHECK-NEXT: onnx.Reshape(%x, [[S]])
  %b = onnx.Squeeze(%x) : (tensor<1x8x2x1xf32>) -> tensor<8x2xf32>
  // CHECK: [[S:%\w+]] = onnx.Constant {value = dense<[8, 1, 2, 1]> : tensor<4xi64>}
  // CHECK-NEXT: onnx.Reshape(%x, [[S]])
  %c = onnx.Transpose(%x) {perm = array<i64: 1, 0, 2, 3>} : (tensor<1x8x2x1xf32>) -> tensor<8x1x2x1xf32>
  func.return %a, %b, %c : tensor<1x16xf32>, tensor<8x2xf32>, tensor<8x1x2x1xf32>
}

// -----

// CHECK-LABEL: @main
func.func @main(%x: tensor<2x3xf32>, %n: tensor<1xi64>) -> (tensor<6x1xf32>, tensor<?xi64>) {
  %s = onnx.Constant {value = dense<[-1]> : tensor<1xi64>} : tensor<1xi64>
  %u = onnx.Constant {value = dense<[1]> : tensor<1xi64>} : tensor<1xi64>
  %zero = onnx.Constant {value = dense<0> : tensor<i64>} : tensor<i64>
  %one = onnx.Constant {value = dense<1> : tensor<i64>} : tensor<i64>
  // CHECK: [[S:%\w+]] = onnx.Constant {value = dense<[6, 1]> : tensor<2xi64>}
  // CHECK-NEXT: onnx.Reshape(%x, [[S]]) : (tensor<2x3xf32>, tensor<2xi64>) -> tensor<6x1xf32>
  %a = onnx.Reshape(%x, %s) : (tensor<2x3xf32>, tensor<1xi64>) -> tensor<6xf32>
  %b = onnx.Unsqueeze(%a, %u) : (tensor<6xf32>, tensor<1xi64>) -> tensor<6x1xf32>
  // CHECK: [[N:%\w+]] = onnx.Reshape(%n, {{.*}}) : (tensor<1xi64>, tensor<0xi64>) -> tensor<i64>
  // CHECK-NEXT: onnx.Range({{.*}}, [[N]], {{.*}})
  %r = onnx.Range(%zero, %n, %one) : (tensor<i64>, tensor<1xi64>, tensor<i64>) -> tensor<?xi64>
  func.return %b, %r : tensor<6x1xf32>, tensor<?xi64>
}

// -----

// Unknown shapes, and a Transpose that moves elements.
// CHECK-LABEL: @main
func.func @main(%x: tensor<?x3xf32>, %z: tensor<2x3xf32>) -> (tensor<1x?xf32>, tensor<3x2xf32>) {
  // CHECK-NEXT: onnx.Flatten
  %a = onnx.Flatten(%x) {axis = 0 : i64} : (tensor<?x3xf32>) -> tensor<1x?xf32>
  // CHECK-NEXT: onnx.Transpose
  %b = onnx.Transpose(%z) : (tensor<2x3xf32>) -> tensor<3x2xf32>
  func.return %a, %b : tensor<1x?xf32>, tensor<3x2xf32>
}
