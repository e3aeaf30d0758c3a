// RUN: ax-opt -p sched-build-jobs %s | filecheck %s

// Two strips of columns, each in two slices of rows. A strip computes the columns beyond its edge that
// its pooling reads; rows that the second slice reads again are copied.
sched.program @tiles target "AX650" mode "NPU1" ocm 65536 {
  %x = sched.buffer input 32768 {name = "x", type = #sched.view<ui8 [1, 8, 64, 64] : [32768, 1, 512, 8]>} : !sched.buffer
  %h = sched.buffer tile 32768 : !sched.buffer
  %y = sched.buffer output 32768 {name = "y", type = #sched.view<ui8 [1, 8, 64, 64] : [32768, 1, 512, 8]>} : !sched.buffer
  // CHECK: sched.job "unary" on teng({{.*}}, #sched.view<ui8 [1, 8, 33, 33] : [32768, 1, 264, 8]>]
  // CHECK: sched.job "pool" on teng({{.*}}, #sched.view<ui8 [1, 8, 32, 32] : [32768, 1, 512, 8]>]
  // CHECK: sched.job "copy" on cv({{.*}}) [#sched.view<i8 [528] : [1] + 8184>, #sched.view<i8 [528] : [1]>]
  // CHECK: sched.job "unary" on teng({{.*}}, #sched.view<ui8 [1, 8, 31, 33] : [32768, 1, 264, 8] + 528>]
  // CHECK: sched.job "pool" on teng({{.*}}, #sched.view<ui8 [1, 8, 32, 32] : [32768, 1, 512, 8] + 16384>]
  // CHECK: sched.job "unary" on teng({{.*}}, #sched.view<ui8 [1, 8, 33, 33] : [32768, 1, 264, 8]>]
  // CHECK: sched.job "pool" on teng({{.*}}, #sched.view<ui8 [1, 8, 32, 32] : [32768, 1, 512, 8] + 256>]
  sched.layer "unary"(%x, %h) [#sched.view<ui8 [1, 8, 64, 64] : [32768, 1, 512, 8]>, #sched.view<ui8 [1, 8, 64, 64] : [32768, 1, 512, 8]>] <fn = 0, alpha = 0.0, beta = 0.0, clamp_lo = 0, clamp_hi = 255> {fusion = #sched.fusion<group 0 tiles 2 columns 2>} : !sched.buffer, !sched.buffer
  sched.layer "pool"(%h, %y) [#sched.view<ui8 [1, 8, 64, 64] : [32768, 1, 512, 8]>, #sched.view<ui8 [1, 8, 64, 64] : [32768, 1, 512, 8]>] <kind = 0, kh = 3, kw = 3, stride_h = 1, stride_w = 1, pad_top = 1, pad_left = 1, pad_bottom = 1, pad_right = 1, dil_h = 1, dil_w = 1, count_include_pad = 0, clamp_lo = 0, clamp_hi = 255> {fusion = #sched.fusion<group 0 tiles 2 columns 2>} : !sched.buffer, !sched.buffer
}
