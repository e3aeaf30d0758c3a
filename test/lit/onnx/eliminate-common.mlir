// RUN: ax-opt -p onnx-eliminate-common --split-input-file %s | filecheck %s

// CHECK-LABEL: @main
func.func @main(%x: tensor<4xf32>, %c: tensor<i1>) -> (tensor<4xf32>, tensor<4xf32>) {
  // CHECK-NEXT: [[A:%\w+]] = onnx.Elu(%x) {alpha = 2.000000e+00 : f32}
  %a = onnx.Elu(%x) {alpha = 2.0 : f32} : (tensor<4xf32>) -> tensor<4xf32>
  %b = onnx.Elu(%x) {alpha = 2.0 : f32} : (tensor<4xf32>) -> tensor<4xf32>
  // CHECK-NEXT: [[S:%\w+]] = onnx.Add([[A]], [[A]])
  %s = onnx.Add(%a, %b) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  // CHECK-NEXT: onnx.If
  %i = onnx.If(%c) ({
    %d = onnx.Elu(%x) {alpha = 2.0 : f32} : (tensor<4xf32>) -> tensor<4xf32>
    // CHECK-NEXT: onnx.Yield([[A]])
    onnx.Yield(%d) : (tensor<4xf32>) -> ()
  }, {
    // CHECK: [[N:%\w+]] = onnx.Neg
    %n = onnx.Neg(%x) : (tensor<4xf32>) -> tensor<4xf32>
    onnx.Yield(%n) : (tensor<4xf32>) -> ()
  }) : (tensor<i1>) -> tensor<4xf32>
  func.return %s, %i : tensor<4xf32>, tensor<4xf32>
}

// -----

// Other attributes, chance, and what only a region has computed.
// CHECK-LABEL: @main
func.func @main(%x: tensor<4xf32>, %c: tensor<i1>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  // CHECK: onnx.Elu
  // CHECK: onnx.Elu
  %a = onnx.Elu(%x) {alpha = 2.0 : f32} : (tensor<4xf32>) -> tensor<4xf32>
  %b = onnx.Elu(%x) {alpha = 1.0 : f32} : (tensor<4xf32>) -> tensor<4xf32>
  // CHECK: onnx.RandomNormalLike
  // CHECK: onnx.RandomNormalLike
  %r = onnx.RandomNormalLike(%a) : (tensor<4xf32>) -> tensor<4xf32>
  %s = onnx.RandomNormalLike(%a) : (tensor<4xf32>) -> tensor<4xf32>
  // CHECK: onnx.Neg
  %i = onnx.If(%c) ({
    %n = onnx.Neg(%b) : (tensor<4xf32>) -> tensor<4xf32>
    onnx.Yield(%n) : (tensor<4xf32>) -> ()
  }, {
    onnx.Yield(%r) : (tensor<4xf32>) -> ()
  }) : (tensor<i1>) -> tensor<4xf32>
  // CHECK: onnx.Neg
  %m = onnx.Neg(%b) : (tensor<4xf32>) -> tensor<4xf32>
  func.return %i, %m, %s : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}
