// RUN: ax-opt -p quant-partition --split-input-file --mlir-print-debuginfo %s | filecheck %s

// CHECK-LABEL: func.func @main(%x: tensor<2xf32> loc("x")) -> tensor<2xf32>
// CHECK-NEXT: [[Y:%\w+]] = func.call @subgraph_npu_0(%x) : (tensor<2xf32>) -> tensor<2xf32> loc("subgraph_npu_0"("y"))
// CHECK-NEXT: func.return [[Y]] : tensor<2xf32>
// CHECK: func.func private @subgraph_npu_0(%x: tensor<2xf32> loc("x")) -> tensor<2xf32> attributes {ax.input_names = ["x"], ax.output_names = ["y"]} {
// CHECK-NEXT: [[C:%\w+]] = quant.constant
// CHECK-NEXT: [[Q:%\w+]] = quant.qcast %x
// CHECK-NEXT: [[A:%\w+]] = quant.add [[Q]], [[C]]
// CHECK-NEXT: [[D:%\w+]] = quant.dcast [[A]] {{.*}} loc("y_DequantizeLinear"("y"))
// CHECK-NEXT: func.return [[D]]
func.func @main(%x: tensor<2xf32> loc("x")) -> (tensor<2xf32>) {
  %c = quant.constant dense<[1, 2]> : tensor<2xui8> : tensor<2x!quant.uniform<u8:f32, 0.1>>
  %0 = quant.qcast %x : tensor<2xf32> -> tensor<2x!quant.uniform<u8:f32, 0.1>>
  %1 = quant.add %0, %c : (tensor<2x!quant.uniform<u8:f32, 0.1>>, tensor<2x!quant.uniform<u8:f32, 0.1>>) -> tensor<2x!quant.uniform<u8:f32, 0.1>>
  %2 = quant.dcast %1 : tensor<2x!quant.uniform<u8:f32, 0.1>> -> tensor<2xf32> loc("y_DequantizeLinear"("y"))
  func.return %2 : tensor<2xf32>
}

// -----

// Operators of another dialect stay, and part the subgraphs that they stand between. A branch that
// needs none of them belongs to the first subgraph.
// CHECK-LABEL: func.func @main
// CHECK-NEXT: [[S:%\w+]], [[T:%\w+]] = func.call @subgraph_npu_0(%x)
// CHECK-NEXT: [[F:%\w+]] = onnx.Softsign([[S]])
// CHECK-NEXT: [[Y:%\w+]] = func.call @subgraph_npu_1([[F]], [[T]])
// CHECK-NEXT: func.return [[Y]]
// CHECK: func.func private @subgraph_npu_0
// CHECK-NEXT: quant.unary relu %x
// CHECK-NEXT: quant.unary abs %x
// CHECK-NEXT: func.return
// CHECK: func.func private @subgraph_npu_1
// CHECK-NEXT: quant.add
// CHECK-NEXT: func.return
func.func @main(%x: tensor<2xf32> loc("x")) -> (tensor<2xf32>) {
  %0 = quant.unary relu %x : tensor<2xf32> -> tensor<2xf32> loc("a"("a"))
  %1 = onnx.Softsign(%0) : (tensor<2xf32>) -> tensor<2xf32> loc("b"("b"))
  %2 = quant.unary abs %x : tensor<2xf32> -> tensor<2xf32> loc("c"("c"))
  %3 = quant.add %1, %2 : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32> loc("d"("d"))
  func.return %3 : tensor<2xf32>
}

// -----

// Nothing to outline.
// CHECK-LABEL: func.func @main
// CHECK-NEXT: func.return %x
// CHECK-NOT: func.func private
func.func @main(%x: tensor<2xf32>) -> (tensor<2xf32>) {
  func.return %x : tensor<2xf32>
}
