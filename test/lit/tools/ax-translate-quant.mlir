// RUN: ax-translate --export-qlinear %s -o %t.onnx
// RUN: ax-translate --import-onnx %t.onnx | filecheck %s --check-prefix INTEGER
// RUN: ax-translate --export-qdq %s | ax-translate --import-onnx | filecheck %s --check-prefix QDQ

// INTEGER: func.func @main(%x: tensor<1x4xui8> loc("x")) -> tensor<1x2xf32>
// INTEGER: onnx.MatMulInteger
// INTEGER-NOT: onnx.QLinearMatMul

// QDQ: onnx.DequantizeLinear(%x
// QDQ: onnx.MatMul
func.func @main(%x: tensor<1x4x!quant.uniform<u8:f32, 0.5:3>> loc("x")) -> tensor<1x2xf32> attributes {ax.input_names = ["x"], ax.output_names = ["y"]} {
  %w = quant.constant dense<[[1, 2], [3, 4], [5, 6], [7, 8]]> : tensor<4x2xi8> : tensor<4x2x!quant.uniform<i8:f32, 0.25>> loc("w"("w"))
  %0 = quant.matmul %x, %w : (tensor<1x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<4x2x!quant.uniform<i8:f32, 0.25>>) -> tensor<1x2x!quant.uniform<u8:f32, 0.125:7>> loc("fc"("z"))
  %1 = quant.dcast %0 : tensor<1x2x!quant.uniform<u8:f32, 0.125:7>> -> tensor<1x2xf32> loc("dq"("y"))
  func.return %1 : tensor<1x2xf32>
}
