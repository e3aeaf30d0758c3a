// RUN: ax-opt -p 'convert-quant-to-sched,sched-plan-tiles,sched-build-jobs' %s | filecheck %s

// The constants of a tile are one blob, loaded together: weights, multipliers and bias, each at a
// multiple of 64 bytes.
// CHECK: [[P:%\w+]] = sched.buffer param 192 {data = #ax.weight<{{.*}}, tensor<192xi8>>}
// CHECK-NEXT: [[Q:%\w+]] = sched.buffer ocm 192
// CHECK: sched.job "copy" on sdma([[P]], [[Q]]) [#sched.view<i8 [192] : [1]>, #sched.view<i8 [192] : [1]>] <>
// CHECK: sched.job "conv" on conv({{%\w+}}, [[Q]], {{%\w+}}, [[Q]], [[Q]]) [{{.*}}, #sched.view<f32 [2] : [4] + 64>, #sched.view<i32 [2] : [4] + 128>] <{{.*}}bias_mode = 1,
func.func private @conv(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>> loc("x")) -> tensor<1x2x4x4x!quant.uniform<u8:f32, 0.25:3>> {
  %w = quant.constant dense<[[[[1]], [[-1]]], [[[2]], [[-2]]]]> : tensor<2x2x1x1xi8> : tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>
  %b = quant.constant dense<[1, 2]> : tensor<2xi32> : tensor<2x!quant.uniform<i32:f32:0, {0.05, 0.1}>>
  %y = quant.conv %x, %w, %b strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] group 1 : (tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>, tensor<2x!quant.uniform<i32:f32:0, {0.05, 0.1}>>) -> tensor<1x2x4x4x!quant.uniform<u8:f32, 0.25:3>> loc("conv"("y"))
  func.return %y : tensor<1x2x4x4x!quant.uniform<u8:f32, 0.25:3>>
}
