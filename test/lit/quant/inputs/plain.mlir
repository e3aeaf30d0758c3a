// The bias is too large for 32 bits at the scale of the products, and stays so: it saturates. The Relu
// stands by itself.
// CHECK: dense<2147483647> : tensor<1xi32> : tensor<1x!quant.uniform<i32:f32:0, {0.0001}>>
// CHECK-NEXT: [[C:%\w+]] = quant.conv
// CHECK-NEXT: quant.unary relu [[C]]
func.func @main(%x: tensor<1x1x2x2xf32> {quant.range = array<f32: -1.0, 1.55>} loc("x")) -> (tensor<1x1x2x2xf32>) {
  %w = onnx.Constant {value = dense<1.27> : tensor<1x1x1x1xf32>} : tensor<1x1x1x1xf32> loc("w"("w"))
  %b = onnx.Constant {value = dense<1000000.0> : tensor<1xf32>} : tensor<1xf32> loc("b"("b"))
  %0 = onnx.Conv(%x, %w, %b) {quant.ranges = [array<f32: 0.0, 1000000.0>]} : (tensor<1x1x2x2xf32>, tensor<1x1x1x1xf32>, tensor<1xf32>) -> tensor<1x1x2x2xf32> loc("conv_0"("c"))
  %1 = onnx.Relu(%0) {quant.ranges = [array<f32: 0.0, 1000000.0>]} : (tensor<1x1x2x2xf32>) -> tensor<1x1x2x2xf32> loc("relu_1"("y"))
  func.return %1 : tensor<1x1x2x2xf32>
}
