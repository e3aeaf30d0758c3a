// RUN: ax-opt -p 'onnx-insert-preprocess{inputs="image dtype=FP16"}' %s 2>/dev/null | filecheck %s

// What the NPU has no numbers of is converted by the CPU.
// CHECK-LABEL: func.func @main(%image: tensor<2xf16>)
// CHECK-NEXT: [[C:%\w+]] = onnx.Cast(%image) {quant.cpu = {{.*}}to = 1 : i64} : (tensor<2xf16>) -> tensor<2xf32>
// CHECK-NEXT: onnx.Relu([[C]])
func.func @main(%image: tensor<2xf32> loc("image")) -> tensor<2xf32> {
  %0 = onnx.Relu(%image) : (tensor<2xf32>) -> tensor<2xf32> loc("relu"("y"))
  func.return %0 : tensor<2xf32>
}
