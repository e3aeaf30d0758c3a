// RUN: ax-opt -p onnx-fuse-activations --split-input-file %s | filecheck %s

// CHECK-LABEL: @main
func.func @main(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %zero = onnx.Constant {value = dense<0.0> : tensor<f32>} : tensor<f32>
  %three = onnx.Constant {value = dense<3.0> : tensor<f32>} : tensor<f32>
  %six = onnx.Constant {value = dense<6.0> : tensor<f32>} : tensor<f32>
  // CHECK: [[L:%\w+]] = onnx.Constant {value = dense<0.000000e+00> : tensor<f32>}
  // CHECK: [[H:%\w+]] = onnx.Constant {value = dense<6.000000e+00> : tensor<f32>}
  // CHECK: [[A:%\w+]] = onnx.Clip(%x, {{.*}}, {{.*}})
  %a = onnx.Relu(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %b = onnx.Min(%a, %six) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  // CHECK: [[B:%\w+]] = onnx.HardSwish([[A]])
  %c = onnx.Add(%b, %three) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %d = onnx.Clip(%c, %zero, %six) : (tensor<4xf32>, tensor<f32>, tensor<f32>) -> tensor<4xf32>
  %e = onnx.Mul(%b, %d) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %f = onnx.Div(%e, %six) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  // CHECK: [[C:%\w+]] = onnx.HardSigmoid(%x) {alpha = 0.166666672 : f32, beta = 5.000000e-01 : f32}
  %g = onnx.Add(%x, %three) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %h = onnx.Clip(%g, %zero, %six) : (tensor<4xf32>, tensor<f32>, tensor<f32>) -> tensor<4xf32>
  %i = onnx.Div(%h, %six) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  // CHECK: [[D:%\w+]] = onnx.Relu(%x)
  %j = onnx.Max(%zero, %x) : (tensor<f32>, tensor<4xf32>) -> tensor<4xf32>
  // CHECK: func.return [[B]], [[C]], [[D]]
  func.return %f, %i, %j : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// -----

// Another factor, a value that others need, bounds that are computed, integers.
// CHECK-LABEL: @main
func.func @main(%x: tensor<4xf32>, %m: tensor<f32>, %n: tensor<4xi32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xi32>) {
  %zero = onnx.Constant {value = dense<0.0> : tensor<f32>} : tensor<f32>
  %three = onnx.Constant {value = dense<3.0> : tensor<f32>} : tensor<f32>
  %six = onnx.Constant {value = dense<6.0> : tensor<f32>} : tensor<f32>
  %none = onnx.Constant {value = dense<0> : tensor<i32>} : tensor<i32>
  // CHECK: onnx.Add
  // CHECK-NEXT: onnx.Clip
  // CHECK-NEXT: onnx.Div
  %g = onnx.Add(%x, %three) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %h = onnx.Clip(%g, %zero, %six) : (tensor<4xf32>, tensor<f32>, tensor<f32>) -> tensor<4xf32>
  %i = onnx.Div(%h, %three) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  // CHECK-NEXT: [[R:%\w+]] = onnx.Relu
  %r = onnx.Relu(%x) : (tensor<4xf32>) -> tensor<4xf32>
  // CHECK-NEXT: onnx.Clip([[R]]
  %c = onnx.Clip(%r, %zero, %six) : (tensor<4xf32>, tensor<f32>, tensor<f32>) -> tensor<4xf32>
  // CHECK-NEXT: onnx.Clip(%x, {{.*}}, %m)
  %k = onnx.Clip(%x, %zero, %m) : (tensor<4xf32>, tensor<f32>, tensor<f32>) -> tensor<4xf32>
  // CHECK-NEXT: onnx.Max
  %j = onnx.Max(%n, %none) : (tensor<4xi32>, tensor<i32>) -> tensor<4xi32>
  func.return %i, %r, %c, %k, %j : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xi32>
}
