// RUN: ax-opt -p onnx-bound-masks --split-input-file %s | filecheck %s
// RUN: ax-opt -p 'onnx-bound-masks{bound=-32}' --split-input-file %s | filecheck %s --check-prefix=OTHER

// A branch of a Where, through an Unsqueeze.
// CHECK-LABEL: @where
// CHECK: [[L:%\w+]] = onnx.Constant {value = dense<-6.400000e+01> : tensor<f32>}
// CHECK: onnx.Where(%kept, {{%\w+}}, [[L]])
// OTHER-LABEL: @where
// OTHER: dense<-3.200000e+01>
func.func @where(%x: tensor<1x2x2xf32>, %kept: tensor<1x2xi1>) -> tensor<1x2x2xf32> {
  %zero = onnx.Constant {value = dense<0.0> : tensor<f32>} : tensor<f32>
  %low = onnx.Constant {value = dense<-3.0e+38> : tensor<f32>} : tensor<f32>
  %axis = onnx.Constant {value = dense<[1]> : tensor<1xi64>} : tensor<1xi64>
  %m = onnx.Where(%kept, %zero, %low) : (tensor<1x2xi1>, tensor<f32>, tensor<f32>) -> tensor<1x2xf32>
  %u = onnx.Unsqueeze(%m, %axis) : (tensor<1x2xf32>, tensor<1xi64>) -> tensor<1x1x2xf32>
  %s = onnx.Add(%x, %u) : (tensor<1x2x2xf32>, tensor<1x1x2xf32>) -> tensor<1x2x2xf32>
  %y = onnx.Softmax(%s) : (tensor<1x2x2xf32>) -> tensor<1x2x2xf32>
  func.return %y : tensor<1x2x2xf32>
}

// -----

// A factor, and a constant mask.
// CHECK-LABEL: @others
// CHECK-DAG: onnx.Constant {value = dense<-6.400000e+01> : tensor<f32>}
// CHECK-DAG: onnx.Constant {value = dense<[0.000000e+00, -6.400000e+01]> : tensor<2xf32>}
func.func @others(%x: tensor<2x2xf32>, %t: tensor<2xf32>) -> (tensor<2x2xf32>, tensor<2x2xf32>) {
  %low = onnx.Constant {value = dense<-3.0e+38> : tensor<f32>} : tensor<f32>
  %mask = onnx.Constant {value = dense<[0.0, -3.0e+38]> : tensor<2xf32>} : tensor<2xf32>
  %m = onnx.Mul(%t, %low) : (tensor<2xf32>, tensor<f32>) -> tensor<2xf32>
  %s = onnx.Add(%x, %m) : (tensor<2x2xf32>, tensor<2xf32>) -> tensor<2x2xf32>
  %y = onnx.Softmax(%s) : (tensor<2x2xf32>) -> tensor<2x2xf32>
  %r = onnx.Add(%mask, %x) : (tensor<2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %z = onnx.Softmax(%r) : (tensor<2x2xf32>) -> tensor<2x2xf32>
  func.return %y, %z : tensor<2x2xf32>, tensor<2x2xf32>
}

// -----

// Someone else reads the sum, so the number stays what it is.
// CHECK-LABEL: @read
// CHECK: dense<-{{3|2.99}}
func.func @read(%x: tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>) {
  %low = onnx.Constant {value = dense<-3.0e+38> : tensor<f32>} : tensor<f32>
  %s = onnx.Add(%x, %low) : (tensor<2xf32>, tensor<f32>) -> tensor<2xf32>
  %y = onnx.Softmax(%s) : (tensor<2xf32>) -> tensor<2xf32>
  func.return %s, %y : tensor<2xf32>, tensor<2xf32>
}
