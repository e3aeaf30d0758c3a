// RUN: ax-opt -p onnx-fold-conv-scale --split-input-file %s | filecheck %s

// CHECK-LABEL: @main
func.func @main(%x: tensor<1x1x2x2xf32>) -> tensor<1x2x2x2xf32> {
  %w = onnx.Constant {value = dense<1.0> : tensor<2x1x1x1xf32>} : tensor<2x1x1x1xf32>
  %b = onnx.Constant {value = dense<1.0> : tensor<2xf32>} : tensor<2xf32>
  %k = onnx.Constant {value = dense<[[[2.0]], [[4.0]]]> : tensor<2x1x1xf32>} : tensor<2x1x1xf32>
  %ten = onnx.Constant {value = dense<10.0> : tensor<f32>} : tensor<f32>
  // CHECK: onnx.Constant {value = dense<{{\[\[\[\[}}2.000000e+00{{\]\]\], \[\[\[}}4.000000e+00{{\]\]\]\]}}> : tensor<2x1x1x1xf32>}
  // CHECK: [[B:%\w+]] = onnx.Constant {value = dense<[1.200000e+01, 1.400000e+01]> : tensor<2xf32>}
  // CHECK-NEXT: onnx.Conv(%x, {{.*}}, [[B]])
  // CHECK-NEXT: func.return
  %c = onnx.Conv(%x, %w, %b) : (tensor<1x1x2x2xf32>, tensor<2x1x1x1xf32>, tensor<2xf32>) -> tensor<1x2x2x2xf32>
  %d = onnx.Mul(%k, %c) : (tensor<2x1x1xf32>, tensor<1x2x2x2xf32>) -> tensor<1x2x2x2xf32>
  %e = onnx.Add(%d, %ten) : (tensor<1x2x2x2xf32>, tensor<f32>) -> tensor<1x2x2x2xf32>
  func.return %e : tensor<1x2x2x2xf32>
}

// -----

// A constant that varies along a row, a second user, a bias that is computed.
// CHECK-LABEL: @main
func.func @main(%x: tensor<1x1x2x2xf32>, %b: tensor<2xf32>) -> (tensor<1x2x2x2xf32>, tensor<1x2x2x2xf32>, tensor<1x2x2x2xf32>) {
  %w = onnx.Constant {value = dense<1.0> : tensor<2x1x1x1xf32>} : tensor<2x1x1x1xf32>
  %row = onnx.Constant {value = dense<[2.0, 4.0]> : tensor<2xf32>} : tensor<2xf32>
  %ten = onnx.Constant {value = dense<10.0> : tensor<f32>} : tensor<f32>
  %c = onnx.Conv(%x, %w) : (tensor<1x1x2x2xf32>, tensor<2x1x1x1xf32>) -> tensor<1x2x2x2xf32>
  // CHECK: onnx.Mul
  %d = onnx.Mul(%c, %row) : (tensor<1x2x2x2xf32>, tensor<2xf32>) -> tensor<1x2x2x2xf32>
  // CHECK: onnx.Add
  %e = onnx.Add(%c, %ten) : (tensor<1x2x2x2xf32>, tensor<f32>) -> tensor<1x2x2x2xf32>
  %f = onnx.Conv(%x, %w, %b) : (tensor<1x1x2x2xf32>, tensor<2x1x1x1xf32>, tensor<2xf32>) -> tensor<1x2x2x2xf32>
  // CHECK: onnx.Sub
  %g = onnx.Sub(%f, %ten) : (tensor<1x2x2x2xf32>, tensor<f32>) -> tensor<1x2x2x2xf32>
  func.return %d, %e, %g : tensor<1x2x2x2xf32>, tensor<1x2x2x2xf32>, tensor<1x2x2x2xf32>
}
