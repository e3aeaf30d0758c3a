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
// CHECK-SAME: bias_mode = 0, has_wzp = 0, clamp_lo = 3, clamp_hi = 255>
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

func.func private @unsupported(%x: tensor<4xf32> loc("x")) -> tensor<4xf32> {
  // expected-error@+1 {{'onnx.Sin' has no lowering to layers}}
  %0 = onnx.Sin(%x) : (tensor<4xf32>) -> tensor<4xf32>
  func.return %0 : tensor<4xf32>
}
