// RUN: ax-opt -p onnx-fold-batchnorm --split-input-file %s | filecheck %s
// RUN: ax-opt -p 'onnx-fold-batchnorm{standalone=mul-add}' --split-input-file %s | filecheck %s --check-prefix=MULADD
// RUN: ax-opt -p 'onnx-fold-batchnorm{standalone=keep}' --split-input-file %s | filecheck %s --check-prefix=KEEP

// CHECK-LABEL: @into_conv
// KEEP-LABEL: @into_conv
// MULADD-LABEL: @into_conv
func.func @into_conv(%x: tensor<1x1x2x2xf32>) -> tensor<1x2x2x2xf32> {
  %w = onnx.Constant {value = dense<1.0> : tensor<2x1x1x1xf32>} : tensor<2x1x1x1xf32>
  %one = onnx.Constant {value = dense<1.0> : tensor<2xf32>} : tensor<2xf32>
  %two = onnx.Constant {value = dense<[2.0, 4.0]> : tensor<2xf32>} : tensor<2xf32>
  // CHECK: [[W:%\w+]] = onnx.Constant {value = dense<{{\[\[\[\[}}2.000000e+00{{\]\]\], \[\[\[}}4.000000e+00{{\]\]\]\]}}> : tensor<2x1x1x1xf32>}
  // CHECK-NEXT: [[B:%\w+]] = onnx.Constant {value = dense<[-1.000000e+00, -3.000000e+00]> : tensor<2xf32>}
  // CHECK-NEXT: onnx.Conv(%x, [[W]], [[B]])
  // KEEP-NOT: onnx.BatchNormalization
  %c = onnx.Conv(%x, %w) : (tensor<1x1x2x2xf32>, tensor<2x1x1x1xf32>) -> tensor<1x2x2x2xf32>
  %y = onnx.BatchNormalization(%c, %two, %one, %one, %one) {epsilon = 0.0 : f32} : (tensor<1x2x2x2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x2x2xf32>
  func.return %y : tensor<1x2x2x2xf32>
}

// -----

// CHECK-LABEL: @alone
// KEEP-LABEL: @alone
// MULADD-LABEL: @alone
func.func @alone(%x: tensor<1x2x2x2xf32>) -> tensor<1x2x2x2xf32> {
  %one = onnx.Constant {value = dense<1.0> : tensor<2xf32>} : tensor<2xf32>
  // CHECK: onnx.Conv(%x, {{.*}}) {group = 2 : i64, kernel_shape = array<i64: 1, 1>}
  // KEEP: onnx.BatchNormalization
  // MULADD: onnx.Mul
  // MULADD: onnx.Add
  %y = onnx.BatchNormalization(%x, %one, %one, %one, %one) : (tensor<1x2x2x2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x2x2xf32>
  func.return %y : tensor<1x2x2x2xf32>
}

// -----

// Parameters that are no constants, and training.
// CHECK-LABEL: @stays
func.func @stays(%x: tensor<1x2x2x2xf32>, %p: tensor<2xf32>) -> (tensor<1x2x2x2xf32>, tensor<1x2x2x2xf32>) {
  %one = onnx.Constant {value = dense<1.0> : tensor<2xf32>} : tensor<2xf32>
  // CHECK: onnx.BatchNormalization
  %y = onnx.BatchNormalization(%x, %p, %one, %one, %one) : (tensor<1x2x2x2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x2x2xf32>
  // CHECK: onnx.BatchNormalization
  %z = onnx.BatchNormalization(%x, %one, %one, %one, %one) {training_mode = 1 : i64} : (tensor<1x2x2x2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x2x2xf32>
  func.return %y, %z : tensor<1x2x2x2xf32>, tensor<1x2x2x2xf32>
}

// RUN: not ax-opt -p 'onnx-fold-batchnorm{standalone=drop}' --split-input-file %s 2>&1 | filecheck %s --check-prefix=WRONG
// WRONG: standalone
