// RUN: ax-opt -p quant-eliminate-casts %s | filecheck %s

// CHECK-LABEL: func.func @undo
func.func @undo(%x: tensor<4x!quant.uniform<u8:f32, 0.1>>) -> (tensor<4x!quant.uniform<u8:f32, 0.1>>) {
  %0 = quant.dcast %x : tensor<4x!quant.uniform<u8:f32, 0.1>> -> tensor<4xf32>
  %1 = quant.qcast %0 : tensor<4xf32> -> tensor<4x!quant.uniform<u8:f32, 0.1>>
  // CHECK-NEXT: func.return %x
  func.return %1 : tensor<4x!quant.uniform<u8:f32, 0.1>>
}

// CHECK-LABEL: func.func @requantize
func.func @requantize(%x: tensor<4x!quant.uniform<u8:f32, 0.1>>) -> (tensor<4x!quant.uniform<u16:f32, 0.001>>) {
  // CHECK-NEXT: [[R:%\w+]] = quant.requantize %x : tensor<4x!quant.uniform<u8:f32, 0.1>> -> tensor<4x!quant.uniform<u16:f32, 0.001>>
  // CHECK-NEXT: func.return [[R]]
  %0 = quant.dcast %x : tensor<4x!quant.uniform<u8:f32, 0.1>> -> tensor<4xf32>
  %1 = quant.qcast %0 : tensor<4xf32> -> tensor<4x!quant.uniform<u16:f32, 0.001>>
  func.return %1 : tensor<4x!quant.uniform<u16:f32, 0.001>>
}

// CHECK-LABEL: func.func @same_and_unused
func.func @same_and_unused(%x: tensor<4x!quant.uniform<u8:f32, 0.1>>) -> (tensor<4x!quant.uniform<u8:f32, 0.1>>) {
  // CHECK-NEXT: func.return %x
  %0 = quant.requantize %x : tensor<4x!quant.uniform<u8:f32, 0.1>> -> tensor<4x!quant.uniform<u8:f32, 0.1>>
  %1 = quant.dcast %x : tensor<4x!quant.uniform<u8:f32, 0.1>> -> tensor<4xf32>
  func.return %0 : tensor<4x!quant.uniform<u8:f32, 0.1>>
}

// CHECK-LABEL: func.func @constant
func.func @constant() -> (tensor<2x!quant.uniform<u8:f32, 0.5:10>>) {
  // CHECK-NEXT: [[C:%\w+]] = quant.constant dense<[12, 9]> : tensor<2xui8> : tensor<2x!quant.uniform<u8:f32, 0.5:10>>
  // CHECK-NOT: quant.qcast
  // CHECK: func.return [[C]]
  %0 = quant.constant dense<[1.0, -0.5]> : tensor<2xf32> : tensor<2xf32>
  %1 = quant.qcast %0 : tensor<2xf32> -> tensor<2x!quant.uniform<u8:f32, 0.5:10>>
  func.return %1 : tensor<2x!quant.uniform<u8:f32, 0.5:10>>
}

// CHECK-LABEL: func.func @shared
func.func @shared(%x: tensor<4xf32>) -> (tensor<4x!quant.uniform<u8:f32, 0.1>>, tensor<4x!quant.uniform<u8:f32, 0.1>>) {
  // CHECK-NEXT: [[Q:%\w+]] = quant.qcast %x
  // CHECK-NEXT: func.return [[Q]], [[Q]]
  %0 = quant.qcast %x : tensor<4xf32> -> tensor<4x!quant.uniform<u8:f32, 0.1>>
  %1 = quant.qcast %x : tensor<4xf32> -> tensor<4x!quant.uniform<u8:f32, 0.1>>
  func.return %0, %1 : tensor<4x!quant.uniform<u8:f32, 0.1>>, tensor<4x!quant.uniform<u8:f32, 0.1>>
}

// A dequantization of what was quantized loses what the quantization lost: it stays.
// CHECK-LABEL: func.func @lossy
func.func @lossy(%x: tensor<4xf32>) -> (tensor<4xf32>) {
  // CHECK-NEXT: [[Q:%\w+]] = quant.qcast %x
  // CHECK-NEXT: [[D:%\w+]] = quant.dcast [[Q]]
  // CHECK-NEXT: func.return [[D]]
  %0 = quant.qcast %x : tensor<4xf32> -> tensor<4x!quant.uniform<u8:f32, 0.1>>
  %1 = quant.dcast %0 : tensor<4x!quant.uniform<u8:f32, 0.1>> -> tensor<4xf32>
  func.return %1 : tensor<4xf32>
}
