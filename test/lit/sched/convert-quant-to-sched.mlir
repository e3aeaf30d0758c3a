// RUN: ax-opt -p 'convert-quant-to-sched{target=AX650 npu-mode=NPU2 ocm-bytes=65536 ddr-bw-limit=2.5}' --split-input-file --verify-diagnostics %s | filecheck %s

// A function becomes a program, its call an invocation. Inputs and outputs are row-major, inner
// activations channels-last and nowhere yet; the kernel reads channels-last, so the input is copied.
func.func @main(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>) -> tensor<1x2x4x4x!quant.uniform<u8:f32, 0.25:3>> {
  // CHECK: ax.invoke @conv(%x) : (tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>) -> tensor<1x2x4x4x!quant.uniform<u8:f32, 0.25:3>>
  %0 = func.call @conv(%x) : (tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>) -> tensor<1x2x4x4x!quant.uniform<u8:f32, 0.25:3>>
  func.return %0 : tensor<1x2x4x4x!quant.uniform<u8:f32, 0.25:3>>
}
// CHECK: sched.program @conv target "AX650" mode "NPU2" ocm 65536 {
// CHECK-NEXT: [[IN:%\w+]] = sched.buffer input 32 {name = "x", type = #sched.view<ui8 [1, 2, 4, 4] : [32, 16, 4, 1], 0.5:3>}
// CHECK-NEXT: [[OUT:%\w+]] = sched.buffer output 32 {name = "y", type = #sched.view<ui8 [1, 2, 4, 4] : [32, 16, 4, 1], 0.25:3>}
// CHECK: [[X:%\w+]] = sched.buffer any 32
// CHECK: [[W:%\w+]] = sched.buffer param 4 {data = #ax.weight<{{.*}}, tensor<{{.*}}xi8>>}
// CHECK: sched.layer "copy"([[IN]], [[X]]) [#sched.view<ui8 [1, 2, 4, 4] : [32, 16, 4, 1], 0.5:3>, #sched.view<ui8 [1, 2, 4, 4] : [32, 1, 8, 2], 0.5:3>] <>
// CHECK-NEXT: sched.layer "conv"([[X]], [[W]], [[OUT]], {{%\w+}})
// CHECK-SAME: bias_mode = 0, has_wzp = 0, has_sums = 0, clamp_lo = 3, clamp_hi = 255>
// CHECK-NEXT: } {ddr_limit = 2500000000 : i64}
func.func private @conv(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>> loc("x")) -> tensor<1x2x4x4x!quant.uniform<u8:f32, 0.25:3>> {
  %w = quant.constant dense<[[[[1]], [[-1]]], [[[2]], [[-2]]]]> : tensor<2x2x1x1xi8> : tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>
  %y = quant.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] group 1 clamp [3, 255] : (tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>) -> tensor<1x2x4x4x!quant.uniform<u8:f32, 0.25:3>> loc("conv"("y"))
  func.return %y : tensor<1x2x4x4x!quant.uniform<u8:f32, 0.25:3>>
}

// -----

// An 8-bit function is a table. Transpose and reshape are other views of the same bytes.
// CHECK: sched.program @views
// CHECK-NEXT: [[IN:%\w+]] = sched.buffer input 6
// CHECK-NEXT: [[OUT:%\w+]] = sched.buffer output 6
// CHECK-NEXT: [[T:%\w+]] = sched.buffer param 256
// CHECK-NEXT: sched.layer "lut"([[IN]], [[T]], [[OUT]]) [#sched.view<ui8 [3, 2] : [1, 3], 0.5:3>, #sched.view<ui8 [256] : [1]{{.*}}>, #sched.view<ui8 [3, 2] : [2, 1], 0.0039:0>] <axis = -1>
// CHECK-NOT: sched.layer
func.func private @views(%x: tensor<6x!quant.uniform<u8:f32, 0.5:3>> loc("x")) -> tensor<3x2x!quant.uniform<u8:f32, 0.0039>> {
  %0 = quant.reshape %x : tensor<6x!quant.uniform<u8:f32, 0.5:3>> -> tensor<2x3x!quant.uniform<u8:f32, 0.5:3>>
  %1 = quant.transpose %0 perm [1, 0] : tensor<2x3x!quant.uniform<u8:f32, 0.5:3>> -> tensor<3x2x!quant.uniform<u8:f32, 0.5:3>>
  %2 = quant.unary sigmoid %1 : tensor<3x2x!quant.uniform<u8:f32, 0.5:3>> -> tensor<3x2x!quant.uniform<u8:f32, 0.0039>>
  func.return %2 : tensor<3x2x!quant.uniform<u8:f32, 0.0039>>
}

// -----

// The operands of a concatenation are computed where they go.
// CHECK: sched.program @concat
// CHECK: [[OUT:%\w+]] = sched.buffer output 8
// CHECK: sched.layer "lut"({{%\w+}}, {{%\w+}}, [[OUT]]) [{{.*}}, #sched.view<ui8 [4] : [1], 0.5:3>] <axis = -1>
// CHECK-NEXT: sched.layer "lut"({{%\w+}}, {{%\w+}}, [[OUT]]) [{{.*}}, #sched.view<ui8 [4] : [1] + 4, 0.5:3>] <axis = -1>
// CHECK-NOT: sched.layer
func.func private @concat(%x: tensor<4x!quant.uniform<u8:f32, 0.5:3>> loc("x")) -> tensor<8x!quant.uniform<u8:f32, 0.5:3>> {
  %0 = quant.unary sigmoid %x : tensor<4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<4x!quant.uniform<u8:f32, 0.5:3>>
  %1 = quant.unary tanh %x : tensor<4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<4x!quant.uniform<u8:f32, 0.5:3>>
  %2 = quant.concat %0, %1 axis 0 : (tensor<4x!quant.uniform<u8:f32, 0.5:3>>, tensor<4x!quant.uniform<u8:f32, 0.5:3>>) -> tensor<8x!quant.uniform<u8:f32, 0.5:3>>
  func.return %2 : tensor<8x!quant.uniform<u8:f32, 0.5:3>>
}

// -----

// Public functions stay.
// CHECK: func.func @public
func.func @public(%x: tensor<4xf32>) -> tensor<4xf32> {
  func.return %x : tensor<4xf32>
}

// -----

// The greatest of a window of 5 x 5 is found along the columns, then along the rows.
// CHECK-LABEL: @large_window
// CHECK: sched.layer "pool"(%{{\w+}}, [[M:%\w+]])
// CHECK-SAME: kh = 1, kw = 5, stride_h = 1, stride_w = 1, pad_top = 0, pad_left = 2, pad_bottom = 0, pad_right = 2
// CHECK-NEXT: sched.layer "pool"([[M]], %{{\w+}})
// CHECK-SAME: kh = 5, kw = 1, stride_h = 1, stride_w = 1, pad_top = 2, pad_left = 0, pad_bottom = 2, pad_right = 0
func.func private @large_window(%x: tensor<1x2x8x8x!quant.uniform<u8:f32, 0.5>> loc("x")) -> tensor<1x2x8x8x!quant.uniform<u8:f32, 0.5>> {
  %y = quant.max_pool %x kernel [5, 5] strides [1, 1] pads [2, 2, 2, 2] dilations [1, 1] : tensor<1x2x8x8x!quant.uniform<u8:f32, 0.5>> -> tensor<1x2x8x8x!quant.uniform<u8:f32, 0.5>> loc("pool"("y"))
  func.return %y : tensor<1x2x8x8x!quant.uniform<u8:f32, 0.5>>
}

// -----

// What leads to one result alone comes before what the other result needs beside it.
// CHECK-LABEL: @heads
// CHECK: sched.layer "eltwise"
// CHECK-SAME: fn = 0
// CHECK-NEXT: sched.layer "eltwise"
// CHECK-SAME: fn = 2
// CHECK-NEXT: sched.layer "eltwise"
// CHECK-SAME: fn = 1
func.func private @heads(%x: tensor<4x!quant.uniform<u8:f32, 0.5>> loc("x")) -> (tensor<4x!quant.uniform<u8:f32, 0.5>>, tensor<4x!quant.uniform<u8:f32, 0.5>>) {
  %a = quant.add %x, %x : (tensor<4x!quant.uniform<u8:f32, 0.5>>, tensor<4x!quant.uniform<u8:f32, 0.5>>) -> tensor<4x!quant.uniform<u8:f32, 0.5>> loc("add"("a"))
  %b = quant.sub %a, %x : (tensor<4x!quant.uniform<u8:f32, 0.5>>, tensor<4x!quant.uniform<u8:f32, 0.5>>) -> tensor<4x!quant.uniform<u8:f32, 0.5>> loc("sub"("b"))
  %c = quant.sub %b, %x : (tensor<4x!quant.uniform<u8:f32, 0.5>>, tensor<4x!quant.uniform<u8:f32, 0.5>>) -> tensor<4x!quant.uniform<u8:f32, 0.5>> loc("sub"("c"))
  %d = quant.mul %a, %x : (tensor<4x!quant.uniform<u8:f32, 0.5>>, tensor<4x!quant.uniform<u8:f32, 0.5>>) -> tensor<4x!quant.uniform<u8:f32, 0.5>> loc("mul"("d"))
  func.return %c, %d : tensor<4x!quant.uniform<u8:f32, 0.5>>, tensor<4x!quant.uniform<u8:f32, 0.5>>
}

// -----

// Four pixels of two channels fill lanes that two convolutions would leave idle: one computes the
// squares, and a copy takes each of their rows to its place.
// CHECK-LABEL: @squares
// CHECK: sched.layer "conv"(%{{\w+}}, %{{\w+}}, [[S:%\w+]],
// CHECK-SAME: #sched.view<ui8 [1, 8, 4, 4] : [128, 1, 32, 8], 0.25:3>
// CHECK-NEXT: sched.layer "copy"([[S]], [[T:%\w+]]) [#sched.view<ui8 [1, 4, 4, 4] : [128, 1, 32, 8], 0.25:3>, #sched.view<ui8 [1, 4, 4, 4] : [128, 1, 32, 4], 0.25:3>]
// CHECK-NEXT: sched.layer "copy"([[S]], [[T]]) [#sched.view<ui8 [1, 4, 4, 4] : [128, 1, 32, 8] + 4, 0.25:3>, #sched.view<ui8 [1, 4, 4, 4] : [128, 1, 32, 4] + 16, 0.25:3>]
func.func private @squares(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>> loc("x")) -> tensor<1x2x8x8x!quant.uniform<u8:f32, 0.25:3>> {
  %w = quant.constant dense<[[[[1, 2], [3, 4]], [[-1, 0], [0, 1]]], [[[5, 6], [7, 8]], [[2, 0], [0, 2]]]]> : tensor<2x2x2x2xi8> : tensor<2x2x2x2x!quant.uniform<i8:f32:0, {0.1, 0.2}>>
  %h = quant.conv_transpose %x, %w strides [2, 2] pads [0, 0, 0, 0] dilations [1, 1] output_padding [0, 0] group 1 : (tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x2x2x2x!quant.uniform<i8:f32:0, {0.1, 0.2}>>) -> tensor<1x2x8x8x!quant.uniform<u8:f32, 0.25:3>> loc("up"("h"))
  %y = quant.max_pool %h kernel [3, 3] strides [1, 1] pads [1, 1, 1, 1] dilations [1, 1] : tensor<1x2x8x8x!quant.uniform<u8:f32, 0.25:3>> -> tensor<1x2x8x8x!quant.uniform<u8:f32, 0.25:3>> loc("pool"("y"))
  func.return %y : tensor<1x2x8x8x!quant.uniform<u8:f32, 0.25:3>>
}

// -----

// The next one computes squares of each pixel of the squares, in groups; its table is looked up in
// them, and copies of what lies side by side bring them into rows at the end.
// CHECK-LABEL: @squares_of_squares
// CHECK: sched.layer "conv"({{%\w+}}, {{%\w+}}, [[S:%\w+]],
// CHECK-SAME: #sched.view<ui8 [1, 8, 2, 2] : [32, 1, 16, 8], 0.25:3>
// CHECK-NEXT: sched.layer "conv"([[S]], {{%\w+}}, [[Q:%\w+]],
// CHECK-SAME: #sched.view<i8 [16, 2, 1, 1] : [2, 1, 2, 2]>, #sched.view<ui8 [1, 16, 2, 2] : [64, 1, 32, 16], 0.25:3>
// CHECK-SAME: group = 4
// CHECK-NEXT: sched.layer "lut"([[Q]], {{%\w+}}, [[T:%\w+]])
// CHECK-NEXT: sched.layer "copy"([[T]], [[Y:%\w+]]) [#sched.view<ui8 [1, 2, 2, 2] : [64, 1, 32, 16], 0.0039:0>, #sched.view<ui8 [1, 2, 2, 2] : [64, 1, 32, 4], 0.0039:0>]
// CHECK-NEXT: sched.layer "copy"([[T]], [[Y]]) [#sched.view<ui8 [1, 2, 2, 2] : [64, 1, 32, 16] + 2, 0.0039:0>, #sched.view<ui8 [1, 2, 2, 2] : [64, 1, 32, 4] + 8, 0.0039:0>]
// CHECK-COUNT-6: sched.layer "copy"([[T]], [[Y]])
// CHECK-NOT: sched.layer
func.func private @squares_of_squares(%x: tensor<1x2x2x2x!quant.uniform<u8:f32, 0.5:3>> loc("x")) -> tensor<1x1x8x8x!quant.uniform<u8:f32, 0.0039:0>> {
  %w = quant.constant dense<1> : tensor<2x2x2x2xi8> : tensor<2x2x2x2x!quant.uniform<i8:f32, 0.1>>
  %v = quant.constant dense<1> : tensor<1x2x2x2xi8> : tensor<1x2x2x2x!quant.uniform<i8:f32, 0.1>>
  %h = quant.conv_transpose %x, %w strides [2, 2] pads [0, 0, 0, 0] dilations [1, 1] output_padding [0, 0] group 1 : (tensor<1x2x2x2x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x2x2x2x!quant.uniform<i8:f32, 0.1>>) -> tensor<1x2x4x4x!quant.uniform<u8:f32, 0.25:3>> loc("up1"("h"))
  %g = quant.conv_transpose %h, %v strides [2, 2] pads [0, 0, 0, 0] dilations [1, 1] output_padding [0, 0] group 1 : (tensor<1x2x4x4x!quant.uniform<u8:f32, 0.25:3>>, tensor<1x2x2x2x!quant.uniform<i8:f32, 0.1>>) -> tensor<1x1x8x8x!quant.uniform<u8:f32, 0.25:3>> loc("up2"("g"))
  %y = quant.unary sigmoid %g : tensor<1x1x8x8x!quant.uniform<u8:f32, 0.25:3>> -> tensor<1x1x8x8x!quant.uniform<u8:f32, 0.0039:0>> loc("sig"("y"))
  func.return %y : tensor<1x1x8x8x!quant.uniform<u8:f32, 0.0039:0>>
}

// -----

// Pixels less a mean that is a whole number, in steps of one pixel value, are the pixels: the
// convolution reads them as what they now stand for.
// CHECK-LABEL: @pixels
// CHECK: [[IN:%\w+]] = sched.buffer input 24 {name = "x"
// CHECK-NOT: "lut"
// CHECK: sched.layer "conv"([[IN]], {{.*}}) [#sched.view<ui8 [1, 3, 2, 4] : [24, 1, 12, 3], 0.0078125:127>
func.func private @pixels(%x: tensor<1x2x4x3x!quant.uniform<u8:f32, 1.0>> loc("x")) -> tensor<1x1x2x4x!quant.uniform<u8:f32, 0.25:3>> {
  %w = quant.constant dense<[[[[1]], [[-1]], [[2]]]]> : tensor<1x3x1x1xi8> : tensor<1x3x1x1x!quant.uniform<i8:f32:0, {0.1}>>
  %n = quant.normalize %x axis 3 mean [127.0, 127.0, 127.0] std [128.0, 128.0, 128.0] : tensor<1x2x4x3x!quant.uniform<u8:f32, 1.0>> -> tensor<1x2x4x3x!quant.uniform<u8:f32, 0.0078125:127>> loc("norm"("n"))
  %t = quant.transpose %n perm [0, 3, 1, 2] : tensor<1x2x4x3x!quant.uniform<u8:f32, 0.0078125:127>> -> tensor<1x3x2x4x!quant.uniform<u8:f32, 0.0078125:127>> loc("turn"("t"))
  %y = quant.conv %t, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] group 1 : (tensor<1x3x2x4x!quant.uniform<u8:f32, 0.0078125:127>>, tensor<1x3x1x1x!quant.uniform<i8:f32:0, {0.1}>>) -> tensor<1x1x2x4x!quant.uniform<u8:f32, 0.25:3>> loc("conv"("y"))
  func.return %y : tensor<1x1x2x4x!quant.uniform<u8:f32, 0.25:3>>
}

// -----

// Given out, they are copied.
// CHECK-LABEL: @pixels_out
// CHECK: [[IN:%\w+]] = sched.buffer input 24 {name = "x"
// CHECK-NOT: "lut"
// CHECK: sched.layer "copy"([[IN]], {{%\w+}}) [#sched.view<ui8 [1, 2, 4, 3] : [24, 12, 3, 1], 0.0078125:127>, #sched.view<ui8 [1, 2, 4, 3] : [24, 12, 3, 1], 0.0078125:127>]
func.func private @pixels_out(%x: tensor<1x2x4x3x!quant.uniform<u8:f32, 1.0>> loc("x")) -> tensor<1x2x4x3x!quant.uniform<u8:f32, 0.0078125:127>> {
  %n = quant.normalize %x axis 3 mean [127.0, 127.0, 127.0] std [128.0, 128.0, 128.0] : tensor<1x2x4x3x!quant.uniform<u8:f32, 1.0>> -> tensor<1x2x4x3x!quant.uniform<u8:f32, 0.0078125:127>> loc("norm"("n"))
  func.return %n : tensor<1x2x4x3x!quant.uniform<u8:f32, 0.0078125:127>>
}

// -----

// A mean for each channel needs its table.
// CHECK-LABEL: @means
// CHECK: sched.layer "lut"
func.func private @means(%x: tensor<1x2x4x3x!quant.uniform<u8:f32, 1.0>> loc("x")) -> tensor<1x2x4x3x!quant.uniform<u8:f32, 0.0078125:127>> {
  %n = quant.normalize %x axis 3 mean [127.0, 126.0, 127.0] std [128.0, 128.0, 128.0] : tensor<1x2x4x3x!quant.uniform<u8:f32, 1.0>> -> tensor<1x2x4x3x!quant.uniform<u8:f32, 0.0078125:127>> loc("norm"("n"))
  func.return %n : tensor<1x2x4x3x!quant.uniform<u8:f32, 0.0078125:127>>
}

// -----

func.func private @unsupported(%x: tensor<4xf32> loc("x")) -> tensor<4xf32> {
  // expected-error@+1 {{'onnx.Sin' has no lowering to layers}}
  %0 = onnx.Sin(%x) : (tensor<4xf32>) -> tensor<4xf32>
  func.return %0 : tensor<4xf32>
}
