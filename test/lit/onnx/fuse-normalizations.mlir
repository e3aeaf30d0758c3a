// RUN: ax-opt -p onnx-fuse-normalizations --split-input-file %s | filecheck %s

// CHECK-LABEL: @main
func.func @main(%x: tensor<1x4x8xf32>) -> (tensor<1x4x8xf32>, tensor<1x4x8xf32>) {
  %axes = onnx.Constant {value = dense<[-1]> : tensor<1xi64>} : tensor<1xi64>
  %eps = onnx.Constant {value = dense<1.0e-05> : tensor<f32>} : tensor<f32>
  %two = onnx.Constant {value = dense<2.0> : tensor<f32>} : tensor<f32>
  %g = onnx.Constant {value = dense<3.0> : tensor<8xf32>} : tensor<8xf32>
  // CHECK: [[G:%\w+]] = onnx.Constant {value = dense<3.000000e+00> : tensor<8xf32>}
  // CHECK: [[L:%\w+]] = onnx.LayerNormalization(%x, [[G]]) {axis = 2 : i64, epsilon = 1.000000e-05 : f32}
  %m = onnx.ReduceMean(%x, %axes) : (tensor<1x4x8xf32>, tensor<1xi64>) -> tensor<1x4x1xf32>
  %v = onnx.Sub(%x, %m) : (tensor<1x4x8xf32>, tensor<1x4x1xf32>) -> tensor<1x4x8xf32>
  %q = onnx.Mul(%v, %v) : (tensor<1x4x8xf32>, tensor<1x4x8xf32>) -> tensor<1x4x8xf32>
  %n = onnx.ReduceMean(%q, %axes) : (tensor<1x4x8xf32>, tensor<1xi64>) -> tensor<1x4x1xf32>
  %e = onnx.Add(%n, %eps) : (tensor<1x4x1xf32>, tensor<f32>) -> tensor<1x4x1xf32>
  %r = onnx.Sqrt(%e) : (tensor<1x4x1xf32>) -> tensor<1x4x1xf32>
  %0 = onnx.Div(%v, %r) : (tensor<1x4x8xf32>, tensor<1x4x1xf32>) -> tensor<1x4x8xf32>
  %1 = onnx.Mul(%0, %g) : (tensor<1x4x8xf32>, tensor<8xf32>) -> tensor<1x4x8xf32>
  // CHECK: [[R:%\w+]] = onnx.RMSNormalization(%x, {{.*}}) {axis = 2 : i64
  %s = onnx.Pow(%x, %two) : (tensor<1x4x8xf32>, tensor<f32>) -> tensor<1x4x8xf32>
  %t = onnx.ReduceMean(%s, %axes) : (tensor<1x4x8xf32>, tensor<1xi64>) -> tensor<1x4x1xf32>
  %u = onnx.Add(%t, %eps) : (tensor<1x4x1xf32>, tensor<f32>) -> tensor<1x4x1xf32>
  %w = onnx.Sqrt(%u) : (tensor<1x4x1xf32>) -> tensor<1x4x1xf32>
  %y = onnx.Reciprocal(%w) : (tensor<1x4x1xf32>) -> tensor<1x4x1xf32>
  %z = onnx.Mul(%x, %y) : (tensor<1x4x8xf32>, tensor<1x4x1xf32>) -> tensor<1x4x8xf32>
  // CHECK-NEXT: func.return [[L]], [[R]]
  func.return %1, %z : tensor<1x4x8xf32>, tensor<1x4x8xf32>
}

// -----

// Channels split into groups.
// CHECK-LABEL: @main
func.func @main(%x: tensor<2x6x4x5xf32>) -> tensor<2x6x4x5xf32> {
  %split = onnx.Constant {value = dense<[2, 3, 40]> : tensor<3xi64>} : tensor<3xi64>
  %join = onnx.Constant {value = dense<[2, 6, 4, 5]> : tensor<4xi64>} : tensor<4xi64>
  %one = onnx.Constant {value = dense<1.0> : tensor<3xf32>} : tensor<3xf32>
  %zero = onnx.Constant {value = dense<0.0> : tensor<3xf32>} : tensor<3xf32>
  // CHECK: [[G:%\w+]] = onnx.GroupNormalization(%x, {{.*}}) {epsilon = {{.*}}, num_groups = 3 : i64}
  // CHECK-NEXT: func.return [[G]]
  %0 = onnx.Reshape(%x, %split) : (tensor<2x6x4x5xf32>, tensor<3xi64>) -> tensor<2x3x40xf32>
  %1 = onnx.InstanceNormalization(%0, %one, %zero) : (tensor<2x3x40xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<2x3x40xf32>
  %2 = onnx.Reshape(%1, %join) : (tensor<2x3x40xf32>, tensor<4xi64>) -> tensor<2x6x4x5xf32>
  func.return %2 : tensor<2x6x4x5xf32>
}

// -----

// Means along other axes, no epsilon, a scale that varies along another axis.
// CHECK-LABEL: @main
func.func @main(%x: tensor<2x4x8xf32>) -> (tensor<2x4x8xf32>, tensor<2x4x8xf32>, tensor<2x4x8xf32>) {
  %axes = onnx.Constant {value = dense<[2]> : tensor<1xi64>} : tensor<1xi64>
  %first = onnx.Constant {value = dense<[0]> : tensor<1xi64>} : tensor<1xi64>
  %eps = onnx.Constant {value = dense<1.0e-05> : tensor<f32>} : tensor<f32>
  %g = onnx.Constant {value = dense<[[[3.0]], [[2.0]]]> : tensor<2x1x1xf32>} : tensor<2x1x1xf32>
  %one = onnx.Constant {value = dense<1.0> : tensor<8xf32>} : tensor<8xf32>
  // CHECK-NOT: Normalization
  // CHECK: onnx.Div
  %q = onnx.Mul(%x, %x) : (tensor<2x4x8xf32>, tensor<2x4x8xf32>) -> tensor<2x4x8xf32>
  %m = onnx.ReduceMean(%q, %first) : (tensor<2x4x8xf32>, tensor<1xi64>) -> tensor<1x4x8xf32>
  %e = onnx.Add(%m, %eps) : (tensor<1x4x8xf32>, tensor<f32>) -> tensor<1x4x8xf32>
  %r = onnx.Sqrt(%e) : (tensor<1x4x8xf32>) -> tensor<1x4x8xf32>
  %0 = onnx.Div(%x, %r) : (tensor<2x4x8xf32>, tensor<1x4x8xf32>) -> tensor<2x4x8xf32>
  // CHECK: onnx.Div
  %n = onnx.ReduceMean(%q, %axes) : (tensor<2x4x8xf32>, tensor<1xi64>) -> tensor<2x4x1xf32>
  %s = onnx.Sqrt(%n) : (tensor<2x4x1xf32>) -> tensor<2x4x1xf32>
  %1 = onnx.Div(%x, %s) : (tensor<2x4x8xf32>, tensor<2x4x1xf32>) -> tensor<2x4x8xf32>
  // CHECK: [[L:%\w+]] = onnx.LayerNormalization
  // CHECK-NEXT: onnx.Mul([[L]]
  %l = onnx.LayerNormalization(%x, %one) : (tensor<2x4x8xf32>, tensor<8xf32>) -> tensor<2x4x8xf32>
  %2 = onnx.Mul(%l, %g) : (tensor<2x4x8xf32>, tensor<2x1x1xf32>) -> tensor<2x4x8xf32>
  func.return %0, %1, %2 : tensor<2x4x8xf32>, tensor<2x4x8xf32>, tensor<2x4x8xf32>
}
