// RUN: ax-opt -p 'quant-verify-types{target=AX615}' --split-input-file --verify-diagnostics %s

// What the chip has passes.
func.func @f(%x: tensor<4x!quant.uniform<u16:f32, 0.5>>) -> tensor<4x!quant.uniform<u8:f32, 0.5>> {
  %0 = quant.add %x, %x : (tensor<4x!quant.uniform<u16:f32, 0.5>>, tensor<4x!quant.uniform<u16:f32, 0.5>>) -> tensor<4x!quant.uniform<u8:f32, 0.5>> loc("a"("y"))
  func.return %0 : tensor<4x!quant.uniform<u8:f32, 0.5>>
}

// -----

// A bias of other units than those of the products.
func.func @g(%x: tensor<1x2x!quant.uniform<u8:f32, 0.5>>) {
  %w = quant.constant dense<[[1], [2]]> : tensor<2x1xi8> : tensor<2x1x!quant.uniform<i8:f32:1, {0.5}>>
  %b = quant.constant dense<[3]> : tensor<1xi32> : tensor<1x!quant.uniform<i32:f32:0, {0.125}>>
  // expected-error@+1 {{the bias has another scale than the products in 1 channel(s)}}
  %0 = quant.matmul %x, %w, %b : (tensor<1x2x!quant.uniform<u8:f32, 0.5>>, tensor<2x1x!quant.uniform<i8:f32:1, {0.5}>>, tensor<1x!quant.uniform<i32:f32:0, {0.125}>>) -> tensor<1x1x!quant.uniform<u8:f32, 0.5>> loc("m"("y"))
  func.return
}
