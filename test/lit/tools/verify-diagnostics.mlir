// RUN: ax-opt %s --split-input-file --verify-diagnostics -p onnx-infer-shapes,verify-locations | filecheck %s
// The errors that --verify-diagnostics knows: of the parser, of verifiers, of passes. A part in which
// an error was expected leaves no output; the others do.
// CHECK: builtin.module {
// CHECK-NEXT: func.func @right
// CHECK-NOT: func.func

// expected-error@+1 {{unknown operation 'foo'}}
foo

// -----

func.func @parser(%x: tensor<2xf32>) {
  // expected-error@below {{unknown operation 'onnx.Rellu' (did you mean 'onnx.Relu'?)}}
  %y = onnx.Rellu(%x) : (tensor<2xf32>) -> tensor<2xf32>
  func.return
}

// -----

func.func @type(%x: tensor<2xf32>) {
  // expected-error@+1 {{'i7' is not one of u4, i4}}
  %y = quant.qcast %x : tensor<2xf32> -> tensor<2x!quant.uniform<i7:f32, 0.1>>
  func.return
}

// -----

func.func @verifier(%x: tensor<2xf32>) {
  %y = onnx.Relu(%z) : (tensor<2xf32>) -> tensor<2xf32> // expected-error {{operand 0 is not defined before its use}}
  %z = onnx.Relu(%x, %x) : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  // expected-error@above {{expects 1 operands, got 2}}
  func.return
}

// -----

func.func @right(%x: tensor<2xf32>) {
  func.return
}

// -----

func.func @pass(%x: tensor<2xf32>, %y: tensor<3xf32>) -> tensor<2xf32> {
  // expected-error@+1 {{Incompatible dimensions}}
  %z = onnx.Add(%x, %y) : (tensor<2xf32>, tensor<3xf32>) -> tensor<2xf32>
  func.return %z : tensor<2xf32>
}

// -----

func.func @location(%x: tensor<2xf32>) -> tensor<2xf32> {
  // expected-error@+1 {{has no location}}
  %z = onnx.Relu(%x) : (tensor<2xf32>) -> tensor<2xf32> loc(unknown)
  func.return %z : tensor<2xf32>
}
