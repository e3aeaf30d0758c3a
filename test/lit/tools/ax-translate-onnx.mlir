// Import: names as locations, weights in the side file.
// RUN: %python %S/inputs/make_model.py %t.onnx
// RUN: ax-translate --import-onnx --input-shapes x:2x3x8x8 %t.onnx -o %t.mlir --weights-out %t.safetensors
// RUN: filecheck %s < %t.mlir

// CHECK: func.func @main(%x: tensor<2x3x8x8xf32> loc("x")) -> tensor<2x8x8x8xf32> attributes {ax.input_names = ["x"], ax.output_names = ["y"]}
// CHECK-NEXT: onnx.Constant {value = #ax.weight<"{{[0-9a-f]+}}", tensor<8x3x3x3xf32>>} : tensor<8x3x3x3xf32> loc("w"("w"))
// CHECK-NEXT: onnx.Conv(%x, {{%\w+}}) {{.*}} loc("conv1"("c"))
// CHECK-NEXT: onnx.Relu({{%\w+}}) {{.*}} loc("relu1"("y"))

// Export and import again: the same text, from a file and through pipes.
// RUN: ax-translate --export-onnx %t.mlir --weights %t.safetensors -o %t.2.onnx
// RUN: ax-translate --import-onnx %t.2.onnx -o %t.2.mlir --weights-out %t.2.safetensors
// RUN: diff %t.mlir %t.2.mlir
// RUN: diff %t.safetensors %t.2.safetensors
// RUN: ax-translate --export-onnx --weights %t.safetensors < %t.mlir | ax-translate --import-onnx --weights-out %t.3.safetensors | diff %t.mlir -
