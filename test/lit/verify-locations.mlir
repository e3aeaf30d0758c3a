// RUN: ax-opt -p verify-locations --split-input-file --verify-diagnostics %s | filecheck %s

// CHECK-LABEL: @named
func.func @named(%x: tensor<2xf32>) -> tensor<2xf32> {
  %y = onnx.Relu(%x) : (tensor<2xf32>) -> tensor<2xf32> loc("node"("y"))
  %z = onnx.Relu(%y) : (tensor<2xf32>) -> tensor<2xf32>
  func.return %z : tensor<2xf32>
}

// -----

// expected-error@+1 {{'func.func': has no location: names are lost here}}
func.func @lost(%x: tensor<2xf32>) -> tensor<2xf32> {
  // expected-error@+1 {{'onnx.Relu': has no location: names are lost here}}
  %y = onnx.Relu(%x) : (tensor<2xf32>) -> tensor<2xf32> loc(unknown)
  func.return %y : tensor<2xf32>
} loc(unknown)
