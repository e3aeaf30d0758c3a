// RUN: ax-opt -p 'convert-onnx-to-quant{ln-scale=S32}' %s | filecheck %s
// RUN: ax-opt -p convert-onnx-to-quant %s | filecheck %s --check-prefix=FLOAT
// RUN: not ax-opt -p 'convert-onnx-to-quant{ln-scale=U32}' %s 2>&1 | filecheck %s --check-prefix=NEGATIVE

// The scale as whole numbers: -4 * 2^28 and 0.5 * 2^28. A GroupNormalization keeps f32.
// CHECK: dense<[-1073741824, 134217728]> : tensor<2xi32>
// CHECK: quant.norm layer {{.*}} fraction 28
// CHECK: quant.norm layer
// CHECK-NOT: fraction
// CHECK: return
// FLOAT-NOT: fraction
// NEGATIVE: the scale 's' holds 1 negative number(s), which ln_scale_data_type U32 cannot hold
func.func @main(%x: tensor<1x2xf32> {quant.range = array<f32: -1.0, 1.0>}) -> tensor<1x2xf32> {
  %s = onnx.Constant {value = dense<[-4.0, 0.5]> : tensor<2xf32>} : tensor<2xf32> loc("s"("s"))
  %b = onnx.Constant {value = dense<[1.0, 1.0]> : tensor<2xf32>} : tensor<2xf32> loc("b"("b"))
  %n = onnx.LayerNormalization(%x, %s) {axis = -1 : i64, quant.ranges = [array<f32: -4.0, 4.0>]} : (tensor<1x2xf32>, tensor<2xf32>) -> tensor<1x2xf32> loc("norm"("n"))
  %y = onnx.GroupNormalization(%n, %b, %b) {num_groups = 1 : i64, quant.ranges = [array<f32: -4.0, 4.0>]} : (tensor<1x2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2xf32> loc("group"("y"))
  func.return %y : tensor<1x2xf32>
}
