// RUN: ax-opt -p sched-plan-tiles %s | filecheck %s
// RUN: ax-opt -p 'sched-plan-tiles{slice-mode=true}' %s | filecheck %s

// What a program says of itself goes before the option.
// CHECK-LABEL: @always
// CHECK: sched.buffer tile 32768
sched.program @always target "AX650" mode "NPU1" ocm 16384 {
  %x = sched.buffer input 32768 {name = "x", type = #sched.view<ui8 [1, 8, 64, 64] : [32768, 1, 512, 8]>} : !sched.buffer
  %h = sched.buffer any 32768 : !sched.buffer
  %y = sched.buffer output 32768 {name = "y", type = #sched.view<ui8 [1, 8, 64, 64] : [32768, 1, 512, 8]>} : !sched.buffer
  sched.layer "unary"(%x, %h) [#sched.view<ui8 [1, 8, 64, 64] : [32768, 1, 512, 8]>, #sched.view<ui8 [1, 8, 64, 64] : [32768, 1, 512, 8]>] <fn = 0, alpha = 0.0, beta = 0.0, clamp_lo = 0, clamp_hi = 255> : !sched.buffer, !sched.buffer
  sched.layer "pool"(%h, %y) [#sched.view<ui8 [1, 8, 64, 64] : [32768, 1, 512, 8]>, #sched.view<ui8 [1, 8, 64, 64] : [32768, 1, 512, 8]>] <kind = 0, kh = 3, kw = 3, stride_h = 1, stride_w = 1, pad_top = 1, pad_left = 1, pad_bottom = 1, pad_right = 1, dil_h = 1, dil_w = 1, count_include_pad = 0, clamp_lo = 0, clamp_hi = 255> : !sched.buffer, !sched.buffer
} {ax.slice_mode = true}

// CHECK-LABEL: @never
// CHECK: sched.buffer swap 32768
sched.program @never target "AX650" mode "NPU1" ocm 16384 {
  %x = sched.buffer input 32768 {name = "x", type = #sched.view<ui8 [1, 8, 64, 64] : [32768, 1, 512, 8]>} : !sched.buffer
  %h = sched.buffer any 32768 : !sched.buffer
  %y = sched.buffer output 32768 {name = "y", type = #sched.view<ui8 [1, 8, 64, 64] : [32768, 1, 512, 8]>} : !sched.buffer
  sched.layer "unary"(%x, %h) [#sched.view<ui8 [1, 8, 64, 64] : [32768, 1, 512, 8]>, #sched.view<ui8 [1, 8, 64, 64] : [32768, 1, 512, 8]>] <fn = 0, alpha = 0.0, beta = 0.0, clamp_lo = 0, clamp_hi = 255> : !sched.buffer, !sched.buffer
  sched.layer "pool"(%h, %y) [#sched.view<ui8 [1, 8, 64, 64] : [32768, 1, 512, 8]>, #sched.view<ui8 [1, 8, 64, 64] : [32768, 1, 512, 8]>] <kind = 0, kh = 3, kw = 3, stride_h = 1, stride_w = 1, pad_top = 1, pad_left = 1, pad_bottom = 1, pad_right = 1, dil_h = 1, dil_w = 1, count_include_pad = 0, clamp_lo = 0, clamp_hi = 255> : !sched.buffer, !sched.buffer
} {ax.slice_mode = false}
