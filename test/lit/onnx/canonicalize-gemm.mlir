// RUN: ax-opt -p onnx-canonicalize-gemm --split-input-file %s | filecheck %s

// CHECK-LABEL: @main
func.func @main(%x: tensor<1x2xf32>) -> tensor<1x2xf32> {
  %w = onnx.Constant {value = dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>} : tensor<2x2xf32>
  %b = onnx.Constant {value = dense<[[5.0, 6.0]]> : tensor<1x2xf32>} : tensor<1x2xf32>
  // CHECK: [[B:%\w+]] = onnx.Constant {value = dense<[5.000000e+00, 6.000000e+00]> : tensor<2xf32>}
  // CHECK: onnx.Gemm(%x, %w, [[B]]) : (tensor<1x2xf32>, tensor<2x2xf32>, tensor<2xf32>) -> tensor<1x2xf32>
  %a = onnx.MatMul(%x, %w) : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  %y = onnx.Add(%a, %b) : (tensor<1x2xf32>, tensor<1x2xf32>) -> tensor<1x2xf32>
  func.return %y : tensor<1x2xf32>
}

// -----

// CHECK-LABEL: @main
func.func @main(%x: tensor<2x1xf32>) -> tensor<1x2xf32> {
  %w = onnx.Constant {value = dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>} : tensor<2x2xf32>
  %b = onnx.Constant {value = dense<[5.0, 6.0]> : tensor<2xf32>} : tensor<2xf32>
  // CHECK: [[T:%\w+]] = onnx.Transpose(%x) {perm = array<i64: 1, 0>}
  // CHECK-NEXT: [[W:%\w+]] = onnx.Constant {value = dense<{{\[}}[2.000000e+00, 4.000000e+00], [6.000000e+00, 8.000000e+00]]> : tensor<2x2xf32>}
  // CHECK-NEXT: [[B:%\w+]] = onnx.Constant {value = dense<[1.500000e+01, 1.800000e+01]> : tensor<2xf32>}
  // CHECK-NEXT: onnx.Gemm([[T]], [[W]], [[B]]) {transB = 1 : i64}
  %y = onnx.Gemm(%x, %w, %b) {alpha = 2.0 : f32, beta = 3.0 : f32, transA = 1 : i64, transB = 1 : i64} : (tensor<2x1xf32>, tensor<2x2xf32>, tensor<2xf32>) -> tensor<1x2xf32>
  func.return %y : tensor<1x2xf32>
}

// -----

// No constant matrix, three axes, a bias per row.
// CHECK-LABEL: @main
func.func @main(%x: tensor<2x2xf32>, %z: tensor<1x2x2xf32>, %g: tensor<2x2xf32>) -> (tensor<2x2xf32>, tensor<1x2x2xf32>, tensor<2x2xf32>) {
  %w = onnx.Constant {value = dense<1.0> : tensor<2x2xf32>} : tensor<2x2xf32>
  %c = onnx.Constant {value = dense<[[5.0], [6.0]]> : tensor<2x1xf32>} : tensor<2x1xf32>
  // CHECK: onnx.MatMul(%x, %g)
  %a = onnx.MatMul(%x, %g) : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  // CHECK-NEXT: onnx.MatMul(%z, %w)
  %b = onnx.MatMul(%z, %w) : (tensor<1x2x2xf32>, tensor<2x2xf32>) -> tensor<1x2x2xf32>
  // CHECK-NEXT: onnx.Gemm(%x, %w) :
  %d = onnx.Gemm(%x, %w) : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  // CHECK-NEXT: onnx.Add
  %e = onnx.Add(%d, %c) : (tensor<2x2xf32>, tensor<2x1xf32>) -> tensor<2x2xf32>
  func.return %a, %b, %e : tensor<2x2xf32>, tensor<1x2x2xf32>, tensor<2x2xf32>
}
