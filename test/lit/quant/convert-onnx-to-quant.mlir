// RUN: ax-opt -p convert-onnx-to-quant --split-input-file --mlir-print-debuginfo %s | filecheck %s
// RUN: ax-opt -p 'convert-onnx-to-quant{activation=S8 bias=FP32}' --split-input-file %s | filecheck %s --check-prefix=OPTIONS
// RUN: ax-opt -p 'convert-onnx-to-quant{weight-threshold=1.5}' --split-input-file %s | filecheck %s --check-prefix=THRESHOLD
// RUN: ax-opt -p 'convert-onnx-to-quant{refine-scales=false fuse=false}' --split-input-file %S/inputs/plain.mlir | filecheck %S/inputs/plain.mlir

// Conv with Relu: the range after the Relu, per-channel weights, an S32 bias of scale s_x * s_w. The
// node's name is the Conv's, the tensor's the Relu's. An output stays FP32.
// CHECK-LABEL: func.func @conv_relu(%x: tensor<1x1x2x2xf32> loc("x")) -> tensor<1x2x2x2xf32>
// CHECK-NEXT: [[Q:%\w+]] = quant.qcast %x : {{.*}} -> tensor<1x1x2x2x!quant.uniform<u8:f32, 0.01:100>> loc("x_QuantizeLinear"("x_QuantizeLinear"))
// CHECK-NEXT: [[W:%\w+]] = quant.constant dense<{{\[+}}127{{\]+}}, {{\[+}}-127{{\]+}}> : tensor<2x1x1x1xi8> : tensor<2x1x1x1x!quant.uniform<i8:f32:0, {0.01, 0.02}>> loc("conv_0/weight"("conv_0/weight"))
// CHECK-NEXT: [[B:%\w+]] = quant.constant dense<[10000, -5000]> : tensor<2xi32> : tensor<2x!quant.uniform<i32:f32:0, {0.0001, 0.0002}>>
// CHECK-NEXT: [[Y:%\w+]] = quant.conv [[Q]], [[W]], [[B]] strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] group 1 : ({{.*}}) -> tensor<1x2x2x2x!quant.uniform<u8:f32, 0.02>> loc("conv_0"("y_quantized"))
// CHECK-NEXT: [[D:%\w+]] = quant.dcast [[Y]] : {{.*}} loc("y_DequantizeLinear"("y"))
// CHECK-NEXT: func.return [[D]]
// OPTIONS-LABEL: func.func @conv_relu
// OPTIONS-NEXT: quant.qcast %x : {{.*}} -> tensor<1x1x2x2x!quant.uniform<i8:f32, 0.01:-28>>
// OPTIONS: quant.constant dense<[1.000000e+00, -1.000000e+00]> : tensor<2xf32> : tensor<2xf32>
// OPTIONS-NEXT: quant.conv {{.*}} -> tensor<1x2x2x2x!quant.uniform<i8:f32, 0.02:-128>>
// THRESHOLD-LABEL: func.func @conv_relu
// THRESHOLD: quant.constant dense<{{\[+}}108{{\]+}}, {{\[+}}-127{{\]+}}> : {{.*}} {0.0118110{{[0-9]*}}, 0.02}>>
func.func @conv_relu(%x: tensor<1x1x2x2xf32> {quant.range = array<f32: -1.0, 1.55>} loc("x")) -> (tensor<1x2x2x2xf32>) {
  %w = onnx.Constant {value = dense<[[[[1.27]]], [[[-2.54]]]]> : tensor<2x1x1x1xf32>} : tensor<2x1x1x1xf32> loc("w"("w"))
  %b = onnx.Constant {value = dense<[1.0, -1.0]> : tensor<2xf32>} : tensor<2xf32> loc("b"("b"))
  %0 = onnx.Conv(%x, %w, %b) : (tensor<1x1x2x2xf32>, tensor<2x1x1x1xf32>, tensor<2xf32>) -> tensor<1x2x2x2xf32> loc("conv_0"("c"))
  %1 = onnx.Relu(%0) {quant.ranges = [array<f32: 0.0, 5.1>]} : (tensor<1x2x2x2xf32>) -> tensor<1x2x2x2xf32> loc("relu_1"("y"))
  func.return %1 : tensor<1x2x2x2xf32>
}

// -----

// A Clip is a clamp where it bounds more than the storage does; an activation of a tensor with another
// use stands by itself.
// CHECK-LABEL: func.func @activations
// CHECK: [[S:%\w+]] = quant.add {{.*}} clamp [50, 150] : ({{.*}}) -> tensor<4x!quant.uniform<u8:f32, 0.02:100>>
// CHECK-NEXT: [[T:%\w+]] = quant.add [[S]], [[S]] : ({{.*}}) -> tensor<4x!quant.uniform<u8:f32, 0.02:100>>
// CHECK-NEXT: quant.unary relu [[T]] : {{.*}} -> tensor<4x!quant.uniform<u8:f32, 0.01>>
// CHECK-NEXT: quant.unary clip {{.*}} alpha -1.000000e+00 beta {{.*}} : {{.*}} -> tensor<4x!quant.uniform<u8:f32, 0.01>>
// CHECK-NEXT: quant.unary leaky_relu [[T]] alpha 2.500000e-01
func.func @activations(%x: tensor<4xf32> {quant.range = array<f32: -2.0, 3.1>}) -> (tensor<4xf32>, tensor<4xf32>) {
  %lo = onnx.Constant {value = dense<-1.0> : tensor<f32>} : tensor<f32>
  %hi = onnx.Constant {value = dense<1.0> : tensor<f32>} : tensor<f32>
  %0 = onnx.Add(%x, %x) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %1 = onnx.Clip(%0, %lo, %hi) {quant.ranges = [array<f32: -2.0, 3.1>]} : (tensor<4xf32>, tensor<f32>, tensor<f32>) -> tensor<4xf32>
  %2 = onnx.Add(%1, %1) {quant.ranges = [array<f32: -2.0, 3.1>]} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %3 = onnx.Relu(%2) {quant.ranges = [array<f32: 0.0, 2.55>]} : (tensor<4xf32>) -> tensor<4xf32>
  %4 = onnx.Clip(%3, %lo) {quant.ranges = [array<f32: 0.0, 2.55>]} : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %5 = onnx.LeakyRelu(%2) {alpha = 0.25 : f32, quant.ranges = [array<f32: 0.0, 2.55>]} : (tensor<4xf32>) -> tensor<4xf32>
  func.return %4, %5 : tensor<4xf32>, tensor<4xf32>
}

// -----

// What only moves shares one quantization: the widest range of those that meet in the Concat, with the
// Pad's value. No tensor is requantized.
// CHECK-LABEL: func.func @movement
// CHECK-NOT: quant.requantize
// CHECK: quant.unary sigmoid {{.*}} -> tensor<1x2x4x4x!quant.uniform<u8:f32, 0.02:55>>
// CHECK-NEXT: quant.unary tanh {{.*}} -> tensor<1x2x4x4x!quant.uniform<u8:f32, 0.02:55>>
// CHECK-NEXT: quant.concat {{.*}} axis 1
// CHECK-NEXT: quant.max_pool {{.*}} kernel [2, 2] strides [2, 2] pads [0, 0, 0, 0] dilations [1, 1] : {{.*}} -> tensor<1x4x2x2x!quant.uniform<u8:f32, 0.02:55>>
// CHECK-NEXT: quant.transpose {{.*}} perm [0, 2, 3, 1]
// CHECK-NEXT: quant.pad {{.*}} pads [0, 0, 0, 1, 0, 0, 0, 0] value 255
// CHECK-NEXT: quant.reshape {{.*}} -> tensor<4x5x!quant.uniform<u8:f32, 0.02:55>>
// CHECK-NEXT: quant.slice {{.*}} starts [0, 1] sizes [4, 2] steps [1, 2]
// CHECK-NEXT: quant.slice {{.*}} starts [0, 0] sizes [1, 2] steps [1, 1]
// CHECK-NEXT: quant.slice {{.*}} starts [1, 0] sizes [3, 2] steps [1, 1]
// CHECK-NEXT: quant.reduce max {{.*}} axes [0] : {{.*}} -> tensor<2x!quant.uniform<u8:f32, 0.02:55>>
func.func @movement(%x: tensor<1x2x4x4xf32> {quant.range = array<f32: 0.0, 1.0>}) -> (tensor<2xf32>, tensor<1x2xf32>) {
  %pads = onnx.Constant {value = dense<[0, 0, 0, 1, 0, 0, 0, 0]> : tensor<8xi64>} : tensor<8xi64>
  %four = onnx.Constant {value = dense<4.0> : tensor<f32>} : tensor<f32>
  %shape = onnx.Constant {value = dense<[4, 5]> : tensor<2xi64>} : tensor<2xi64>
  %start = onnx.Constant {value = dense<[1]> : tensor<1xi64>} : tensor<1xi64>
  %end = onnx.Constant {value = dense<[100]> : tensor<1xi64>} : tensor<1xi64>
  %step = onnx.Constant {value = dense<[2]> : tensor<1xi64>} : tensor<1xi64>
  %parts = onnx.Constant {value = dense<[1, 3]> : tensor<2xi64>} : tensor<2xi64>
  %zero = onnx.Constant {value = dense<[0]> : tensor<1xi64>} : tensor<1xi64>
  %0 = onnx.Sigmoid(%x) : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %1 = onnx.Tanh(%x) : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %2 = onnx.Concat(%0, %1) {axis = 1 : i64} : (tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>) -> tensor<1x4x4x4xf32>
  %3 = onnx.MaxPool(%2) {kernel_shape = array<i64: 2, 2>, strides = array<i64: 2, 2>} : (tensor<1x4x4x4xf32>) -> tensor<1x4x2x2xf32>
  %4 = onnx.Transpose(%3) {perm = array<i64: 0, 2, 3, 1>} : (tensor<1x4x2x2xf32>) -> tensor<1x2x2x4xf32>
  %5 = onnx.Pad(%4, %pads, %four) : (tensor<1x2x2x4xf32>, tensor<8xi64>, tensor<f32>) -> tensor<1x2x2x5xf32>
  %6 = onnx.Reshape(%5, %shape) : (tensor<1x2x2x5xf32>, tensor<2xi64>) -> tensor<4x5xf32>
  %7 = onnx.Slice(%6, %start, %end, %start, %step) : (tensor<4x5xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<4x2xf32>
  %8, %9 = onnx.Split(%7, %parts) {axis = 0 : i64, quant.ranges = [array<f32: -1.1, 1.0>, array<f32>]} : (tensor<4x2xf32>, tensor<2xi64>) -> (tensor<1x2xf32>, tensor<3x2xf32>)
  %10 = onnx.ReduceMax(%9, %zero) {keepdims = 0 : i64, quant.ranges = [array<f32: -0.5, 2.0>]} : (tensor<3x2xf32>, tensor<1xi64>) -> tensor<2xf32>
  func.return %10, %8 : tensor<2xf32>, tensor<1x2xf32>
}

// -----

// An integer input behind a DequantizeLinear is the graph's input as it is.
// CHECK-LABEL: func.func @camera(%x: tensor<1x4x4x3x!quant.uniform<u8:f32, 1.0>> loc("x"))
// CHECK-NEXT: quant.normalize %x axis 3 mean {{.*}} std {{.*}} : tensor<1x4x4x3x!quant.uniform<u8:f32, 1.0>> -> tensor<1x4x4x3x!quant.uniform<u8:f32, 0.0078125:127>>
// CHECK-NEXT: quant.transpose {{.*}} perm [0, 3, 1, 2] : {{.*}} -> tensor<1x3x4x4x!quant.uniform<u8:f32, 0.0078125:127>>
// CHECK-NEXT: quant.reduce mean {{.*}} axes [2, 3] keepdims
func.func @camera(%x: tensor<1x4x4x3xui8> loc("x")) -> (tensor<1x3x1x1xf32>) {
  %one = onnx.Constant {value = dense<1.0> : tensor<f32>} : tensor<f32>
  %zero = onnx.Constant {value = dense<0> : tensor<ui8>} : tensor<ui8>
  %0 = onnx.DequantizeLinear(%x, %one, %zero) : (tensor<1x4x4x3xui8>, tensor<f32>, tensor<ui8>) -> tensor<1x4x4x3xf32>
  %1 = onnx.Normalize(%0) {axis = 3 : i64, mean = [127.0 : f32, 127.0 : f32, 127.0 : f32], std = [128.0 : f32, 128.0 : f32, 128.0 : f32], quant.ranges = [array<f32: -0.9921875, 1.0>]} : (tensor<1x4x4x3xf32>) -> tensor<1x4x4x3xf32>
  %2 = onnx.Transpose(%1) {perm = array<i64: 0, 3, 1, 2>} : (tensor<1x4x4x3xf32>) -> tensor<1x3x4x4xf32>
  %3 = onnx.GlobalAveragePool(%2) {quant.ranges = [array<f32: -0.5, 0.5>]} : (tensor<1x3x4x4xf32>) -> tensor<1x3x1x1xf32>
  func.return %3 : tensor<1x3x1x1xf32>
}

// -----

// Gemm: B transposed into the constant, alpha and beta folded. MatMul: a constant row added is its bias.
// A 1-D convolution stands as a 2-D one. A constant number is exact; a constant divisor a factor.
// CHECK-LABEL: func.func @products
// CHECK: quant.constant dense<{{\[+}}127, 127], [42, 85]]> : tensor<2x2xi8> : tensor<2x2x!quant.uniform<i8:f32:1, {0.047244094, 0.047244094}>> loc("gemm/weight"
// CHECK-NEXT: quant.constant {{.*}} : tensor<2xi32> : tensor<2x!quant.uniform<i32:f32:0
// CHECK-NEXT: [[G:%\w+]] = quant.matmul %{{.*}} loc("gemm"("g"))
// CHECK: [[M:%\w+]] = quant.matmul [[G]], {{%\w+}}, {{%\w+}} : ({{.*}}) -> tensor<2x2x!quant.uniform<u8:f32, 0.01>> loc("matmul"("r"))
// CHECK-NEXT: quant.constant dense<1> : tensor<ui8> : tensor<!quant.uniform<u8:f32, 0.5>>
// CHECK-NEXT: [[D:%\w+]] = quant.mul [[M]]
// CHECK-NEXT: [[F:%\w+]] = quant.constant dense<0> : tensor<ui8> : tensor<!quant.uniform<u8:f32, 3.0:1>>
// CHECK-NEXT: quant.add [[D]], [[F]]
// CHECK: quant.reshape {{.*}} -> tensor<1x2x1x4x!
// CHECK: quant.conv {{.*}} strides [1, 2] pads [0, 1, 0, 0] dilations [1, 1] group 1 : {{.*}} -> tensor<1x1x1x2x!
// CHECK-NEXT: quant.reshape {{.*}} -> tensor<1x1x2x{{.*}} loc("conv1d"("k_quantized"))
func.func @products(%x: tensor<2x2xf32> {quant.range = array<f32: 0.0, 2.55>}, %z: tensor<1x2x4xf32> {quant.range = array<f32: 0.0, 2.55>}) -> (tensor<2x2xf32>, tensor<1x1x2xf32>) {
  %v = onnx.Constant {value = dense<[[3.0, 1.0], [3.0, 2.0]]> : tensor<2x2xf32>} : tensor<2x2xf32>
  %r = onnx.Constant {value = dense<[1.0, 2.0]> : tensor<2xf32>} : tensor<2xf32>
  %k = onnx.Constant {value = dense<[[[1.0, 2.0], [3.0, 4.0]]]> : tensor<1x2x2xf32>} : tensor<1x2x2xf32>
  %two = onnx.Constant {value = dense<2.0> : tensor<f32>} : tensor<f32>
  %minus = onnx.Constant {value = dense<-3.0> : tensor<f32>} : tensor<f32>
  %0 = onnx.Gemm(%x, %v, %r) {alpha = 2.0 : f32, beta = 0.5 : f32, transB = 1 : i64, quant.ranges = [array<f32: 0.0, 2.55>]} : (tensor<2x2xf32>, tensor<2x2xf32>, tensor<2xf32>) -> tensor<2x2xf32> loc("gemm"("g"))
  %1 = onnx.MatMul(%0, %v) : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32> loc("matmul"("m"))
  %2 = onnx.Add(%r, %1) : (tensor<2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32> loc("add"("a"))
  %3 = onnx.Relu(%2) {quant.ranges = [array<f32: 0.0, 2.55>]} : (tensor<2x2xf32>) -> tensor<2x2xf32> loc("relu"("r"))
  %4 = onnx.Div(%3, %two) {quant.ranges = [array<f32: 0.0, 2.55>]} : (tensor<2x2xf32>, tensor<f32>) -> tensor<2x2xf32>
  %5 = onnx.Add(%4, %minus) {quant.ranges = [array<f32: -3.0, 0.0>]} : (tensor<2x2xf32>, tensor<f32>) -> tensor<2x2xf32>
  %6 = onnx.Conv(%z, %k) {strides = array<i64: 2>, pads = array<i64: 1, 0>, quant.ranges = [array<f32: 0.0, 2.55>]} : (tensor<1x2x4xf32>, tensor<1x2x2xf32>) -> tensor<1x1x2xf32> loc("conv1d"("k"))
  func.return %5, %6 : tensor<2x2xf32>, tensor<1x1x2xf32>
}

// -----

// What is marked stays an operation of ONNX on f32 tensors; its result is quantized where the NPU
// uses it, and a tensor that only the CPU uses needs no range. Constants stay as they are.
// CHECK-LABEL: @cpu
// CHECK-NEXT: [[Q:%\w+]] = quant.qcast %x
// CHECK-NEXT: [[A:%\w+]] = quant.unary relu [[Q]]
// CHECK-NEXT: [[D:%\w+]] = quant.dcast [[A]]
// CHECK-NEXT: [[K:%\w+]] = onnx.Constant
// CHECK-NEXT: [[B:%\w+]] = onnx.Pow([[D]], [[K]]) {quant.cpu = {kind = "chosen"}}
// CHECK-NEXT: [[C:%\w+]] = onnx.Shape([[B]]) {quant.cpu = {kind = "chosen"}}
// CHECK-NEXT: [[E:%\w+]] = quant.qcast [[B]]
// CHECK-NEXT: [[R:%\w+]] = quant.unary sigmoid [[E]]
// CHECK-NEXT: [[U:%\w+]] = onnx.Softsign(%u) {quant.cpu = {kind = "chosen"}}
// CHECK-NEXT: [[Y:%\w+]] = quant.dcast [[R]]
// CHECK: func.return [[Y]], [[C]], [[U]]
func.func @cpu(%x: tensor<2xf32> {quant.range = array<f32: -1.0, 1.0>} loc("x"), %u: tensor<2xf32> loc("u")) -> (tensor<2xf32>, tensor<1xi64>, tensor<2xf32>) {
  %k = onnx.Constant {value = dense<2.5> : tensor<f32>} : tensor<f32> loc("k"("k"))
  %0 = onnx.Relu(%x) {quant.ranges = [array<f32: 0.0, 1.0>]} : (tensor<2xf32>) -> tensor<2xf32> loc("a"("a"))
  %1 = onnx.Pow(%0, %k) {quant.cpu = {kind = "chosen"}, quant.ranges = [array<f32: 0.0, 1.0>]} : (tensor<2xf32>, tensor<f32>) -> tensor<2xf32> loc("b"("b"))
  %2 = onnx.Shape(%1) {quant.cpu = {kind = "chosen"}} : (tensor<2xf32>) -> tensor<1xi64> loc("c"("c"))
  %3 = onnx.Sigmoid(%1) {quant.ranges = [array<f32: 0.0, 1.0>]} : (tensor<2xf32>) -> tensor<2xf32> loc("e"("e"))
  %4 = onnx.Softsign(%u) {quant.cpu = {kind = "chosen"}} : (tensor<2xf32>) -> tensor<2xf32> loc("f"("f"))
  func.return %3, %2, %4 : tensor<2xf32>, tensor<1xi64>, tensor<2xf32>
}

// -----

// Slopes of a PRelu have 16 bits beside 8-bit numbers.
// CHECK-LABEL: func.func @slopes
// CHECK: %[[SLOPE:.*]] = quant.constant {{.*}} : tensor<2x1x1x!quant.uniform<u16:f32, {{.*}}>>
// CHECK: quant.prelu {{.*}}, %[[SLOPE]] : {{.*}} -> tensor<1x2x2x2x!quant.uniform<u8:f32, 0.0078125:128>>
func.func @slopes(%x: tensor<1x2x2x2xf32> {quant.range = array<f32: -1.0, 0.9921875>}) -> (tensor<1x2x2x2xf32>) {
  %slope = onnx.Constant {value = dense<[[[0.5]], [[0.001]]]> : tensor<2x1x1xf32>} : tensor<2x1x1xf32>
  %0 = onnx.PRelu(%x, %slope) {quant.ranges = [array<f32: -1.0, 0.9921875>]} : (tensor<1x2x2x2xf32>, tensor<2x1x1xf32>) -> tensor<1x2x2x2xf32>
  func.return %0 : tensor<1x2x2x2xf32>
}
