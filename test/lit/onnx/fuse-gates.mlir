// RUN: ax-opt -p onnx-fuse-gates --split-input-file %s | filecheck %s

// CHECK-LABEL: @main
func.func @main(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %one = onnx.Constant {value = dense<1.0> : tensor<f32>} : tensor<f32>
  %half = onnx.Constant {value = dense<0.5> : tensor<f32>} : tensor<f32>
  %root = onnx.Constant {value = dense<1.41421354> : tensor<f32>} : tensor<f32>
  %three = onnx.Constant {value = dense<3.0> : tensor<f32>} : tensor<f32>
  %c = onnx.Constant {value = dense<4.471500e-02> : tensor<f32>} : tensor<f32>
  %k = onnx.Constant {value = dense<0.797884583> : tensor<f32>} : tensor<f32>
  // 1 / (1 + exp(-x)) times x.
  // CHECK: [[A:%\w+]] = onnx.Swish(%x)
  %n = onnx.Neg(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %e = onnx.Exp(%n) : (tensor<4xf32>) -> tensor<4xf32>
  %p = onnx.Add(%one, %e) : (tensor<f32>, tensor<4xf32>) -> tensor<4xf32>
  %a = onnx.Div(%x, %p) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  // CHECK-NEXT: [[B:%\w+]] = onnx.Gelu(%x) :
  %d = onnx.Div(%x, %root) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %f = onnx.Erf(%d) : (tensor<4xf32>) -> tensor<4xf32>
  %g = onnx.Add(%f, %one) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %h = onnx.Mul(%x, %g) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %b = onnx.Mul(%h, %half) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  // CHECK-NEXT: [[C:%\w+]] = onnx.Gelu(%x) {approximate = "tanh"}
  %i = onnx.Pow(%x, %three) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %j = onnx.Mul(%i, %c) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %l = onnx.Add(%x, %j) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %m = onnx.Mul(%l, %k) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %o = onnx.Tanh(%m) : (tensor<4xf32>) -> tensor<4xf32>
  %q = onnx.Add(%o, %one) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %r = onnx.Mul(%x, %half) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %s = onnx.Mul(%r, %q) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  // CHECK-NEXT: [[D:%\w+]] = onnx.Mish(%x)
  %t = onnx.Exp(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %u = onnx.Add(%t, %one) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %v = onnx.Log(%u) : (tensor<4xf32>) -> tensor<4xf32>
  %w = onnx.Tanh(%v) : (tensor<4xf32>) -> tensor<4xf32>
  %z = onnx.Mul(%x, %w) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  // CHECK-NEXT: func.return [[A]], [[B]], [[C]], [[D]]
  func.return %a, %b, %s, %z : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// -----

// Another number in the gate, a gate of another tensor, one that others use, another element type.
// CHECK-LABEL: @main
func.func @main(%x: tensor<4xf32>, %y: tensor<4xf32>, %z: tensor<4xf64>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf64>) {
  %k = onnx.Constant {value = dense<1.702> : tensor<f32>} : tensor<f32>
  // CHECK-NOT: onnx.Swish
  %a = onnx.Mul(%x, %k) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %b = onnx.Sigmoid(%a) : (tensor<4xf32>) -> tensor<4xf32>
  %c = onnx.Mul(%x, %b) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %d = onnx.Sigmoid(%y) : (tensor<4xf32>) -> tensor<4xf32>
  %e = onnx.Mul(%x, %d) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %f = onnx.Sigmoid(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %g = onnx.Mul(%x, %f) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %h = onnx.Sigmoid(%z) : (tensor<4xf64>) -> tensor<4xf64>
  %i = onnx.Mul(%z, %h) : (tensor<4xf64>, tensor<4xf64>) -> tensor<4xf64>
  func.return %c, %e, %f, %g, %i : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf64>
}

// -----

// CHECK-LABEL: @inverse_sigmoid
func.func @inverse_sigmoid(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %zero = onnx.Constant {value = dense<0.0> : tensor<f32>} : tensor<f32>
  %one = onnx.Constant {value = dense<1.0> : tensor<f32>} : tensor<f32>
  %eps = onnx.Constant {value = dense<0.01> : tensor<f32>} : tensor<f32>
  // CHECK: [[Y:%\w+]] = onnx.InverseSigmoid(%x) {eps = 1.000000e-02 : f32}
  %t = onnx.Clip(%x, %zero, %one) : (tensor<4xf32>, tensor<f32>, tensor<f32>) -> tensor<4xf32>
  %r = onnx.Sub(%one, %t) : (tensor<f32>, tensor<4xf32>) -> tensor<4xf32>
  %u = onnx.Clip(%t, %eps) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %w = onnx.Max(%r, %eps) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %q = onnx.Div(%u, %w) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %y = onnx.Log(%q) : (tensor<4xf32>) -> tensor<4xf32>
  // Of x that is not within 0 and 1 it is another function.
  // CHECK: [[Z:%\w+]] = onnx.Log
  %s = onnx.Sub(%one, %x) : (tensor<f32>, tensor<4xf32>) -> tensor<4xf32>
  %v = onnx.Clip(%x, %eps) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %k = onnx.Clip(%s, %eps) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %d = onnx.Div(%v, %k) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %z = onnx.Log(%d) : (tensor<4xf32>) -> tensor<4xf32>
  // CHECK: func.return [[Y]], [[Z]]
  func.return %y, %z : tensor<4xf32>, tensor<4xf32>
}
