// RUN: ax-opt -p 'convert-quant-to-sched,sched-fold-columns' --split-input-file %s | filecheck %s

// Two channels fill two lanes of 64: eight pixels of a row are computed side by side. The filters
// are repeated, each at its own column, and so are multipliers and bias.
// CHECK-LABEL: @wide
// CHECK: tensor<16xi32>>
// CHECK: tensor<16xf32>>
// CHECK: [[Y:%\w+]] = sched.buffer any 512
// CHECK: [[W:%\w+]] = sched.buffer param 320 {data = #ax.weight<{{.*}}, tensor<16x1x10x2xi8>>}
// CHECK: sched.layer "conv"({{%\w+}}, [[W]], [[Y]], {{%\w+}}, {{%\w+}})
// CHECK-SAME: #sched.view<i8 [16, 2, 1, 10] : [20, 1, 20, 2]>
// CHECK-SAME: #sched.view<ui8 [1, 16, 16, 2] : [512, 1, 32, 16], 0.25:3>
// CHECK-SAME: stride_w = 8
func.func private @wide(%x: tensor<1x2x16x16x!quant.uniform<u8:f32, 0.5:3>> loc("x")) -> tensor<1x2x16x16x!quant.uniform<u8:f32, 0.25:3>> {
  %w = quant.constant dense<[[[[1, 0, 3]], [[-1, 1, 0]]], [[[2, 4, 0]], [[-2, 0, 5]]]]> : tensor<2x2x1x3xi8> : tensor<2x2x1x3x!quant.uniform<i8:f32:0, {0.1, 0.2}>>
  %b = quant.constant dense<[1, 2]> : tensor<2xi32> : tensor<2x!quant.uniform<i32:f32:0, {0.05, 0.1}>>
  %h = quant.conv %x, %w, %b strides [1, 1] pads [0, 1, 0, 1] dilations [1, 1] group 1 : (tensor<1x2x16x16x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x2x1x3x!quant.uniform<i8:f32:0, {0.1, 0.2}>>, tensor<2x!quant.uniform<i32:f32:0, {0.05, 0.1}>>) -> tensor<1x2x16x16x!quant.uniform<u8:f32, 0.25:3>> loc("conv"("h"))
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
  %w = quant.constant dense<[[[[1, 0, 3]], [[-1, 1, 0]]], [[[2, 4, 0]], [[-2, 0, 5]]]]> : tensor<2x2x1x3xi8> : tensor<2x2x1x3x!quant.uniform<i8:f32:0, {0.1, 0.2}>>
  %h = quant.conv %x, %w strides [1, 1] pads [0, 1, 0, 1] dilations [1, 1] group 1 : (tensor<1x2x64x64x!quant.uniform<u8:f32, 0.25:3>>, tensor<2x2x1x3x!quant.uniform<i8:f32:0, {0.1, 0.2}>>) -> tensor<1x2x64x64x!quant.uniform<u8:f32, 0.25:3>> loc("conv"("h"))
  %c = quant.concat %h, %x axis 1 : (tensor<1x2x64x64x!quant.uniform<u8:f32, 0.25:3>>, tensor<1x2x64x64x!quant.uniform<u8:f32, 0.25:3>>) -> tensor<1x4x64x64x!quant.uniform<u8:f32, 0.25:3>> loc("concat"("c"))
  %y = quant.max_pool %c kernel [2, 1] strides [1, 1] pads [1, 0, 0, 0] dilations [1, 1] : tensor<1x4x64x64x!quant.uniform<u8:f32, 0.25:3>> -> tensor<1x4x64x64x!quant.uniform<u8:f32, 0.25:3>> loc("pool"("y"))
  func.return %y : tensor<1x4x64x64x!quant.uniform<u8:f32, 0.25:3>>
}

// -----

// Pixels of two channels that each read one of their own: groups of one convolution, and no zeros
// between the filters.
// CHECK-LABEL: @apart
// CHECK: sched.layer "conv"
// CHECK-SAME: #sched.view<ui8 [1, 768, 32, 2] : [49152, 1, 1536, 768], 0.5:3>
// CHECK-SAME: #sched.view<i8 [64, 24, 1, 1] : [24, 1, 24, 24]>
// CHECK-SAME: #sched.view<ui8 [1, 64, 32, 2] : [4096, 1, 128, 64], 0.25:3>
// CHECK-SAME: stride_w = 1, {{.*}} group = 32
func.func private @apart(%x: tensor<1x32x64x24x!quant.uniform<u8:f32, 0.5:3>> loc("x")) -> tensor<1x2x32x64x!quant.uniform<u8:f32, 0.25:3>> {
  %w = quant.constant dense<1> : tensor<2x24x1x1xi8> : tensor<2x24x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>
  %t = quant.transpose %x perm [0, 3, 1, 2] : tensor<1x32x64x24x!quant.uniform<u8:f32, 0.5:3>> -> tensor<1x24x32x64x!quant.uniform<u8:f32, 0.5:3>> loc("turn"("t"))
  %h = quant.conv %t, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] group 1 : (tensor<1x24x32x64x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x24x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>) -> tensor<1x2x32x64x!quant.uniform<u8:f32, 0.25:3>> loc("conv"("h"))
  %y = quant.max_pool %h kernel [3, 3] strides [1, 1] pads [1, 1, 1, 1] dilations [1, 1] : tensor<1x2x32x64x!quant.uniform<u8:f32, 0.25:3>> -> tensor<1x2x32x64x!quant.uniform<u8:f32, 0.25:3>> loc("pool"("y"))
  func.return %y : tensor<1x2x32x64x!quant.uniform<u8:f32, 0.25:3>>
}

// -----

// 40 channels leave 24 of 64 input lanes idle; those of two pixels 16 of 96.
// CHECK-LABEL: @merged
// CHECK: sched.layer "conv"
// CHECK-SAME: #sched.view<ui8 [1, 80, 64, 32] : [163840, 1, 2560, 80], 0.5:3>
// CHECK-SAME: #sched.view<i8 [32, 80, 1, 1] : [80, 1, 80, 80]>
// CHECK-SAME: #sched.view<ui8 [1, 32, 64, 32] : [65536, 1, 1024, 32], 0.25:3>
// CHECK-SAME: stride_w = 1, {{.*}} group = 1
func.func private @merged(%x: tensor<1x64x64x40x!quant.uniform<u8:f32, 0.5:3>> loc("x")) -> tensor<1x16x32x32x!quant.uniform<u8:f32, 0.25:3>> {
  %w = quant.constant dense<1> : tensor<16x40x1x1xi8> : tensor<16x40x1x1x!quant.uniform<i8:f32, 0.1>>
  %t = quant.transpose %x perm [0, 3, 1, 2] : tensor<1x64x64x40x!quant.uniform<u8:f32, 0.5:3>> -> tensor<1x40x64x64x!quant.uniform<u8:f32, 0.5:3>> loc("turn"("t"))
  %h = quant.conv %t, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] group 1 : (tensor<1x40x64x64x!quant.uniform<u8:f32, 0.5:3>>, tensor<16x40x1x1x!quant.uniform<i8:f32, 0.1>>) -> tensor<1x16x64x64x!quant.uniform<u8:f32, 0.25:3>> loc("conv"("h"))
  %y = quant.max_pool %h kernel [1, 1] strides [2, 2] pads [0, 0, 0, 0] dilations [1, 1] : tensor<1x16x64x64x!quant.uniform<u8:f32, 0.25:3>> -> tensor<1x16x32x32x!quant.uniform<u8:f32, 0.25:3>> loc("pool"("y"))
  func.return %y : tensor<1x16x32x32x!quant.uniform<u8:f32, 0.25:3>>
}

// -----

// Sixteen channels more than lanes: where the convolution is what takes the time, they are folded
// apart from the first 64, and a copy brings them beside these.
// CHECK-LABEL: @parts
// CHECK: [[OWN:%\w+]] = sched.buffer any 65536
// CHECK: [[Y:%\w+]] = sched.buffer any 327680
// CHECK: sched.layer "conv"([[X:%\w+]], {{%\w+}}, [[Y]],
// CHECK-SAME: #sched.view<i8 [64, 64, 3, 3] : [576, 1, 192, 64]>, #sched.view<ui8 [1, 64, 64, 64] : [327680, 1, 5120, 80], 0.25:3>, #sched.view<f32 [64] : [4]>
// CHECK-SAME: stride_w = 1, {{.*}} pad_left = 1
// CHECK-NEXT: sched.layer "conv"([[X]], {{%\w+}}, [[OWN]],
// CHECK-SAME: #sched.view<i8 [64, 64, 3, 6] : [1152, 1, 384, 64]>, #sched.view<ui8 [1, 64, 64, 16] : [65536, 1, 1024, 64], 0.25:3>
// CHECK-SAME: stride_w = 4, {{.*}} pad_left = 1
// CHECK-NEXT: sched.layer "copy"([[OWN]], [[Y]])
// CHECK-SAME: #sched.view<ui8 [1, 16, 64, 64] : [327680, 1, 5120, 80] + 64, 0.25:3>
func.func private @parts(%x: tensor<1x64x64x64x!quant.uniform<u8:f32, 0.5:3>> loc("x")) -> tensor<1x80x2x2x!quant.uniform<u8:f32, 0.25:3>> {
  %w = quant.constant dense<1> : tensor<80x64x3x3xi8> : tensor<80x64x3x3x!quant.uniform<i8:f32, 0.1>>
  %t = quant.transpose %x perm [0, 3, 1, 2] : tensor<1x64x64x64x!quant.uniform<u8:f32, 0.5:3>> -> tensor<1x64x64x64x!quant.uniform<u8:f32, 0.5:3>> loc("turn"("t"))
  %h = quant.conv %t, %w strides [1, 1] pads [1, 1, 1, 1] dilations [1, 1] group 1 : (tensor<1x64x64x64x!quant.uniform<u8:f32, 0.5:3>>, tensor<80x64x3x3x!quant.uniform<i8:f32, 0.1>>) -> tensor<1x80x64x64x!quant.uniform<u8:f32, 0.25:3>> loc("conv"("h"))
  %y = quant.max_pool %h kernel [1, 1] strides [32, 32] pads [0, 0, 0, 0] dilations [1, 1] : tensor<1x80x64x64x!quant.uniform<u8:f32, 0.25:3>> -> tensor<1x80x2x2x!quant.uniform<u8:f32, 0.25:3>> loc("pool"("y"))
  func.return %y : tensor<1x80x2x2x!quant.uniform<u8:f32, 0.25:3>>
}
