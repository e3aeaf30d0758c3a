// RUN: ax-opt %s | ax-opt | filecheck %s
// RUN: ax-opt %s --mlir-print-op-generic | ax-opt | filecheck %s

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<1x8xui8>) -> tensor<1x4xf32> {
  // CHECK-NEXT: ax.invoke @subgraph_npu_0(%x) : (tensor<1x8xui8>) -> tensor<1x4xf32>
  %y = ax.invoke @subgraph_npu_0(%x) : (tensor<1x8xui8>) -> tensor<1x4xf32>
  // CHECK-NEXT: onnx.Constant {value = #ax.weight<"9f86d081884c7d659a2feaa0c55ad015", tensor<32x3x3x3xf32>>}
  %w = onnx.Constant {value = #ax.weight<"9f86d081884c7d659a2feaa0c55ad015", tensor<32x3x3x3xf32>>} : tensor<32x3x3x3xf32>
  func.return %y : tensor<1x4xf32>
}

func.func private @subgraph_npu_0(%x: tensor<1x8xui8>) -> tensor<1x4xf32>
