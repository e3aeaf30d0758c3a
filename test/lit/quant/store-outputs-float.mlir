// RUN: not ax-opt -p 'quant-store-outputs{outputs=y}' %s 2>&1 | filecheck %s

// CHECK: the output 'y' is not quantized, so it has no form in U8 (output_dtype FP32
func.func @main(%x: tensor<4xf32> loc("x")) -> tensor<4xf32> attributes {ax.output_names = ["y"]} {
  %0 = quant.unary relu %x : tensor<4xf32> -> tensor<4xf32> loc("y"("y"))
  func.return %0 : tensor<4xf32>
}
