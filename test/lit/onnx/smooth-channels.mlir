// RUN: ax-opt -p onnx-smooth-channels --mlir-print-debuginfo --split-input-file %s | filecheck %s
// RUN: ax-opt -p 'onnx-smooth-channels{threshold=0.02}' --mlir-print-debuginfo --split-input-file %s | filecheck %s --check-prefix=FEW
// RUN: ax-opt -p 'onnx-smooth-channels{strength=1}' --split-input-file %s | filecheck %s --check-prefix=ALL
// RUN: not ax-opt -p 'onnx-smooth-channels{strength=much}' %s 2>&1 | filecheck %s --check-prefix=WRONG

// WRONG: 'much'

// The factors go into scale and bias of the normalization, and out of the rows of the weights.
// CHECK-LABEL: @main
// CHECK: [[S:%\w+]] = onnx.Constant {value = dense<[4.000000e+00, 1.741101
// CHECK: [[B:%\w+]] = onnx.Constant
// CHECK-NEXT: [[N:%\w+]] = onnx.LayerNormalization(%x, [[S]], [[B]]) {{.*}} loc("norm"("n_smooth"))
// CHECK: [[W:%\w+]] = onnx.Constant {value = dense<{{\[\[}}1.000000e+00, 1.000000e+00], [0.287174
// CHECK-NEXT: onnx.MatMul([[N]], [[W]]) : {{.*}} loc("product"("y"))
// CHECK-NOT: quant.channel_maxima
// Below the threshold nothing changes, but what was observed has served.
// FEW-LABEL: @main
// FEW: onnx.LayerNormalization{{.*}} loc("norm"("n"))
// FEW-NOT: quant.channel_maxima
// All of the spread moves.
// ALL-LABEL: @main
// ALL: [[S:%\w+]] = onnx.Constant {value = dense<4.000000e+00> : tensor<4xf32>}
func.func @main(%x: tensor<1x2x4xf32>) -> tensor<1x2x2xf32> {
  %s = onnx.Constant {value = dense<[4.0, 0.5, 0.5, 0.5]> : tensor<4xf32>} : tensor<4xf32> loc("s"("s"))
  %b = onnx.Constant {value = dense<[1.0, 1.0, 1.0, 1.0]> : tensor<4xf32>} : tensor<4xf32> loc("b"("b"))
  %w = onnx.Constant {value = dense<[[1.0, 1.0], [1.0, 1.0], [1.0, 1.0], [1.0, 1.0]]> : tensor<4x2xf32>} : tensor<4x2xf32> loc("w"("w"))
  %n = onnx.LayerNormalization(%x, %s, %b) {axis = -1 : i64} : (tensor<1x2x4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<1x2x4xf32> loc("norm"("n"))
  %y = onnx.MatMul(%n, %w) {quant.channel_maxima = dense<[8.0, 1.0, 1.0, 1.0]> : tensor<4xf32>} : (tensor<1x2x4xf32>, tensor<4x2xf32>) -> tensor<1x2x2xf32> loc("product"("y"))
  func.return %y : tensor<1x2x2xf32>
}

// -----

// What is read by others too, and is no normalization, stays as it is.
// CHECK-LABEL: @main
// CHECK: [[R:%\w+]] = onnx.Relu(%x) : {{.*}} loc("relu"("r"))
// CHECK: onnx.MatMul([[R]], %w)
func.func @main(%x: tensor<2x2xf32>) -> (tensor<2x2xf32>, tensor<2x2xf32>) {
  %w = onnx.Constant {value = dense<[[1.0, 1.0], [1.0, 1.0]]> : tensor<2x2xf32>} : tensor<2x2xf32>
  %r = onnx.Relu(%x) : (tensor<2x2xf32>) -> tensor<2x2xf32> loc("relu"("r"))
  %y = onnx.MatMul(%r, %w) {quant.channel_maxima = dense<[8.0, 0.125]> : tensor<2xf32>} : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32> loc("product"("y"))
  func.return %r, %y : tensor<2x2xf32>, tensor<2x2xf32>
}
