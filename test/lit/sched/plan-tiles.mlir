// RUN: ax-opt -p sched-plan-tiles --split-input-file --verify-diagnostics %s | filecheck %s

// What fits stays in OCM, in one tile.
// CHECK-LABEL: @fits
sched.program @fits target "AX650" mode "NPU1" ocm 65536 {
  %x = sched.buffer input 1024 {name = "x", type = #sched.view<ui8 [1024] : [1]>} : !sched.buffer
  // CHECK: sched.buffer ocm 1024
  %h = sched.buffer any 1024 : !sched.buffer
  %y = sched.buffer output 1024 {name = "y", type = #sched.view<ui8 [1024] : [1]>} : !sched.buffer
  // CHECK: tiling = #sched.tiling<[1] order [0]>
  sched.layer "unary"(%x, %h) [#sched.view<ui8 [1024] : [1]>, #sched.view<ui8 [1024] : [1]>] <fn = 0, alpha = 0.0, beta = 0.0, clamp_lo = 0, clamp_hi = 255> : !sched.buffer, !sched.buffer
  sched.layer "unary"(%h, %y) [#sched.view<ui8 [1024] : [1]>, #sched.view<ui8 [1024] : [1]>] <fn = 0, alpha = 0.0, beta = 0.0, clamp_lo = 0, clamp_hi = 255> : !sched.buffer, !sched.buffer
}

// -----

// What does not fit goes to DDR, and the layers around it are cut.
// CHECK-LABEL: @spilled
sched.program @spilled target "AX650" mode "NPU1" ocm 4096 {
  %x = sched.buffer input 65536 {name = "x", type = #sched.view<ui8 [64, 1024] : [1024, 1]>} : !sched.buffer
  // CHECK: sched.buffer swap 65536
  %h = sched.buffer any 65536 : !sched.buffer
  %y = sched.buffer output 65536 {name = "y", type = #sched.view<ui8 [64, 1024] : [1024, 1]>} : !sched.buffer
  // CHECK: tiling = #sched.tiling<[{{[1-9]\d+}}, {{\d+}}] order
  sched.layer "unary"(%x, %h) [#sched.view<ui8 [64, 1024] : [1024, 1]>, #sched.view<ui8 [64, 1024] : [1024, 1]>] <fn = 0, alpha = 0.0, beta = 0.0, clamp_lo = 0, clamp_hi = 255> : !sched.buffer, !sched.buffer
  sched.layer "unary"(%h, %y) [#sched.view<ui8 [64, 1024] : [1024, 1]>, #sched.view<ui8 [64, 1024] : [1024, 1]>] <fn = 0, alpha = 0.0, beta = 0.0, clamp_lo = 0, clamp_hi = 255> : !sched.buffer, !sched.buffer
}

// -----

// Writing to DDR takes M57 longer than computing: the sdma stores. Not where the result stays in OCM,
// and not on AX650, whose DDR is faster.
// CHECK-LABEL: @slow_ddr
sched.program @slow_ddr target "M57" mode "NPU1" ocm 65536 {
  %x = sched.buffer input 1024 {name = "x", type = #sched.view<ui8 [1024] : [1]>} : !sched.buffer
  %h = sched.buffer any 1024 : !sched.buffer
  %y = sched.buffer output 1024 {name = "y", type = #sched.view<ui8 [1024] : [1]>} : !sched.buffer
  // CHECK: sched.layer "unary"({{.*}} {tiling = #sched.tiling<[1] order [0]>} :
  // CHECK-NEXT: sched.layer "unary"({{.*}} {store = #sched<eu sdma>, tiling = #sched.tiling<[1] order [0]>} :
  sched.layer "unary"(%x, %h) [#sched.view<ui8 [1024] : [1]>, #sched.view<ui8 [1024] : [1]>] <fn = 0, alpha = 0.0, beta = 0.0, clamp_lo = 0, clamp_hi = 255> : !sched.buffer, !sched.buffer
  sched.layer "unary"(%h, %y) [#sched.view<ui8 [1024] : [1]>, #sched.view<ui8 [1024] : [1]>] <fn = 0, alpha = 0.0, beta = 0.0, clamp_lo = 0, clamp_hi = 255> : !sched.buffer, !sched.buffer
}
// CHECK-LABEL: @fast_ddr
sched.program @fast_ddr target "AX650" mode "NPU1" ocm 65536 {
  %x = sched.buffer input 1024 {name = "x", type = #sched.view<ui8 [1024] : [1]>} : !sched.buffer
  %y = sched.buffer output 1024 {name = "y", type = #sched.view<ui8 [1024] : [1]>} : !sched.buffer
  // CHECK: sched.layer "unary"({{.*}} {tiling = #sched.tiling<[1] order [0]>} :
  sched.layer "unary"(%x, %y) [#sched.view<ui8 [1024] : [1]>, #sched.view<ui8 [1024] : [1]>] <fn = 0, alpha = 0.0, beta = 0.0, clamp_lo = 0, clamp_hi = 255> : !sched.buffer, !sched.buffer
}

// -----

// A tiling that is there stays; a buffer whose place is decided, too.
// CHECK-LABEL: @kept
sched.program @kept target "AX650" mode "NPU1" ocm 65536 {
  // CHECK: sched.buffer swap 1024
  %h = sched.buffer swap 1024 : !sched.buffer
  %y = sched.buffer output 1024 {name = "y", type = #sched.view<ui8 [1024] : [1]>} : !sched.buffer
  // CHECK: tiling = #sched.tiling<[3] order [0]>
  sched.layer "unary"(%h, %y) [#sched.view<ui8 [1024] : [1]>, #sched.view<ui8 [1024] : [1]>] <fn = 0, alpha = 0.0, beta = 0.0, clamp_lo = 0, clamp_hi = 255> {tiling = #sched.tiling<[3] order [0]>} : !sched.buffer, !sched.buffer
}

// -----

sched.program @too_small target "AX650" mode "NPU1" ocm 128 {
  %x = sched.buffer input 1024 {name = "x", type = #sched.view<ui8 [1, 1024] : [1024, 1]>} : !sched.buffer
  %y = sched.buffer output 1024 {name = "y", type = #sched.view<ui8 [1, 1024] : [1024, 1]>} : !sched.buffer
  // expected-error@+1 {{of OCM, there are 128 (give more OCM}}
  sched.layer "softmax"(%x, %y) [#sched.view<ui8 [1, 1024] : [1024, 1]>, #sched.view<ui8 [1, 1024] : [1024, 1]>] <axis = 1> : !sched.buffer, !sched.buffer
}
