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

// -----

// A column of the factor does not fit: its sums are computed in parts. Not those of f32, which have an order,
// and not where memory is not short.
// CHECK-LABEL: @in_parts
sched.program @in_parts target "AX650" mode "NPU1" ocm 4096 {
  %x = sched.buffer input 8192 {name = "x", type = #sched.view<ui8 [1, 8192] : [8192, 1]>} : !sched.buffer
  %b = sched.buffer input 524288 {name = "b", type = #sched.view<i8 [8192, 64] : [1, 8192]>} : !sched.buffer
  %m = sched.buffer input 4 {name = "m", type = #sched.view<f32 [1] : [4]>} : !sched.buffer
  %y = sched.buffer output 64 {name = "y", type = #sched.view<ui8 [1, 64] : [64, 1]>} : !sched.buffer
  // CHECK: tiling = #sched.tiling<[1, {{\d+}}] order [0, 1] part {{\d+}}>
  sched.layer "matmul"(%x, %b, %y, %m) [#sched.view<ui8 [1, 8192] : [8192, 1]>, #sched.view<i8 [8192, 64] : [1, 8192]>, #sched.view<ui8 [1, 64] : [64, 1]>, #sched.view<f32 [1] : [4]>] <bias_mode = 0, has_sums = 0, clamp_lo = 0, clamp_hi = 255> : !sched.buffer, !sched.buffer, !sched.buffer, !sched.buffer
}
// CHECK-LABEL: @roomy
sched.program @roomy target "AX650" mode "NPU1" ocm 1048576 {
  %x = sched.buffer input 8192 {name = "x", type = #sched.view<ui8 [1, 8192] : [8192, 1]>} : !sched.buffer
  %b = sched.buffer input 524288 {name = "b", type = #sched.view<i8 [8192, 64] : [1, 8192]>} : !sched.buffer
  %m = sched.buffer input 4 {name = "m", type = #sched.view<f32 [1] : [4]>} : !sched.buffer
  %y = sched.buffer output 64 {name = "y", type = #sched.view<ui8 [1, 64] : [64, 1]>} : !sched.buffer
  // CHECK: tiling = #sched.tiling<[1, {{\d+}}] order [{{[0, 1]+}}]>
  sched.layer "matmul"(%x, %b, %y, %m) [#sched.view<ui8 [1, 8192] : [8192, 1]>, #sched.view<i8 [8192, 64] : [1, 8192]>, #sched.view<ui8 [1, 64] : [64, 1]>, #sched.view<f32 [1] : [4]>] <bias_mode = 0, has_sums = 0, clamp_lo = 0, clamp_hi = 255> : !sched.buffer, !sched.buffer, !sched.buffer, !sched.buffer
}

// -----

sched.program @float_sums target "AX650" mode "NPU1" ocm 4096 {
  %x = sched.buffer input 32768 {name = "x", type = #sched.view<f32 [1, 8192] : [32768, 4]>} : !sched.buffer
  %b = sched.buffer input 131072 {name = "b", type = #sched.view<f32 [8192, 4] : [4, 32768]>} : !sched.buffer
  %m = sched.buffer input 4 {name = "m", type = #sched.view<f32 [1] : [4]>} : !sched.buffer
  %y = sched.buffer output 16 {name = "y", type = #sched.view<f32 [1, 4] : [16, 4]>} : !sched.buffer
  // expected-error@+1 {{the smallest tile needs 65664 bytes of OCM, there are 4096}}
  sched.layer "matmul"(%x, %b, %y, %m) [#sched.view<f32 [1, 8192] : [32768, 4]>, #sched.view<f32 [8192, 4] : [4, 32768]>, #sched.view<f32 [1, 4] : [16, 4]>, #sched.view<f32 [1] : [4]>] <bias_mode = 0, has_sums = 0, clamp_lo = -2147483648, clamp_hi = 2147483647> : !sched.buffer, !sched.buffer, !sched.buffer, !sched.buffer
}
