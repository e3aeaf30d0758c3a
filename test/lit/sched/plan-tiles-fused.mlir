// RUN: ax-opt -p 'sched-plan-tiles{slice-mode=true}' %s | filecheck %s
// RUN: ax-opt -p 'sched-plan-tiles{tile-mode=true}' %s | filecheck %s
// RUN: ax-opt -p sched-plan-tiles %s | filecheck %s --check-prefix=PLAIN
// RUN: ax-opt -p 'sched-plan-tiles{slice-mode=true},sched-build-jobs' %s | filecheck %s --check-prefix=JOBS

// A tensor that would go to DDR is handed on slice by slice; without slice-mode it is swapped.
// CHECK-LABEL: @chain
// PLAIN-LABEL: @chain
// JOBS-LABEL: @chain
sched.program @chain target "AX650" mode "NPU1" ocm 16384 {
  %x = sched.buffer input 32768 {name = "x", type = #sched.view<ui8 [1, 8, 64, 64] : [32768, 1, 512, 8]>} : !sched.buffer
  // CHECK: sched.buffer tile 32768
  // PLAIN: sched.buffer swap 32768
  %h = sched.buffer any 32768 : !sched.buffer
  %y = sched.buffer output 32768 {name = "y", type = #sched.view<ui8 [1, 8, 64, 64] : [32768, 1, 512, 8]>} : !sched.buffer
  // CHECK: fusion = #sched.fusion<group 0 tiles [[T:\d+]]>
  // CHECK: fusion = #sched.fusion<group 0 tiles [[T]]>
  // PLAIN-NOT: fusion
  // JOBS-NOT: sched.buffer tile
  // JOBS-NOT: sched.buffer swap
  // JOBS: sched.job "copy" on sdma
  // JOBS-NEXT: sched.job "unary" on teng
  // JOBS-NEXT: sched.job "pool" on teng
  // The rows that the next window needs again are copied from the last slice.
  // JOBS-NEXT: sched.job "copy" on cv
  // JOBS-NEXT: sched.job "copy" on sdma
  // JOBS-NEXT: sched.job "unary" on teng
  // JOBS-NEXT: sched.job "pool" on teng
  sched.layer "unary"(%x, %h) [#sched.view<ui8 [1, 8, 64, 64] : [32768, 1, 512, 8]>, #sched.view<ui8 [1, 8, 64, 64] : [32768, 1, 512, 8]>] <fn = 0, alpha = 0.0, beta = 0.0, clamp_lo = 0, clamp_hi = 255> : !sched.buffer, !sched.buffer
  sched.layer "pool"(%h, %y) [#sched.view<ui8 [1, 8, 64, 64] : [32768, 1, 512, 8]>, #sched.view<ui8 [1, 8, 64, 64] : [32768, 1, 512, 8]>] <kind = 0, kh = 3, kw = 3, stride_h = 1, stride_w = 1, pad_top = 1, pad_left = 1, pad_bottom = 1, pad_right = 1, dil_h = 1, dil_w = 1, count_include_pad = 0, clamp_lo = 0, clamp_hi = 255> : !sched.buffer, !sched.buffer
}

// Attention: the scores of all heads and what Softmax makes of them exist only for some queries.
// CHECK-LABEL: @attention
// JOBS-LABEL: @attention
sched.program @attention target "AX650" mode "NPU1" ocm 65536 {
  %q = sched.buffer input 8192 {name = "q", type = #sched.view<ui8 [1, 2, 256, 16] : [8192, 16, 32, 1]>} : !sched.buffer
  %k = sched.buffer input 8192 {name = "k", type = #sched.view<ui8 [1, 2, 16, 256] : [8192, 16, 1, 32]>} : !sched.buffer
  %v = sched.buffer input 8192 {name = "v", type = #sched.view<ui8 [1, 2, 256, 16] : [8192, 16, 32, 1]>} : !sched.buffer
  // CHECK: sched.buffer tile 131072
  // CHECK: sched.buffer tile 131072
  %s = sched.buffer any 131072 : !sched.buffer
  %p = sched.buffer any 131072 : !sched.buffer
  %y = sched.buffer output 8192 {name = "y", type = #sched.view<ui8 [1, 2, 256, 16] : [8192, 16, 32, 1]>} : !sched.buffer
  %m = sched.buffer input 4 {name = "m", type = #sched.view<f32 [1] : [4]>} : !sched.buffer
  // CHECK: sched.layer "matmul"{{.*}}fusion = #sched.fusion<group 0 tiles [[T:\d+]]>
  // CHECK: sched.layer "softmax"{{.*}}fusion = #sched.fusion<group 0 tiles [[T]]>
  // CHECK: sched.layer "matmul"{{.*}}fusion = #sched.fusion<group 0 tiles [[T]]>
  // A plane of the window for each head.
  // JOBS-NOT: sched.buffer swap
  // JOBS: sched.job "softmax"{{.*}}#sched.view<ui8 [1, 2, [[R:\d+]], 256] : [{{\d+}}, [[P:\d+]], 256, 1]{{.*}}#sched.view<ui8 [1, 2, [[R]], 256] : [{{\d+}}, [[P]], 256, 1]
  sched.layer "matmul"(%q, %k, %s, %m) [#sched.view<ui8 [1, 2, 256, 16] : [8192, 16, 32, 1]>, #sched.view<ui8 [1, 2, 16, 256] : [8192, 16, 1, 32]>, #sched.view<ui8 [1, 2, 256, 256] : [131072, 65536, 256, 1]>, #sched.view<f32 [1] : [4]>] <bias_mode = 0, has_sums = 0, clamp_lo = 0, clamp_hi = 255> : !sched.buffer, !sched.buffer, !sched.buffer, !sched.buffer
  sched.layer "softmax"(%s, %p) [#sched.view<ui8 [1, 2, 256, 256] : [131072, 65536, 256, 1]>, #sched.view<ui8 [1, 2, 256, 256] : [131072, 65536, 256, 1]>] <axis = 3> : !sched.buffer, !sched.buffer
  sched.layer "matmul"(%p, %v, %y, %m) [#sched.view<ui8 [1, 2, 256, 256] : [131072, 65536, 256, 1]>, #sched.view<ui8 [1, 2, 256, 16] : [8192, 16, 32, 1]>, #sched.view<ui8 [1, 2, 256, 16] : [8192, 16, 32, 1]>, #sched.view<f32 [1] : [4]>] <bias_mode = 0, has_sums = 0, clamp_lo = 0, clamp_hi = 255> : !sched.buffer, !sched.buffer, !sched.buffer, !sched.buffer
}
