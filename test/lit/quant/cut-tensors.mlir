// RUN: ax-opt -p "quant-cut-tensors{inputs=sum outputs=relu}" --split-input-file --mlir-print-debuginfo %s | filecheck %s --check-prefix=TAIL
// RUN: ax-opt -p "quant-cut-tensors{inputs=sum,relu outputs=sum,relu,y}" --split-input-file --mlir-print-debuginfo %s | filecheck %s --check-prefix=EACH
// RUN: ax-opt -p "quant-cut-tensors" --split-input-file %s | filecheck %s --check-prefix=WHOLE
// RUN: ax-opt -p "quant-cut-tensors{inputs=sum,relu outputs=sum,relu,y},partition,schedule,emit" --split-input-file %s | filecheck %s --check-prefix=PROGRAM
// RUN: not ax-opt -p "quant-cut-tensors{inputs=smu outputs=z}" --split-input-file %s 2>&1 | filecheck %s --check-prefix=WRONG

// What comes behind one tensor, up to another: what the first was computed from is gone.
// TAIL: func.func @main(%{{.*}}: tensor<4xf32> loc("sum_given")) -> tensor<4xf32> attributes {ax.input_names = ["sum_given"], ax.output_names = ["relu"]}
// TAIL-NEXT: [[Q:%\w+]] = quant.qcast {{.*}} -> tensor<4x!quant.uniform<u8:f32, 0.2:128>> loc("sum_given_QuantizeLinear")
// TAIL-NEXT: [[R:%\w+]] = quant.unary relu [[Q]]
// TAIL-NEXT: [[D:%\w+]] = quant.dcast [[R]] : {{.*}} loc("relu_exposed"("relu_exposed"))
// TAIL-NEXT: func.return [[D]] : tensor<4xf32>

// Each operation by itself.
// EACH: ax.input_names = ["x", "sum_given", "relu_given"], ax.output_names = ["sum", "relu", "y"]
// EACH-DAG: [[R:%\w+]] = quant.qcast {{.*}} loc("relu_given_QuantizeLinear")
// EACH-DAG: [[S:%\w+]] = quant.qcast {{.*}} loc("sum_given_QuantizeLinear")
// EACH: quant.unary relu [[S]]
// EACH: quant.dcast [[R]] : {{.*}} loc("y_DequantizeLinear"("y"))

// WHOLE: ax.input_names = ["x"], ax.output_names = ["y"]

// PROGRAM-DAG: ax650.port "sum_given" <input
// PROGRAM-DAG: ax650.port "relu_given" <input

// WRONG: the graph has no tensor 'smu'
// WRONG-SAME: did you mean 'sum'
// WRONG: the graph has no tensor 'z'
func.func @main(%x: tensor<4xf32> loc("x")) -> tensor<4xf32> attributes {ax.input_names = ["x"], ax.output_names = ["y"]} {
  %0 = quant.qcast %x : tensor<4xf32> -> tensor<4x!quant.uniform<u8:f32, 0.1:128>> loc("x_QuantizeLinear")
  %1 = quant.add %0, %0 : (tensor<4x!quant.uniform<u8:f32, 0.1:128>>, tensor<4x!quant.uniform<u8:f32, 0.1:128>>) -> tensor<4x!quant.uniform<u8:f32, 0.2:128>> loc("add"("sum"))
  %2 = quant.unary relu %1 : tensor<4x!quant.uniform<u8:f32, 0.2:128>> -> tensor<4x!quant.uniform<u8:f32, 0.1>> loc("relu"("relu"))
  %3 = quant.dcast %2 : tensor<4x!quant.uniform<u8:f32, 0.1>> -> tensor<4xf32> loc("y_DequantizeLinear"("y"))
  func.return %3 : tensor<4xf32>
}
