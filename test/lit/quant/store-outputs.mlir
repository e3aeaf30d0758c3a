// RUN: ax-opt -p 'quant-store-outputs{outputs=y}' --split-input-file --mlir-print-debuginfo %s | filecheck %s
// RUN: ax-opt -p quant-store-outputs --split-input-file %s | filecheck %s --check-prefix NONE
// RUN: not ax-opt -p 'quant-store-outputs{outputs=yy,x}' --split-input-file %s 2>&1 | filecheck %s --check-prefix BAD

// CHECK-LABEL: func.func @main
// CHECK-SAME: -> tensor<4x!quant.uniform<u8:f32, 0.1>>
// CHECK-NEXT: [[Q:%\w+]] = quant.qcast %x {{.*}} loc("q"("y"))
// CHECK-NEXT: func.return [[Q]]
// NONE: quant.dcast
// BAD: 'yy' is not an output of the graph
// BAD: 'x' is not an output of the graph
func.func @main(%x: tensor<4xf32> loc("x")) -> tensor<4xf32> attributes {ax.output_names = ["y"]} {
  %1 = quant.qcast %x : tensor<4xf32> -> tensor<4x!quant.uniform<u8:f32, 0.1>> loc("q"("y_quantized"))
  %2 = quant.dcast %1 : tensor<4x!quant.uniform<u8:f32, 0.1>> -> tensor<4xf32> loc("y_DequantizeLinear"("y"))
  func.return %2 : tensor<4xf32>
}

// -----

// 16 bits become 8 over the same range.
// CHECK-LABEL: func.func @main
// CHECK: quant.requantize {{.*}} : tensor<4x!quant.uniform<i16:f32, 0.1>> -> tensor<4x!quant.uniform<u8:f32, 25.7:128>> loc("y_Requantize"("y"))
// CHECK-NEXT: func.return
func.func @main(%x: tensor<4xf32> loc("x")) -> tensor<4xf32> attributes {ax.output_names = ["y"]} {
  %1 = quant.qcast %x : tensor<4xf32> -> tensor<4x!quant.uniform<i16:f32, 0.1>> loc("q"("y_quantized"))
  %2 = quant.dcast %1 : tensor<4x!quant.uniform<i16:f32, 0.1>> -> tensor<4xf32> loc("y_DequantizeLinear"("y"))
  func.return %2 : tensor<4xf32>
}
