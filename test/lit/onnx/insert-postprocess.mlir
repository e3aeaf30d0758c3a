// RUN: ax-opt -p 'onnx-insert-postprocess{outputs="y perm=0,2,3,1"}' --mlir-print-debuginfo %s | filecheck %s
// RUN: ax-opt -p 'onnx-insert-postprocess{outputs="y perm=0,1,2,3"}' %s | filecheck %s --check-prefix=SAME
// RUN: not ax-opt -p 'onnx-insert-postprocess{outputs="z perm=0,1","row perm=0,0","row"}' %s 2>&1 | filecheck %s --check-prefix=WRONG
// RUN: not ax-opt -p 'onnx-insert-postprocess{outputs="yy perm=0,1,2,3","row perm=0,0"}' %s 2>&1 | filecheck %s --check-prefix=FIT

// CHECK: func.func @main({{.*}}) -> (tensor<1x4x4x3xf32>, tensor<1x8xf32>) attributes {ax.output_names = ["y", "row"]}
// CHECK: [[R:%\w+]] = onnx.Relu({{.*}} loc("relu"("y_before_Transpose"))
// CHECK-NEXT: [[T:%\w+]] = onnx.Transpose([[R]]) {perm = array<i64: 0, 2, 3, 1>, quant.ranges = [array<f32: 0.000000e+00, 1.000000e+00>]} : (tensor<1x3x4x4xf32>) -> tensor<1x4x4x3xf32> loc("y_Transpose"("y"))
// CHECK-NEXT: func.return [[T]], %row

// SAME-NOT: onnx.Transpose

// WRONG: 'row' is not an output's name and perm=..

// FIT: 'yy' is not an output of the graph (did you mean 'y'?
// FIT: perm=0,0 does not fit its 2 axes (each axis once)
func.func @main(%image: tensor<1x3x4x4xf32> loc("image"), %row: tensor<1x8xf32> loc("row")) -> (tensor<1x3x4x4xf32>, tensor<1x8xf32>) attributes {ax.output_names = ["y", "row"]} {
  %y = onnx.Relu(%image) {quant.ranges = [array<f32: 0.0, 1.0>]} : (tensor<1x3x4x4xf32>) -> tensor<1x3x4x4xf32> loc("relu"("y"))
  func.return %y, %row : tensor<1x3x4x4xf32>, tensor<1x8xf32>
}
