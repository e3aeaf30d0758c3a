// RUN: ax-opt -p onnx-infer-shapes --split-input-file --verify-diagnostics %s | filecheck %s

// Shapes follow from operands, from constants, and from shapes; the signature follows.
// CHECK-LABEL: func.func @main(%x: tensor<2x3x4xf32>) -> tensor<2x12xf32>
func.func @main(%x: tensor<2x3x4xf32>) -> tensor<*xf32> {
  // CHECK: onnx.Relu(%x) : (tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %a = onnx.Relu(%x) : (tensor<2x3x4xf32>) -> tensor<*xf32>
  %s = onnx.Shape(%x) {end = 1 : i64} : (tensor<2x3x4xf32>) -> tensor<*xi64>
  %m = onnx.Constant {value = dense<[-1]> : tensor<1xi64>} : tensor<1xi64>
  %t = onnx.Concat(%s, %m) {axis = 0 : i64} : (tensor<*xi64>, tensor<1xi64>) -> tensor<*xi64>
  // CHECK: onnx.Reshape({{.*}}) : (tensor<2x3x4xf32>, tensor<2xi64>) -> tensor<2x12xf32>
  %r = onnx.Reshape(%a, %t) : (tensor<*xf32>, tensor<*xi64>) -> tensor<*xf32>
  func.return %r : tensor<*xf32>
}

// -----

// What cannot be inferred keeps its type; both branches count.
// CHECK-LABEL: func.func @main(%x: tensor<?x4xf32>, %c: tensor<i1>) -> (tensor<2x4xf32>, tensor<?x4xf32>)
func.func @main(%x: tensor<?x4xf32>, %c: tensor<i1>) -> (tensor<2x4xf32>, tensor<*xf32>) {
  // CHECK: onnx.Relu(%x) : (tensor<?x4xf32>) -> tensor<2x4xf32>
  %a = onnx.Relu(%x) : (tensor<?x4xf32>) -> tensor<2x4xf32>
  // CHECK: onnx.If
  %b = onnx.If(%c) ({
    %n = onnx.Neg(%a) : (tensor<2x4xf32>) -> tensor<*xf32>
    onnx.Yield(%n) : (tensor<*xf32>) -> ()
  }, {
    onnx.Yield(%x) : (tensor<?x4xf32>) -> ()
  // CHECK: }) : (tensor<i1>) -> tensor<?x4xf32>
  }) : (tensor<i1>) -> tensor<*xf32>
  func.return %a, %b : tensor<2x4xf32>, tensor<*xf32>
}

// -----

// Operands that do not fit.
func.func @main(%x: tensor<2x3xf32>, %z: tensor<4xf32>) {
  // expected-error@+1 {{onnx.Concat: All inputs to Concat must have same rank}}
  %a = onnx.Concat(%x, %z) {axis = 0 : i64} : (tensor<2x3xf32>, tensor<4xf32>) -> tensor<*xf32>
  func.return
}
