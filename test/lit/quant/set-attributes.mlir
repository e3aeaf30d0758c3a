// RUN: ax-opt -p 'quant-set-attributes{operators="{\"op_name\": \"Flatten_4\", \"attrs\": {\"shape\": [-1, 8]}}","{\"op_name\": \"pool\", \"attrs\": {\"count_include_pad\": 1, \"pads\": [0, 0, 1, 1]}}"}' %s | filecheck %s
// RUN: ax-opt -p quant-set-attributes %s | filecheck %s --check-prefix NONE
// RUN: ax-opt -p 'quant-set-attributes{operators="{\"op_name\": \"Flatten_4\", \"attrs\": {\"shape\": [0, 0, -1]}}"}' %s | filecheck %s --check-prefix ZERO
// RUN: not ax-opt -p 'quant-set-attributes{operators="{\"op_name\": \"flatten_4\", \"attrs\": {}}","{\"op_name\": \"pool\", \"attrs\": {\"pad\": [1], \"kernel\": \"x\", \"ceil_mode\": 2}}","{\"op_name\": \"Flatten_4\", \"attrs\": {\"shape\": [3, -1]}}","{\"op_name\": \"relu\", \"attrs\": {\"fn\": 1}}"}' %s 2>&1 | filecheck %s --check-prefix BAD
// RUN: not ax-opt -p 'quant-set-attributes{operators="{\"op_name\": \"pool\", \"attrs\": {\"strides\": [1, 1]}}"}' %s 2>&1 | filecheck %s --check-prefix MISFIT
// RUN: not ax-opt -p 'quant-set-attributes{operators=pool}' %s 2>&1 | filecheck %s --check-prefix TEXT

// The new shape goes on through what computes each element by itself, to the function's type.
// CHECK-LABEL: func.func @main
// CHECK-SAME: -> tensor<4x8xf32>
// CHECK: quant.avg_pool {{.*}} pads [0, 0, 1, 1] {{.*}} count_include_pad
// CHECK: quant.reshape {{.*}} -> tensor<4x8x!quant
// CHECK: quant.unary relu {{.*}} -> tensor<4x8x!quant
// CHECK: quant.dcast {{.*}} -> tensor<4x8xf32>
// ZERO: quant.reshape {{.*}} -> tensor<1x8x4x!quant
// NONE: quant.dcast {{.*}} -> tensor<1x32xf32>
// BAD-DAG: the quantized graph has no operator 'flatten_4' {{.*}}Flatten_4
// BAD-DAG: it has no attribute 'pad' {{.*}}pads
// BAD-DAG: the attribute 'kernel' cannot be 'x' {{.*}}it is [2, 2]
// BAD-DAG: the attribute 'ceil_mode' cannot be 2 {{.*}}it is not set
// BAD-DAG: the attribute 'shape' cannot be [3, -1] {{.*}}it is [1, 32]: 32 elements
// BAD-DAG: it has no attribute 'fn'
// MISFIT: the graph does not fit together: {{.*}}shape
// TEXT: pool is not the attributes of an operator
func.func @main(%x: tensor<1x8x4x4x!quant.uniform<u8:f32, 0.1>> loc("x")) -> tensor<1x32xf32> attributes {ax.output_names = ["y"]} {
  %0 = quant.avg_pool %x kernel [2, 2] strides [2, 2] pads [0, 0, 0, 0] dilations [1, 1] : tensor<1x8x4x4x!quant.uniform<u8:f32, 0.1>> -> tensor<1x8x2x2x!quant.uniform<u8:f32, 0.1>> loc("pool"("p"))
  %1 = quant.reshape %0 : tensor<1x8x2x2x!quant.uniform<u8:f32, 0.1>> -> tensor<1x32x!quant.uniform<u8:f32, 0.1>> loc("Flatten_4"("f"))
  %2 = quant.unary relu %1 : tensor<1x32x!quant.uniform<u8:f32, 0.1>> -> tensor<1x32x!quant.uniform<u8:f32, 0.1>> loc("relu"("r"))
  %3 = quant.dcast %2 : tensor<1x32x!quant.uniform<u8:f32, 0.1>> -> tensor<1x32xf32> loc("y_DequantizeLinear"("y"))
  func.return %3 : tensor<1x32xf32>
}
