// RUN: ax-opt -p 'quant-assign-precision{layers="op_type=Add data_type=U16","layer_name=conv_0 data_type=S8 output_data_type=FP32 weight_data_type=S4","start_tensor_name=r end_tensor_name=DEFAULT data_type=S16","start_tensor_name=DEFAULT end_tensor_name=DEFAULT data_type=FP32"}' %s | filecheck %s
// RUN: ax-opt -p 'quant-assign-precision{layers="op_type=Transpose data_type=U16","start_tensor_name=DEFAULT end_tensor_name=DEFAULT data_type=FP32"}' %s | filecheck %s --check-prefix=SPAN
// RUN: ax-opt -p 'quant-assign-precision{highest=true layers="op_type=Relu data_type=S8"}' %s | filecheck %s --check-prefix=HIGHEST
// RUN: ax-opt -p 'quant-assign-precision{floating=true layers="op_type=Relu data_type=S8"}' %s | filecheck %s --check-prefix=FLOATING
// RUN: ax-opt -p 'quant-assign-precision{layers="op_type=Add data_type=U16"},quant-load-ranges{file="%S/inputs/precision-ranges.json"},quantize' %s | filecheck %s --check-prefix=MIXED
// RUN: ax-opt -p 'quant-assign-precision{layers="layer_name=conv_0 data_type=U8 output_data_type=FP32","op_type=Softmax data_type=FP32"},quant-load-ranges{file="%S/inputs/precision-ranges.json"},quantize' %s | filecheck %s --check-prefix=FLOAT
// RUN: ax-opt -p 'quant-load-ranges{file="%S/inputs/precision-ranges.json"},quantize-plainly' %s | filecheck %s --check-prefix=PLAIN
// RUN: ax-opt -p 'quant-assign-precision{layers="op_type=Sub data_type=U16 former=Sub/add_2","op_type=Add data_type=S8"}' %s | filecheck %s --check-prefix=FORMER
// RUN: not ax-opt -p 'quant-assign-precision{layers="layer_name=add_2 data_type=S8","layer_name=r data_type=U16","start_tensor_name=x end_tensor_name=relu_1 data_type=U16"}' %s 2>&1 | filecheck %s --check-prefix=OTHER
// RUN: not ax-opt -p 'quant-assign-precision{layers="layer_name=conv_1 data_type=U16","op_type=Ad data_type=U16","op_type=Conv data_type=FP32","op_type=Relu weight_data_type=S4","start_tensor_name=y end_tensor_name=r data_type=U16","start_tensor_name=q end_tensor_name=y data_type=U16","op_type=Add data_type=U16","op_type=Add data_type=S8"}' %s 2>&1 | filecheck %s --check-prefix=WRONG
// RUN: not ax-opt -p 'quant-assign-precision{layers="data_type=U16","op_type=Add data_type=U7","start_tensor_name=x data_type=U16"}' %s 2>&1 | filecheck %s --check-prefix=TEXT

// A named operator goes before its type, a type before a subgraph, a subgraph before the model. Data
// movement takes its neighbours' type unless it is named itself.
// CHECK: onnx.Conv{{.*}}quant.data_type = "S8", quant.output_data_type = "FP32", quant.weight_data_type = "S4"
// CHECK-NEXT: onnx.Relu{{.*}}quant.data_type = "FP32"
// CHECK-NEXT: onnx.Add{{.*}}quant.data_type = "U16"
// CHECK-NOT: quant.data_type
// CHECK: onnx.Transpose
// CHECK-NEXT: onnx.Softmax{{.*}}quant.data_type = "S16"

// A convolution has no FP32 form.
// SPAN: onnx.Conv{{.*}}quant.data_type = "U8", quant.output_data_type = "FP32"
// SPAN: onnx.Transpose{{.*}}quant.data_type = "U16"

// HIGHEST: onnx.Conv{{.*}}quant.data_type = "U16"
// HIGHEST-NEXT: onnx.Relu{{.*}}quant.data_type = "S8"
// HIGHEST-NEXT: onnx.Add{{.*}}quant.data_type = "FP32"

// FLOATING: onnx.Conv{{.*}}quant.output_data_type = "FP32"
// FLOATING-NEXT: onnx.Relu{{.*}}quant.data_type = "S8"
// FLOATING-NEXT: onnx.Add{{.*}}quant.data_type = "FP32"

// The convolution gives the Add its 16 bits at once, and the Add gives Softmax its 8 bits: no
// requantization.
// MIXED-NOT: quant.requantize
// MIXED: quant.conv {{.*}} -> tensor<1x2x2x2x!quant.uniform<u16
// MIXED: quant.add {{.*}} -> tensor<1x2x2x2x!quant.uniform<u8
// MIXED-NOT: quant.requantize
// MIXED: func.return

// A Relu behind an FP32 result stands by itself; Softmax reads FP32.
// FLOAT: [[C:%\w+]] = quant.conv {{.*}} -> tensor<1x2x2x2xf32>
// FLOAT-NEXT: quant.unary relu [[C]] {{.*}} -> tensor<1x2x2x2xf32>
// FLOAT: quant.transpose {{.*}} -> tensor<1x2x2x2xf32>
// FLOAT-NEXT: quant.softmax {{.*}} : tensor<1x2x2x2xf32> -> tensor<1x2x2x2xf32>

// The type that an operator had before optimization goes before the one that it has.
// FORMER: onnx.Add{{.*}}quant.data_type = "U16"

// OTHER: 'r' is no operator but a tensor ('relu_1' computes it)
// OTHER: 'relu_1' is no tensor but an operator (it computes 'r')

// PLAIN: quant.conv
// PLAIN: quant.unary relu

// WRONG: the optimized graph has no operator 'conv_1' (did you mean 'conv_0'
// WRONG: no operator that can be quantized has the type 'Ad' (did you mean {{.*}}'Add'
// WRONG: no operator lies between 'y' and 'r'
// WRONG: the optimized graph has no tensor 'q'
// WRONG: it contradicts layer configuration 6: operator 'add_2' cannot be both data_type U16 and data_type S8
// WRONG: Conv 'conv_0' does not support data_type FP32
// WRONG: Relu 'relu_1' has no weight_data_type

// TEXT: 'data_type=U16' is no layer configuration: it chooses operators by name, by type, or from tensors to tensors
// TEXT: 'data_type=U7' is none of
// TEXT: 'start_tensor_name=x data_type=U16' is no layer configuration
func.func @main(%x: tensor<1x1x2x2xf32> loc("x")) -> (tensor<1x2x2x2xf32>) {
  %w = onnx.Constant {value = dense<[[[[1.27]]], [[[-2.54]]]]> : tensor<2x1x1x1xf32>} : tensor<2x1x1x1xf32> loc("w"("w"))
  %c = onnx.Constant {value = dense<0.5> : tensor<f32>} : tensor<f32> loc("c"("c"))
  %0 = onnx.Conv(%x, %w) : (tensor<1x1x2x2xf32>, tensor<2x1x1x1xf32>) -> tensor<1x2x2x2xf32> loc("conv_0"("p"))
  %1 = onnx.Relu(%0) : (tensor<1x2x2x2xf32>) -> tensor<1x2x2x2xf32> loc("relu_1"("r"))
  %2 = onnx.Add(%1, %c) : (tensor<1x2x2x2xf32>, tensor<f32>) -> tensor<1x2x2x2xf32> loc("add_2"("a"))
  %3 = onnx.Transpose(%2) {perm = array<i64: 0, 2, 3, 1>} : (tensor<1x2x2x2xf32>) -> tensor<1x2x2x2xf32> loc("transpose_3"("t"))
  %4 = onnx.Softmax(%3) : (tensor<1x2x2x2xf32>) -> tensor<1x2x2x2xf32> loc("softmax_4"("y"))
  func.return %4 : tensor<1x2x2x2xf32>
}
