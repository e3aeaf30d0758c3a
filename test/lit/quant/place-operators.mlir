// RUN: ax-opt -p quant-place-operators --split-input-file %s | filecheck %s
// RUN: ax-opt -p 'quant-place-operators{target=AX620E}' --split-input-file %s | filecheck %s --check-prefix=AX620E
// RUN: ax-opt -p 'quant-place-operators{target=AX650}' --split-input-file %s | filecheck %s --check-prefix=AX650

// An operator without a rule, one that a chip lacks, and a type.
// CHECK-LABEL: @operators
// CHECK-NEXT: onnx.Softsign(%x) {quant.cpu = {kind = "operator", message = "the operator is not supported on the NPU"}}
// CHECK-NEXT: onnx.Relu({{%\w+}}) :
// CHECK-NEXT: onnx.ReduceMin({{%\w+}}) :
// CHECK-NEXT: onnx.Relu(%d) {quant.cpu = {kind = "type", message = "only f32 is supported (it has tensor(double))"}}
// AX620E-LABEL: @operators
// AX620E: onnx.ReduceMin({{%\w+}}) {quant.cpu = {kind = "operator", message = "AX620E has no such operator"}}
// AX650-LABEL: @operators
// AX650: onnx.ReduceMin({{%\w+}}) :
func.func @operators(%x: tensor<1x4xf32> loc("x"), %d: tensor<4xf64> loc("d")) -> (tensor<1x1xf32>, tensor<4xf64>) {
  %0 = onnx.Softsign(%x) : (tensor<1x4xf32>) -> tensor<1x4xf32> loc("a"("a"))
  %1 = onnx.Relu(%0) : (tensor<1x4xf32>) -> tensor<1x4xf32> loc("b"("b"))
  %2 = onnx.ReduceMin(%1) : (tensor<1x4xf32>) -> tensor<1x1xf32> loc("c"("c"))
  %3 = onnx.Relu(%d) : (tensor<4xf64>) -> tensor<4xf64> loc("e"("e"))
  func.return %2, %3 : tensor<1x1xf32>, tensor<4xf64>
}

// -----

// A shape that is not known, and control flow as a whole.
// CHECK-LABEL: @shapes
// CHECK-NEXT: onnx.Relu(%x) {quant.cpu = {kind = "shape", message = "tensor 'x' has no fixed shape"}}
// CHECK-NEXT: onnx.If(%p) ({
// CHECK-NEXT: onnx.Relu(%y) :
// CHECK: onnx.Yield(%y)
// CHECK-NEXT: }) {quant.cpu = {kind = "operator"
func.func @shapes(%x: tensor<?xf32> loc("x"), %p: tensor<i1> loc("p"), %y: tensor<2xf32> loc("y")) -> (tensor<?xf32>, tensor<2xf32>) {
  %0 = onnx.Relu(%x) : (tensor<?xf32>) -> tensor<?xf32> loc("a"("a"))
  %1 = onnx.If(%p) ({
    %i = onnx.Relu(%y) : (tensor<2xf32>) -> tensor<2xf32> loc("i"("i"))
    onnx.Yield(%i) : (tensor<2xf32>) -> ()
  }, {
    onnx.Yield(%y) : (tensor<2xf32>) -> ()
  }) : (tensor<i1>) -> tensor<2xf32> loc("d"("d"))
  func.return %0, %1 : tensor<?xf32>, tensor<2xf32>
}

// -----

// What only moves data of operators on the CPU goes along; what has work beside it, or stands by
// itself, does not. A person's mark stays, an old one of the pass goes.
// CHECK-LABEL: @movement
// CHECK-NEXT: onnx.Flatten(%x) {axis = 1 : i64, quant.cpu = {kind = "neighbour"
// CHECK-NEXT: onnx.Softsign
// CHECK-NEXT: onnx.Flatten({{%\w+}}) {axis = 0 : i64} :
// CHECK-NEXT: onnx.Relu({{%\w+}}) :
// CHECK-NEXT: onnx.Flatten(%y) {axis = 1 : i64} :
// CHECK-NEXT: onnx.Relu(%y) {quant.cpu = {kind = "chosen", message = "slow"}} :
func.func @movement(%x: tensor<1x2x2xf32>, %y: tensor<1x2x2xf32>) -> (tensor<1x4xf32>, tensor<1x4xf32>, tensor<1x2x2xf32>) {
  %0 = onnx.Flatten(%x) {axis = 1 : i64} : (tensor<1x2x2xf32>) -> tensor<1x4xf32>
  %1 = onnx.Softsign(%0) : (tensor<1x4xf32>) -> tensor<1x4xf32>
  %2 = onnx.Flatten(%1) {axis = 0 : i64} : (tensor<1x4xf32>) -> tensor<1x4xf32>
  %3 = onnx.Relu(%2) {quant.cpu = {kind = "operator", message = "old"}} : (tensor<1x4xf32>) -> tensor<1x4xf32>
  %4 = onnx.Flatten(%y) {axis = 1 : i64} : (tensor<1x2x2xf32>) -> tensor<1x4xf32>
  %5 = onnx.Relu(%y) {quant.cpu = {kind = "chosen", message = "slow"}} : (tensor<1x2x2xf32>) -> tensor<1x2x2xf32>
  func.return %3, %4, %5 : tensor<1x4xf32>, tensor<1x4xf32>, tensor<1x2x2xf32>
}

// -----

// A slope for each channel, as exporters write it, and one for each column, which the chips lack.
// AX650-LABEL: @slopes
// AX650: onnx.PRelu(%x, %per_channel) :
// AX650-NEXT: onnx.PRelu({{%\w+}}, %one) :
// AX650-NEXT: onnx.PRelu({{%\w+}}, %per_column) {quant.cpu = {attribute = "operand 1", kind = "attribute"
func.func @slopes(%x: tensor<1x3x2x4xf32>) -> tensor<1x3x2x4xf32> {
  %per_channel = onnx.Constant {value = dense<[[[0.1]], [[0.2]], [[0.3]]]> : tensor<3x1x1xf32>} : tensor<3x1x1xf32>
  %one = onnx.Constant {value = dense<0.1> : tensor<1xf32>} : tensor<1xf32>
  %per_column = onnx.Constant {value = dense<[[[[0.1, 0.2, 0.3, 0.4]]]]> : tensor<1x1x1x4xf32>} : tensor<1x1x1x4xf32>
  %0 = onnx.PRelu(%x, %per_channel) : (tensor<1x3x2x4xf32>, tensor<3x1x1xf32>) -> tensor<1x3x2x4xf32>
  %1 = onnx.PRelu(%0, %one) : (tensor<1x3x2x4xf32>, tensor<1xf32>) -> tensor<1x3x2x4xf32>
  %2 = onnx.PRelu(%1, %per_column) : (tensor<1x3x2x4xf32>, tensor<1x1x1x4xf32>) -> tensor<1x3x2x4xf32>
  func.return %2 : tensor<1x3x2x4xf32>
}

// -----

// Constant weights that are to stay FP32; a product of two activations has none.
// CHECK-LABEL: @weights
// CHECK: onnx.MatMul(%x, {{%\w+}}) {quant.cpu = {kind = "weights", message = "its weights are to stay FP32, and no unit of the NPU multiplies by them"}, quant.weight_data_type = "FP32"}
// CHECK: onnx.MatMul(%x, %y) {quant.weight_data_type = "FP32"}
func.func @weights(%x: tensor<2x2xf32> loc("x"), %y: tensor<2x2xf32> loc("y")) -> (tensor<2x2xf32>, tensor<2x2xf32>) {
  %w = onnx.Constant {value = dense<1.0> : tensor<2x2xf32>} : tensor<2x2xf32> loc("w"("w"))
  %0 = onnx.MatMul(%x, %w) {quant.weight_data_type = "FP32"} : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32> loc("a"("a"))
  %1 = onnx.MatMul(%x, %y) {quant.weight_data_type = "FP32"} : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32> loc("b"("b"))
  func.return %0, %1 : tensor<2x2xf32>, tensor<2x2xf32>
}
