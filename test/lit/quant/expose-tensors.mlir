// RUN: ax-opt -p quant-expose-tensors --mlir-print-debuginfo %s | filecheck %s
// RUN: ax-opt -p quant-expose-tensors,partition,schedule,emit %s | filecheck %s --check-prefix=PROGRAM

// A sum that is not returned becomes an output; one without a name, and one that is returned, do not.
// CHECK: func.func @main({{.*}}) -> (tensor<4xf32>, tensor<4xf32>) attributes {ax.input_names = ["x"], ax.output_names = ["y", "sum"]}
// CHECK: [[Q:%\w+]] = quant.qcast
// CHECK: [[S:%\w+]] = quant.add [[Q]], [[Q]]
// CHECK-NEXT: [[D:%\w+]] = quant.dcast [[S]] : {{.*}} loc("sum_exposed"("sum_exposed"))
// CHECK: [[Y:%\w+]] = quant.dcast
// CHECK-NEXT: func.return [[Y]], [[D]] : tensor<4xf32>, tensor<4xf32>

// PROGRAM: ax650.port "sum_exposed" <output f32 [4] : [4]>
// PROGRAM: ax650.port "y" <output f32 [4] : [4] + 64>
func.func @main(%x: tensor<4xf32> loc("x")) -> tensor<4xf32> attributes {ax.input_names = ["x"], ax.output_names = ["y"]} {
  %0 = quant.qcast %x : tensor<4xf32> -> tensor<4x!quant.uniform<u8:f32, 0.1:128>> loc("x_QuantizeLinear")
  %1 = quant.add %0, %0 : (tensor<4x!quant.uniform<u8:f32, 0.1:128>>, tensor<4x!quant.uniform<u8:f32, 0.1:128>>) -> tensor<4x!quant.uniform<u8:f32, 0.2:128>> loc("add"("sum"))
  %2 = quant.unary relu %1 : tensor<4x!quant.uniform<u8:f32, 0.2:128>> -> tensor<4x!quant.uniform<u8:f32, 0.1>> loc("relu")
  %3 = quant.dcast %2 : tensor<4x!quant.uniform<u8:f32, 0.1>> -> tensor<4xf32> loc("y_DequantizeLinear"("y"))
  func.return %3 : tensor<4xf32>
}
