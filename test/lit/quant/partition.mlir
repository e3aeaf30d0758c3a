// RUN: ax-opt -p quant-partition --split-input-file --mlir-print-debuginfo %s | filecheck %s

// CHECK-LABEL: func.func @main(%x: tensor<2xf32> loc("x")) -> tensor<2xf32>
// CHECK-NEXT: [[Y:%\w+]] = func.call @subgraph_npu_0(%x) : (tensor<2xf32>) -> tensor<2xf32> loc("subgraph_npu_0"("y"))
// CHECK-NEXT: func.return [[Y]] : tensor<2xf32>
// CHECK: func.func private @subgraph_npu_0(%x: tensor<2xf32> loc("x")) -> tensor<2xf32> attributes {ax.device = "NPU", ax.input_names = ["x"], ax.output_names = ["y"]} {
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

// Operators of another dialect are the CPU's, and part the subgraphs that they stand between. A
// branch that needs none of them belongs to the first subgraph.
// CHECK-LABEL: func.func @main
// CHECK-NEXT: [[S:%\w+]], [[T:%\w+]] = func.call @subgraph_npu_0(%x)
// CHECK-NEXT: [[F:%\w+]] = func.call @subgraph_cpu_0([[S]])
// CHECK-NEXT: [[Y:%\w+]] = func.call @subgraph_npu_1([[F]], [[T]])
// CHECK-NEXT: func.return [[Y]]
// CHECK: func.func private @subgraph_npu_0
// CHECK-NEXT: quant.unary relu %x
// CHECK-NEXT: quant.unary abs %x
// CHECK-NEXT: func.return
// CHECK: func.func private @subgraph_cpu_0({{.*}}) -> tensor<2xf32> attributes {ax.device = "CPU", ax.input_names = ["a"], ax.output_names = ["b"]}
// CHECK-NEXT: onnx.Softsign
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

// -----

// As few subgraphs as can be: what the CPU has to do of both branches is done at once. Constants go
// where they are used, inside a region too, and a condition does not leave its subgraph.
// CHECK-LABEL: func.func @main
// CHECK-NEXT: [[S:%\w+]] = func.call @subgraph_npu_0(%x)
// CHECK-NEXT: [[B:%\w+]], [[D:%\w+]] = func.call @subgraph_cpu_0([[S]], %p, %x)
// CHECK-NEXT: [[E:%\w+]] = func.call @subgraph_npu_1([[D]])
// CHECK-NEXT: func.return [[B]], [[E]]
// CHECK: func.func private @subgraph_npu_0
// CHECK-NEXT: quant.unary relu
// CHECK-NEXT: func.return
// CHECK: func.func private @subgraph_cpu_0([[A0:%\w+]]: tensor<2xf32> loc("a"), [[P0:%\w+]]: tensor<i1> loc("p"), [[X0:%\w+]]: tensor<2xf32> loc("x"))
// CHECK-NEXT: [[K:%\w+]] = onnx.Constant
// CHECK-NEXT: onnx.Softsign([[A0]])
// CHECK-NEXT: onnx.If([[P0]]) ({
// CHECK-NEXT: onnx.Add([[X0]], [[K]])
// CHECK: onnx.Yield([[X0]])
// CHECK: func.return
// CHECK: func.func private @subgraph_npu_1
// CHECK-NEXT: quant.unary relu
func.func @main(%x: tensor<2xf32> loc("x"), %p: tensor<i1> loc("p")) -> (tensor<2xf32>, tensor<2xf32>) {
  %k = onnx.Constant {value = dense<[1.5, 2.5]> : tensor<2xf32>} : tensor<2xf32> loc("k"("k"))
  %0 = quant.unary relu %x : tensor<2xf32> -> tensor<2xf32> loc("a"("a"))
  %1 = onnx.Softsign(%0) : (tensor<2xf32>) -> tensor<2xf32> loc("b"("b"))
  %2 = onnx.If(%p) ({
    %i = onnx.Add(%x, %k) : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32> loc("i"("i"))
    onnx.Yield(%i) : (tensor<2xf32>) -> ()
  }, {
    onnx.Yield(%x) : (tensor<2xf32>) -> ()
  }) : (tensor<i1>) -> tensor<2xf32> loc("d"("d"))
  %3 = quant.unary relu %2 : tensor<2xf32> -> tensor<2xf32> loc("e"("e"))
  func.return %1, %3 : tensor<2xf32>, tensor<2xf32>
}

// -----

// Tensors without a name, or with one that is taken, get one.
// CHECK-LABEL: func.func @main
// CHECK-NEXT: func.call @subgraph_cpu_0(%x) {{.*}} loc("subgraph_cpu_0"(fused["sign_output_0", "x_1"]))
// CHECK-NEXT: func.call @subgraph_npu_0({{.*}}) {{.*}} loc("subgraph_npu_0"("y"))
func.func @main(%x: tensor<2xf32> loc("x")) -> (tensor<2xf32>) {
  %0 = onnx.Sign(%x) : (tensor<2xf32>) -> tensor<2xf32> loc("sign")
  %1 = onnx.Softsign(%x) : (tensor<2xf32>) -> tensor<2xf32> loc("b"("x"))
  %2 = quant.add %0, %1 : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32> loc("c"("y"))
  func.return %2 : tensor<2xf32>
}
