// RUN: ax-opt %s | ax-opt | filecheck %s
// RUN: ax-opt --mlir-print-op-generic %s | ax-opt | filecheck %s

// CHECK-LABEL: @main
func.func @main(%x: tensor<1x2x4x4xf32>, %w: tensor<3x2x3x3xf32>, %c: tensor<i1>) -> tensor<1x3x4x4xf32> {
  // CHECK-NEXT: %none = onnx.NoValue : none
  %none = onnx.NoValue : none
  // CHECK-NEXT: %six = onnx.Constant {value = dense<6.000000e+00> : tensor<f32>} : tensor<f32>
  %six = onnx.Constant {value = dense<6.0> : tensor<f32>} : tensor<f32>
  // CHECK-NEXT: %y = onnx.Conv(%x, %w) {group = 1 : i64, pads = array<i64: 1, 1, 1, 1>} : (tensor<1x2x4x4xf32>, tensor<3x2x3x3xf32>) -> tensor<1x3x4x4xf32>
  %y = onnx.Conv(%x, %w) {pads = array<i64: 1, 1, 1, 1>, group = 1 : i64} : (tensor<1x2x4x4xf32>, tensor<3x2x3x3xf32>) -> tensor<1x3x4x4xf32>
  // CHECK-NEXT: %z = onnx.Clip(%y, %none, %six) : (tensor<1x3x4x4xf32>, none, tensor<f32>) -> tensor<1x3x4x4xf32>
  %z = onnx.Clip(%y, %none, %six) : (tensor<1x3x4x4xf32>, none, tensor<f32>) -> tensor<1x3x4x4xf32>
  // CHECK-NEXT: %b = onnx.Cast(%z) {to = f8E4M3FN} : (tensor<1x3x4x4xf32>) -> tensor<1x3x4x4xf8E4M3FN>
  %b = onnx.Cast(%z) {to = f8E4M3FN} : (tensor<1x3x4x4xf32>) -> tensor<1x3x4x4xf8E4M3FN>
  // CHECK-NEXT: %l, %r = onnx.Split(%z) {axis = 2 : i64, num_outputs = 2 : i64} : (tensor<1x3x4x4xf32>) -> (tensor<1x3x2x4xf32>, tensor<1x3x2x4xf32>)
  %l, %r = onnx.Split(%z) {axis = 2 : i64, num_outputs = 2 : i64} : (tensor<1x3x4x4xf32>) -> (tensor<1x3x2x4xf32>, tensor<1x3x2x4xf32>)
  // CHECK-NEXT: %i = onnx.If(%c) ({
  %i = onnx.If(%c) ({
    // CHECK-NEXT: onnx.Yield(%z) : (tensor<1x3x4x4xf32>) -> ()
    onnx.Yield(%z) : (tensor<1x3x4x4xf32>) -> ()
  // CHECK-NEXT: }, {
  }, {
    // CHECK-NEXT: %n = onnx.Neg(%z)
    %n = onnx.Neg(%z) : (tensor<1x3x4x4xf32>) -> tensor<1x3x4x4xf32>
    onnx.Yield(%n) : (tensor<1x3x4x4xf32>) -> ()
  // CHECK: }) : (tensor<i1>) -> tensor<1x3x4x4xf32>
  }) : (tensor<i1>) -> tensor<1x3x4x4xf32>
  // CHECK-NEXT: %s = onnx.SequenceConstruct(%l, %r) : (tensor<1x3x2x4xf32>, tensor<1x3x2x4xf32>) -> !onnx.Seq<tensor<1x3x2x4xf32>>
  %s = onnx.SequenceConstruct(%l, %r) : (tensor<1x3x2x4xf32>, tensor<1x3x2x4xf32>) -> !onnx.Seq<tensor<1x3x2x4xf32>>
  // CHECK-NEXT: %t = onnx.Constant {value = #onnx.strings<["a", "b"], tensor<2x!onnx.String>>} : tensor<2x!onnx.String>
  %t = onnx.Constant {value = #onnx.strings<["a", "b"], tensor<2x!onnx.String>>} : tensor<2x!onnx.String>
  // CHECK-NEXT: %o = onnx.Optional(%i) : (tensor<1x3x4x4xf32>) -> !onnx.Opt<tensor<1x3x4x4xf32>>
  %o = onnx.Optional(%i) : (tensor<1x3x4x4xf32>) -> !onnx.Opt<tensor<1x3x4x4xf32>>
  // CHECK-NEXT: %g = onnx.Custom(%i) {attrs = {alpha = 1.000000e+00 : f32}, domain = "com.microsoft", function = "Gelu", version = 1 : i64}
  %g = onnx.Custom(%i) {attrs = {alpha = 1.0 : f32}, domain = "com.microsoft", function = "Gelu", version = 1 : i64} : (tensor<1x3x4x4xf32>) -> tensor<1x3x4x4xf32>
  // CHECK-NEXT: %m = onnx.Normalize(%g) {axis = 1 : i64, mean = [1.000000e+00 : f32, 2.000000e+00 : f32, 3.000000e+00 : f32], std = [1.000000e+00 : f32, 1.000000e+00 : f32, 2.000000e+00 : f32]}
  %m = onnx.Normalize(%g) {axis = 1 : i64, mean = [1.0 : f32, 2.0 : f32, 3.0 : f32], std = [1.0 : f32, 1.0 : f32, 2.0 : f32]} : (tensor<1x3x4x4xf32>) -> tensor<1x3x4x4xf32>
  // CHECK-NEXT: %p = onnx.GlobalMaxPool(%m) : (tensor<1x3x4x4xf32>) -> tensor<1x3x1x1xf32>
  %p = onnx.GlobalMaxPool(%m) : (tensor<1x3x4x4xf32>) -> tensor<1x3x1x1xf32>
  // CHECK-NEXT: %total, %running = onnx.Scan(%six, %p) ({
  %total, %running = onnx.Scan(%six, %p) ({
  // CHECK-NEXT: ^bb0(%sum: tensor<f32>, %slice: tensor<3x1x1xf32>):
  ^bb0(%sum: tensor<f32>, %slice: tensor<3x1x1xf32>):
    onnx.Yield(%sum, %slice) : (tensor<f32>, tensor<3x1x1xf32>) -> ()
  // CHECK: }) {num_scan_inputs = 1 : i64} : (tensor<f32>, tensor<1x3x1x1xf32>) -> (tensor<f32>, tensor<1x3x1x1xf32>)
  }) {num_scan_inputs = 1 : i64} : (tensor<f32>, tensor<1x3x1x1xf32>) -> (tensor<f32>, tensor<1x3x1x1xf32>)
  func.return %m : tensor<1x3x4x4xf32>
}
