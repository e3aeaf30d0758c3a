// RUN: ax-opt -p 'convert-quant-to-sched,sched-fold-columns' --split-input-file %s | filecheck %s

// Two channels fill two lanes of 64: eight pixels of a row are computed side by side. The filters
// are repeated, each at its own column, and so are multipliers and bias.
// CHECK-LABEL: @wide
// CHECK: tensor<16xi32>>
// CHECK: tensor<16xf32>>
// CHECK: [[Y:%\w+]] = sched.buffer any 512
// CHECK: [[W:%\w+]] = sched.buffer param 256 {data = #ax.weight<{{.*}}, tensor<16x1x8x2xi8>>}
// CHECK: sched.layer "conv"({{%\w+}}, [[W]], [[Y]], {{%\w+}}, {{%\w+}})
// CHECK-SAME: #sched.view<i8 [16, 2, 1, 8] : [16, 1, 16, 2]>
// CHECK-SAME: #sched.view<ui8 [1, 16, 16, 2] : [512, 1, 32, 16], 0.25:3>
// CHECK-SAME: stride_w = 8
func.func private @wide(%x: tensor<1x2x16x16x!quant.uniform<u8:f32, 0.5:3>> loc("x")) -> tensor<1x2x16x16x!quant.uniform<u8:f32, 0.25:3>> {
  %w = quant.constant dense<[[[[1]], [[-1]]], [[[2]], [[-2]]]]> : tensor<2x2x1x1xi8> : tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>
  %b = quant.constant dense<[1, 2]> : tensor<2xi32> : tensor<2x!quant.uniform<i32:f32:0, {0.05, 0.1}>>
  %h = quant.conv %x, %w, %b strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] group 1 : (tensor<1x2x16x16x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>, tensor<2x!quant.uniform<i32:f32:0, {0.05, 0.1}>>) -> tensor<1x2x16x16x!quant.uniform<u8:f32, 0.25:3>> loc("conv"("h"))
  %y = quant.max_pool %h kernel [3, 3] strides [1, 1] pads [1, 1, 1, 1] dilations [1, 1] : tensor<1x2x16x16x!quant.uniform<u8:f32, 0.25:3>> -> tensor<1x2x16x16x!quant.uniform<u8:f32, 0.25:3>> loc("pool"("y"))
  func.return %y : tensor<1x2x16x16x!quant.uniform<u8:f32, 0.25:3>>
}

// -----

// An output that lies row by row, as the program's do, cannot be seen in deeper pixels.
// CHECK-LABEL: @planes
// CHECK: sched.layer "conv"
// CHECK-SAME: #sched.view<ui8 [1, 2, 16, 16] : [512, 256, 16, 1], 0.25:3>
// CHECK-SAME: stride_w = 1
func.func private @planes(%x: tensor<1x2x16x16x!quant.uniform<u8:f32, 0.5:3>> loc("x")) -> tensor<1x2x16x16x!quant.uniform<u8:f32, 0.25:3>> {
  %w = quant.constant dense<[[[[1]], [[-1]]], [[[2]], [[-2]]]]> : tensor<2x2x1x1xi8> : tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>
  %y = quant.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] group 1 : (tensor<1x2x16x16x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>) -> tensor<1x2x16x16x!quant.uniform<u8:f32, 0.25:3>> loc("conv"("y"))
  func.return %y : tensor<1x2x16x16x!quant.uniform<u8:f32, 0.25:3>>
}

// -----

// In a concatenation other channels lie between the pixels: the folded convolution writes a buffer of
// its own, and a copy brings it there.
// CHECK-LABEL: @between
// CHECK: [[OWN:%\w+]] = sched.buffer any 8192
// CHECK: sched.layer "conv"({{%\w+}}, {{%\w+}}, [[OWN]],
// CHECK-SAME: #sched.view<ui8 [1, 16, 64, 8] : [8192, 1, 128, 16], 0.25:3>
// CHECK-NEXT: sched.layer "copy"([[OWN]], [[Y:%\w+]])
// CHECK-SAME: #sched.view<ui8 [1, 2, 64, 64] : [8192, 1, 128, 2], 0.25:3>, #sched.view<ui8 [1, 2, 64, 64] : [16384, 1, 256, 4], 0.25:3>
func.func private @between(%x: tensor<1x2x64x64x!quant.uniform<u8:f32, 0.25:3>> loc("x")) -> tensor<1x4x64x64x!quant.uniform<u8:f32, 0.25:3>> {
  %w = quant.constant dense<[[[[1]], [[-1]]], [[[2]], [[-2]]]]> : tensor<2x2x1x1xi8> : tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>
  %h = quant.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] group 1 : (tensor<1x2x64x64x!quant.uniform<u8:f32, 0.25:3>>, tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>) -> tensor<1x2x64x64x!quant.uniform<u8:f32, 0.25:3>> loc("conv"("h"))
  %c = quant.concat %h, %x axis 1 : (tensor<1x2x64x64x!quant.uniform<u8:f32, 0.25:3>>, tensor<1x2x64x64x!quant.uniform<u8:f32, 0.25:3>>) -> tensor<1x4x64x64x!quant.uniform<u8:f32, 0.25:3>> loc("concat"("c"))
  %y = quant.max_pool %c kernel [2, 1] strides [1, 1] pads [1, 0, 0, 0] dilations [1, 1] : tensor<1x4x64x64x!quant.uniform<u8:f32, 0.25:3>> -> tensor<1x4x64x64x!quant.uniform<u8:f32, 0.25:3>> loc("pool"("y"))
  func.return %y : tensor<1x4x64x64x!quant.uniform<u8:f32, 0.25:3>>
}
