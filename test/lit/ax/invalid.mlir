// RUN: ax-opt %s --split-input-file --verify-diagnostics

func.func @main(%x: tensor<1x8xui8>) -> tensor<1x4xf32> {
  // expected-error@+1 {{there is no subgraph 'subgraph_npu_0'}}
  %y = ax.invoke @subgraph_npu_0(%x) : (tensor<1x8xui8>) -> tensor<1x4xf32>
  func.return %y : tensor<1x4xf32>
}

// -----

func.func @main() {
  // expected-error@+1 {{a weight key has 32 hexadecimal digits, got '9f86'}}
  %w = onnx.Constant {value = #ax.weight<"9f86", tensor<2xf32>>} : tensor<2xf32>
  func.return
}
