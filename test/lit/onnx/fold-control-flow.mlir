// RUN: ax-opt -p onnx-fold-control-flow --split-input-file %s | filecheck %s
// RUN: ax-opt -p 'onnx-fold-control-flow{max-trips=1}' --split-input-file %s | filecheck %s --check-prefix=ONE

// A condition that follows from a shape; the types behind follow.
// CHECK-LABEL: func.func @main(%x: tensor<2x3xf32>) -> tensor<2x3xf32>
func.func @main(%x: tensor<2x3xf32>) -> tensor<*xf32> {
  %s = onnx.Size(%x) : (tensor<2x3xf32>) -> tensor<i64>
  %six = onnx.Constant {value = dense<6> : tensor<i64>} : tensor<i64>
  %c = onnx.Equal(%s, %six) : (tensor<i64>, tensor<i64>) -> tensor<i1>
  // CHECK-NOT: onnx.If
  // CHECK: [[R:%\w+]] = onnx.Relu(%x)
  %i = onnx.If(%c) ({
    %r = onnx.Relu(%x) : (tensor<2x3xf32>) -> tensor<2x3xf32>
    onnx.Yield(%r) : (tensor<2x3xf32>) -> ()
  }, {
    %f = onnx.Flatten(%x) : (tensor<2x3xf32>) -> tensor<2x3xf32>
    onnx.Yield(%f) : (tensor<2x3xf32>) -> ()
  }) : (tensor<i1>) -> tensor<*xf32>
  // CHECK-NEXT: [[N:%\w+]] = onnx.Neg([[R]]) : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %n = onnx.Neg(%i) : (tensor<*xf32>) -> tensor<*xf32>
  // CHECK-NEXT: func.return [[N]]
  func.return %n : tensor<*xf32>
}

// -----

// Two trips; the condition is handed on.
// CHECK-LABEL: @main
// ONE-LABEL: @main
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %two = onnx.Constant {value = dense<2> : tensor<i64>} : tensor<i64>
  %true = onnx.Constant {value = dense<true> : tensor<i1>} : tensor<i1>
  // CHECK-NOT: onnx.Loop
  // CHECK: [[A:%\w+]] = onnx.Sin(%x)
  // CHECK: [[B:%\w+]] = onnx.Sin([[A]])
  // CHECK: func.return [[B]]
  // ONE: onnx.Loop
  %y = onnx.Loop(%two, %true, %x) ({
  ^bb0(%i: tensor<i64>, %c: tensor<i1>, %v: tensor<4xf32>):
    %s = onnx.Sin(%v) : (tensor<4xf32>) -> tensor<4xf32>
    %d = onnx.Identity(%c) : (tensor<i1>) -> tensor<i1>
    onnx.Yield(%d, %s) : (tensor<i1>, tensor<4xf32>) -> ()
  }) : (tensor<i64>, tensor<i1>, tensor<4xf32>) -> tensor<4xf32>
  func.return %y : tensor<4xf32>
}

// -----

// Conditions that only running tells, and scan outputs.
// CHECK-LABEL: @main
func.func @main(%x: tensor<4xf32>, %c: tensor<i1>, %n: tensor<i64>) -> (tensor<4xf32>, tensor<4xf32>, tensor<1x4xf32>) {
  // CHECK: onnx.If(%c)
  %i = onnx.If(%c) ({
    onnx.Yield(%x) : (tensor<4xf32>) -> ()
  }, {
    onnx.Yield(%x) : (tensor<4xf32>) -> ()
  }) : (tensor<i1>) -> tensor<4xf32>
  // CHECK: onnx.Loop(%n, %c, %x)
  %y = onnx.Loop(%n, %c, %x) ({
  ^bb0(%k: tensor<i64>, %d: tensor<i1>, %v: tensor<4xf32>):
    onnx.Yield(%d, %v) : (tensor<i1>, tensor<4xf32>) -> ()
  }) : (tensor<i64>, tensor<i1>, tensor<4xf32>) -> tensor<4xf32>
  %one = onnx.Constant {value = dense<1> : tensor<i64>} : tensor<i64>
  %none = onnx.NoValue : none
  // CHECK: onnx.Loop({{.*}}, {{.*}})
  %z = onnx.Loop(%one, %none) ({
  ^bb1(%k: tensor<i64>, %d: tensor<i1>):
    onnx.Yield(%d, %x) : (tensor<i1>, tensor<4xf32>) -> ()
  }) : (tensor<i64>, none) -> tensor<1x4xf32>
  func.return %i, %y, %z : tensor<4xf32>, tensor<4xf32>, tensor<1x4xf32>
}

// -----

// A branch that can only fail is not the one that runs.
// CHECK-LABEL: @main
func.func @main(%x: tensor<4xf32>, %y: tensor<3xf32>, %c: tensor<i1>) -> tensor<*xf32> {
  // CHECK-NEXT: [[R:%\w+]] = onnx.Relu(%x)
  // CHECK-NEXT: func.return [[R]]
  %i = onnx.If(%c) ({
    %a = onnx.Add(%x, %y) : (tensor<4xf32>, tensor<3xf32>) -> tensor<*xf32>
    onnx.Yield(%a) : (tensor<*xf32>) -> ()
  }, {
    %r = onnx.Relu(%x) : (tensor<4xf32>) -> tensor<4xf32>
    onnx.Yield(%r) : (tensor<4xf32>) -> ()
  }) : (tensor<i1>) -> tensor<*xf32>
  func.return %i : tensor<*xf32>
}
