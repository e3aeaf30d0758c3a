// RUN: ax-opt -p quant-choose-precision --split-input-file %s | filecheck %s
// RUN: ax-opt -p 'quant-choose-precision{level=2}' --split-input-file %s | filecheck %s --check-prefix=SECOND
// RUN: ax-opt -p 'quant-choose-precision{fuse=false}' --split-input-file %s | filecheck %s --check-prefix=APART
// RUN: not ax-opt -p 'quant-choose-precision{level=3}' %s 2>&1 | filecheck %s --check-prefix=WRONG

// WRONG: level

// The noise of everything else is 1. The sum adds more than its tenth, the projection less.
// CHECK-LABEL: @main
// CHECK-NOT: quant.noise
// CHECK: onnx.MatMul(%x, %w) :
// CHECK-NEXT: onnx.Add(%x, {{%\w+}}) {quant.output_data_type = "U16"} :
// CHECK-NEXT: onnx.Softmax({{%\w+}}) {quant.output_data_type = "U16"} :
// CHECK-NEXT: onnx.MatMul({{%\w+}}, %x) {quant.data_type = "U16"} :
// At level 2 half of that noise may be added.
// SECOND-LABEL: @main
// SECOND: onnx.Add(%x, {{%\w+}}) :
// SECOND-NEXT: onnx.Softmax({{%\w+}}) {quant.output_data_type = "U16"} :
// APART-LABEL: @main
// APART: onnx.Softmax({{%\w+}}) {quant.output_data_type = "U16"} :
func.func @main(%x: tensor<2x2xf32>) -> tensor<2x2xf32> attributes {quant.noise = 1.0 : f32} {
  %w = onnx.Constant {value = dense<[[1.0, 1.0], [1.0, 1.0]]> : tensor<2x2xf32>} : tensor<2x2xf32>
  %p = onnx.MatMul(%x, %w) {quant.noise = 0.05 : f32} : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32> loc("project"("p"))
  %s = onnx.Add(%x, %p) {quant.noise = 0.3 : f32} : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32> loc("sum"("s"))
  %a = onnx.Softmax(%s) {quant.noise = 0.6 : f32} : (tensor<2x2xf32>) -> tensor<2x2xf32> loc("soft"("a"))
  %y = onnx.MatMul(%a, %x) : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32> loc("context"("y"))
  func.return %y : tensor<2x2xf32>
}

// -----

// What a layer configuration speaks of stays as configured.
// CHECK-LABEL: @configured
// CHECK: onnx.Add(%x, %x) :
// CHECK-NEXT: onnx.Softmax({{%\w+}}) {quant.data_type = "U8"} :
func.func @configured(%x: tensor<2x2xf32>) -> tensor<2x2xf32> attributes {quant.noise = 1.0 : f32} {
  %s = onnx.Add(%x, %x) {quant.noise = 5.0 : f32} : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32> loc("sum"("s"))
  %a = onnx.Softmax(%s) {quant.data_type = "U8", quant.noise = 5.0 : f32} : (tensor<2x2xf32>) -> tensor<2x2xf32> loc("soft"("a"))
  func.return %a : tensor<2x2xf32>
}

// -----

// Nothing was measured.
// CHECK-LABEL: @unmeasured
// CHECK: onnx.Softmax(%x) :
func.func @unmeasured(%x: tensor<2x2xf32>) -> tensor<2x2xf32> {
  %a = onnx.Softmax(%x) : (tensor<2x2xf32>) -> tensor<2x2xf32> loc("soft"("a"))
  func.return %a : tensor<2x2xf32>
}
