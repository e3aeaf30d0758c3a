// RUN: ax-opt -p 'quant-expand-qlinear,verify-locations' --split-input-file --mlir-print-debuginfo %s | filecheck %s
// RUN: ax-opt -p 'import-quantized,optimize,quantize-imported' --split-input-file %s | filecheck %s --check-prefix=QUANT

// A bias in S32 is dequantized by the product of the scales. The convolution keeps its names, and the
// stored integers get others.
// CHECK-LABEL: func.func @main
// CHECK: [[X:%\w+]] = onnx.DequantizeLinear(%x, %xs, %xz) {axis = 1 : i64}
// CHECK-NEXT: [[W:%\w+]] = onnx.DequantizeLinear(%w, %ws, %wz) {axis = 0 : i64}
// CHECK-NEXT: [[S:%\w+]] = onnx.Constant {value = dense<[2.500000e-01, 5.000000e-01]> : tensor<2xf32>}
// CHECK-NEXT: [[B:%\w+]] = onnx.DequantizeLinear(%b, [[S]]) {axis = 0 : i64}
// CHECK-NEXT: [[C:%\w+]] = onnx.Conv([[X]], [[W]], [[B]]) {{.*}} loc("conv"("y"))
// CHECK-NEXT: [[Q:%\w+]] = onnx.QuantizeLinear([[C]], %ys, %yz)
// CHECK-NEXT: [[D:%\w+]] = onnx.DequantizeLinear([[Q]], %ys, %yz)
// CHECK-NEXT: [[M:%\w+]] = onnx.MaxPool([[D]]) {{.*}} loc("pool"("m"))
// CHECK-NEXT: [[P:%\w+]] = onnx.QuantizeLinear([[M]], %ys, %yz)
// CHECK-NEXT: onnx.DequantizeLinear([[P]], %ys, %yz)

// QUANT-LABEL: func.func @main(%x: tensor<1x1x4x4x!quant.uniform<u8:f32, 0.5:3>>
// QUANT: quant.constant dense<[10, 20]> : tensor<2xi32> : tensor<2x!quant.uniform<i32:f32:0, {0.25, 0.5}>>
// QUANT: quant.conv %x, {{.*}} -> tensor<1x2x4x4x!quant.uniform<u8:f32, 0.25:7>>
// QUANT-NEXT: quant.max_pool
// QUANT-NEXT: quant.dcast
func.func @main(%x: tensor<1x1x4x4xui8> loc("x")) -> (tensor<*xf32>) {
  %xs = onnx.Constant {value = dense<0.5> : tensor<f32>} : tensor<f32>
  %xz = onnx.Constant {value = dense<3> : tensor<ui8>} : tensor<ui8>
  %w = onnx.Constant {value = dense<[[[[1]]], [[[-2]]]]> : tensor<2x1x1x1xi8>} : tensor<2x1x1x1xi8>
  %ws = onnx.Constant {value = dense<[0.5, 1.0]> : tensor<2xf32>} : tensor<2xf32>
  %wz = onnx.Constant {value = dense<[0, 0]> : tensor<2xi8>} : tensor<2xi8>
  %ys = onnx.Constant {value = dense<0.25> : tensor<f32>} : tensor<f32>
  %yz = onnx.Constant {value = dense<7> : tensor<ui8>} : tensor<ui8>
  %b = onnx.Constant {value = dense<[10, 20]> : tensor<2xi32>} : tensor<2xi32>
  %y = onnx.QLinearConv(%x, %xs, %xz, %w, %ws, %wz, %ys, %yz, %b) : (tensor<1x1x4x4xui8>, tensor<f32>, tensor<ui8>, tensor<2x1x1x1xi8>, tensor<2xf32>, tensor<2xi8>, tensor<f32>, tensor<ui8>, tensor<2xi32>) -> tensor<1x2x4x4xui8> loc("conv"("y"))
  %m = onnx.MaxPool(%y) {kernel_shape = array<i64: 2, 2>} : (tensor<1x2x4x4xui8>) -> tensor<1x2x3x3xui8> loc("pool"("m"))
  %r = onnx.DequantizeLinear(%m, %ys, %yz) : (tensor<1x2x3x3xui8>, tensor<f32>, tensor<ui8>) -> tensor<*xf32> loc("out"("r"))
  func.return %r : tensor<*xf32>
}

// -----

// ONNX Runtime's own operators; one for channels last stays.
// CHECK-LABEL: func.func @main
// CHECK: [[A:%\w+]] = onnx.DequantizeLinear(%x, %s, %z)
// CHECK-NEXT: onnx.DequantizeLinear(%x, %s, %z)
// CHECK-NEXT: onnx.Add([[A]]
// CHECK-NEXT: onnx.QuantizeLinear
// CHECK: onnx.LeakyRelu{{.*}}alpha = 2.500000e-01
// CHECK: onnx.Custom{{.*}}channels_last = 1
// QUANT-LABEL: func.func @main
func.func @main(%x: tensor<1x4xui8> loc("x")) -> (tensor<1x4xf32>) {
  %s = onnx.Constant {value = dense<0.5> : tensor<f32>} : tensor<f32>
  %z = onnx.Constant {value = dense<3> : tensor<ui8>} : tensor<ui8>
  %a = onnx.Custom(%x, %s, %z, %x, %s, %z, %s, %z) {attrs = {}, domain = "com.microsoft", function = "QLinearAdd", version = 1 : i64} : (tensor<1x4xui8>, tensor<f32>, tensor<ui8>, tensor<1x4xui8>, tensor<f32>, tensor<ui8>, tensor<f32>, tensor<ui8>) -> tensor<1x4xui8> loc("add"("a"))
  %l = onnx.Custom(%a, %s, %z, %s, %z) {attrs = {alpha = 0.25 : f32}, domain = "com.microsoft", function = "QLinearLeakyRelu", version = 1 : i64} : (tensor<1x4xui8>, tensor<f32>, tensor<ui8>, tensor<f32>, tensor<ui8>) -> tensor<1x4xui8> loc("leaky"("l"))
  %p = onnx.Custom(%l, %s, %z, %s, %z) {attrs = {channels_last = 1 : i64}, domain = "com.microsoft", function = "QLinearGlobalAveragePool", version = 1 : i64} : (tensor<1x4xui8>, tensor<f32>, tensor<ui8>, tensor<f32>, tensor<ui8>) -> tensor<1x4xui8> loc("pool"("p"))
  %r = onnx.DequantizeLinear(%l, %s, %z) : (tensor<1x4xui8>, tensor<f32>, tensor<ui8>) -> tensor<1x4xf32> loc("out"("r"))
  func.return %r : tensor<1x4xf32>
}
