// RUN: ax-opt -p 'quant-partition{ranges="start=a end=b slice-mode=true tile-mode=true"}' --mlir-print-debuginfo %s | filecheck %s
// RUN: ax-opt -p 'quant-partition{ranges="start=a end=b","start=b end=d slice-mode=false ddr-bw-limit=1.5"}' %s | filecheck %s --check-prefix TWO
// RUN: not ax-opt -p 'quant-partition{ranges="start=a end=bb","start=d end=a","start=x end=c"}' %s 2>&1 | filecheck %s --check-prefix BAD
// RUN: not ax-opt -p 'quant-partition{ranges="start=a end=b","start=x end=d"}' %s 2>&1 | filecheck %s --check-prefix SHARED
// RUN: not ax-opt -p 'quant-partition{ranges="start=a"}' %s 2>&1 | filecheck %s --check-prefix FORM

// What lies between a and b is for itself; the rest is before it and behind it.
// CHECK-LABEL: func.func @main
// CHECK-NEXT: [[A:%\w+]], [[C:%\w+]] = func.call @subgraph_npu_0(%x)
// CHECK-NEXT: [[B:%\w+]] = func.call @subgraph_npu_1([[A]])
// CHECK-NEXT: [[S:%\w+]] = func.call @subgraph_cpu_0([[C]])
// CHECK-NEXT: [[D:%\w+]] = func.call @subgraph_npu_2([[B]], [[S]])
// CHECK-NEXT: func.return [[D]]
// CHECK: func.func private @subgraph_npu_1(%{{\w+}}: tensor<2xf32> loc("a")) -> tensor<2xf32> attributes {ax.device = "NPU", ax.input_names = ["a"], ax.output_names = ["b"], ax.range = 0 : i64, ax.slice_mode = true, ax.tile_mode = true}
// CHECK-NEXT: quant.unary abs
// CHECK-NEXT: func.return

// TWO: func.func private @subgraph_npu_1({{.*}}ax.range = 0 : i64} {
// TWO: func.func private @subgraph_npu_2({{.*}}ax.range = 1 : i64, ax.slice_mode = false, ax.ddr_limit = 1500000000 : i64} {

// BAD: subgraph from a to bb: error: the quantized graph has no tensor 'bb' (did you mean 'b'
// BAD: subgraph from d to a: error: no operator lies between its tensors
// BAD: subgraph from x to c: error: the CPU runs a part of it: c
// SHARED: subgraph from x to d: error: another one has b too
// FORM: 'start=a' is not a range (start=.. end=.. slice-mode=true|false tile-mode=true|false ddr-bw-limit=GB/s)
func.func @main(%x: tensor<2xf32> loc("x")) -> (tensor<2xf32>) {
  %0 = quant.unary relu %x : tensor<2xf32> -> tensor<2xf32> loc("a"("a"))
  %1 = quant.unary abs %0 : tensor<2xf32> -> tensor<2xf32> loc("b"("b"))
  %2 = quant.unary abs %x : tensor<2xf32> -> tensor<2xf32> loc("e"("e"))
  %3 = onnx.Softsign(%2) : (tensor<2xf32>) -> tensor<2xf32> loc("c"("c"))
  %4 = quant.add %1, %3 : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32> loc("d"("d"))
  func.return %4 : tensor<2xf32>
}
