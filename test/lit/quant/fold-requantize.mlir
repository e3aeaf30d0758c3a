// RUN: ax-opt -p quant-fold-requantize --mlir-print-debuginfo %s | filecheck %s

// CHECK-LABEL: func.func @add
func.func @add(%x: tensor<4x!quant.uniform<u8:f32, 0.1>>) -> (tensor<4x!quant.uniform<u16:f32, 0.001>>) {
  // The old type saturated at 25.5, and so does the new one.
  // CHECK-NEXT: [[Y:%\w+]] = quant.add %x, %x clamp [0, 25500] : ({{.*}}) -> tensor<4x!quant.uniform<u16:f32, 0.001>> loc("sum"("z"))
  // CHECK-NEXT: func.return [[Y]]
  %0 = quant.add %x, %x : (tensor<4x!quant.uniform<u8:f32, 0.1>>, tensor<4x!quant.uniform<u8:f32, 0.1>>) -> tensor<4x!quant.uniform<u8:f32, 0.1>> loc("sum"("y"))
  %1 = quant.requantize %0 : tensor<4x!quant.uniform<u8:f32, 0.1>> -> tensor<4x!quant.uniform<u16:f32, 0.001>> loc("cast"("z"))
  func.return %1 : tensor<4x!quant.uniform<u16:f32, 0.001>>
}

// CHECK-LABEL: func.func @narrower
func.func @narrower(%x: tensor<4x!quant.uniform<u8:f32, 0.1>>) -> (tensor<4x!quant.uniform<u8:f32, 0.05>>) {
  // CHECK-NEXT: quant.mul %x, %x : ({{.*}}) -> tensor<4x!quant.uniform<u8:f32, 0.05>>
  // CHECK-NEXT: func.return
  %0 = quant.mul %x, %x : (tensor<4x!quant.uniform<u8:f32, 0.1>>, tensor<4x!quant.uniform<u8:f32, 0.1>>) -> tensor<4x!quant.uniform<u8:f32, 0.1>>
  %1 = quant.requantize %0 : tensor<4x!quant.uniform<u8:f32, 0.1>> -> tensor<4x!quant.uniform<u8:f32, 0.05>>
  func.return %1 : tensor<4x!quant.uniform<u8:f32, 0.05>>
}

// CHECK-LABEL: func.func @clamp_moves
func.func @clamp_moves(%x: tensor<4x!quant.uniform<u8:f32, 0.1>>) -> (tensor<4x!quant.uniform<u8:f32, 0.05:10>>) {
  // CHECK-NEXT: quant.add %x, %x clamp [10, 130] : ({{.*}}) -> tensor<4x!quant.uniform<u8:f32, 0.05:10>>
  %0 = quant.add %x, %x clamp [0, 60] : (tensor<4x!quant.uniform<u8:f32, 0.1>>, tensor<4x!quant.uniform<u8:f32, 0.1>>) -> tensor<4x!quant.uniform<u8:f32, 0.1>>
  %1 = quant.requantize %0 : tensor<4x!quant.uniform<u8:f32, 0.1>> -> tensor<4x!quant.uniform<u8:f32, 0.05:10>>
  func.return %1 : tensor<4x!quant.uniform<u8:f32, 0.05:10>>
}

// A function cannot clamp, so one that would have to stays.
// CHECK-LABEL: func.func @function
func.func @function(%x: tensor<4x!quant.uniform<u8:f32, 0.1>>) -> (tensor<4x!quant.uniform<u8:f32, 0.2>>, tensor<4x!quant.uniform<u8:f32, 0.05>>) {
  // CHECK-NEXT: quant.unary hard_swish
  // CHECK-NEXT: quant.requantize
  // CHECK-NEXT: quant.unary hard_swish %x : {{.*}} -> tensor<4x!quant.uniform<u8:f32, 0.05>>
  // CHECK-NEXT: func.return
  %0 = quant.unary hard_swish %x : tensor<4x!quant.uniform<u8:f32, 0.1>> -> tensor<4x!quant.uniform<u8:f32, 0.1>>
  %1 = quant.requantize %0 : tensor<4x!quant.uniform<u8:f32, 0.1>> -> tensor<4x!quant.uniform<u8:f32, 0.2>>
  %2 = quant.unary hard_swish %x : tensor<4x!quant.uniform<u8:f32, 0.1>> -> tensor<4x!quant.uniform<u8:f32, 0.1>>
  %3 = quant.requantize %2 : tensor<4x!quant.uniform<u8:f32, 0.1>> -> tensor<4x!quant.uniform<u8:f32, 0.05>>
  func.return %1, %3 : tensor<4x!quant.uniform<u8:f32, 0.2>>, tensor<4x!quant.uniform<u8:f32, 0.05>>
}

// What moves data has no rounding of its own, and a tensor with another use keeps its type.
// CHECK-LABEL: func.func @stays
func.func @stays(%x: tensor<4x!quant.uniform<u8:f32, 0.1>>) -> (tensor<4x!quant.uniform<u8:f32, 0.05>>, tensor<4x!quant.uniform<u8:f32, 0.1>>, tensor<4x!quant.uniform<u8:f32, 0.05>>) {
  // CHECK-NEXT: quant.reshape
  // CHECK-NEXT: quant.requantize
  // CHECK-NEXT: quant.add
  // CHECK-NEXT: quant.requantize
  %0 = quant.reshape %x : tensor<4x!quant.uniform<u8:f32, 0.1>> -> tensor<4x!quant.uniform<u8:f32, 0.1>>
  %1 = quant.requantize %0 : tensor<4x!quant.uniform<u8:f32, 0.1>> -> tensor<4x!quant.uniform<u8:f32, 0.05>>
  %2 = quant.add %x, %x : (tensor<4x!quant.uniform<u8:f32, 0.1>>, tensor<4x!quant.uniform<u8:f32, 0.1>>) -> tensor<4x!quant.uniform<u8:f32, 0.1>>
  %3 = quant.requantize %2 : tensor<4x!quant.uniform<u8:f32, 0.1>> -> tensor<4x!quant.uniform<u8:f32, 0.05>>
  func.return %1, %2, %3 : tensor<4x!quant.uniform<u8:f32, 0.05>>, tensor<4x!quant.uniform<u8:f32, 0.1>>, tensor<4x!quant.uniform<u8:f32, 0.05>>
}
