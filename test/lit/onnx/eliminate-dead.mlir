// RUN: ax-opt -p onnx-eliminate-dead --split-input-file %s | filecheck %s

// CHECK-LABEL: @main
func.func @main(%x: tensor<4xf32>, %c: tensor<i1>) -> tensor<4xf32> {
  // CHECK-NEXT: [[A:%\w+]] = onnx.Relu(%x)
  %a = onnx.Relu(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %b = onnx.Exp(%a) : (tensor<4xf32>) -> tensor<4xf32>
  %r = onnx.RandomNormalLike(%b) : (tensor<4xf32>) -> tensor<4xf32>
  %d = onnx.If(%c) ({
    onnx.Yield(%r) : (tensor<4xf32>) -> ()
  }, {
    onnx.Yield(%b) : (tensor<4xf32>) -> ()
  }) : (tensor<i1>) -> tensor<4xf32>
  // CHECK-NEXT: func.return [[A]]
  func.return %a : tensor<4xf32>
}

// -----

// One used result keeps an operation; a region is swept too.
// CHECK-LABEL: @main
func.func @main(%x: tensor<4xf32>, %c: tensor<i1>) -> (tensor<2xf32>, tensor<4xf32>) {
  // CHECK-NEXT: onnx.Split
  %a, %b = onnx.Split(%x) {num_outputs = 2 : i64} : (tensor<4xf32>) -> (tensor<2xf32>, tensor<2xf32>)
  // CHECK-NEXT: onnx.If
  %d = onnx.If(%c) ({
    // CHECK-NEXT: onnx.Yield(%x)
    %n = onnx.Neg(%x) : (tensor<4xf32>) -> tensor<4xf32>
    onnx.Yield(%x) : (tensor<4xf32>) -> ()
  }, {
    onnx.Yield(%x) : (tensor<4xf32>) -> ()
  }) : (tensor<i1>) -> tensor<4xf32>
  func.return %b, %d : tensor<2xf32>, tensor<4xf32>
}
