// RUN: ax-opt -p 'onnx-insert-preprocess{inputs="image dtype=U8 layout=NHWC mean=127 std=128"}' --mlir-print-debuginfo %s | filecheck %s
// RUN: ax-opt -p 'onnx-insert-preprocess{inputs="image mean=1,2,3 std=2,2,4"}' %s | filecheck %s --check-prefix=FLOAT
// RUN: ax-opt -p 'onnx-insert-preprocess{inputs="image mean=127 std=128 pixels=U8"}' %s | filecheck %s --check-prefix=PIXELS
// RUN: ax-opt -p 'onnx-insert-preprocess{inputs="image dtype=U8 layout=NHWC mean=127.5 std=127.5"}' %s | filecheck %s --check-prefix=HALF
// RUN: ax-opt -p 'onnx-insert-preprocess{inputs="image layout=NHWC model-layout=NHWC"}' %s | filecheck %s --check-prefix=SAME
// RUN: ax-opt -p 'onnx-insert-preprocess{inputs="image dtype=U8 layout=NHWC slice=0,0,1,2,0,1,0,0 pad=0,0,2,0,0,1,0,0 pad-value=114"}' %s | filecheck %s --check-prefix=EDGES
// RUN: ax-opt -p 'onnx-insert-preprocess{inputs="image dtype=U8 layout=NHWC format=YVU420SP color=1,2,3,4,5,6,7,8,9,10,11,12"}' %s | filecheck %s --check-prefix=YUV
// RUN: ax-opt -p 'onnx-insert-preprocess{inputs="image dtype=U8 layout=NHWC format=UYVY422 color=1,2,3,4,5,6,7,8,9,10,11,12"}' %s | filecheck %s --check-prefix=PACKED
// RUN: not ax-opt -p 'onnx-insert-preprocess{inputs="image dtype=U8 layout=NHWC format=YUYV422 color=1","row"}' %s 2>&1 | filecheck %s --check-prefix=COLOR
// RUN: not ax-opt -p 'onnx-insert-preprocess{inputs="image dtype=U8 layout=NHWC pad=0,0,1,0,0,1,0,0 format=YUV420SP color=1,2,3,4,5,6,7,8,9,10,11,12"}' %s 2>&1 | filecheck %s --check-prefix=EVEN
// RUN: not ax-opt -p 'onnx-insert-preprocess{inputs="imgae dtype=U8"}' %s 2>&1 | filecheck %s --check-prefix=NAME
// RUN: not ax-opt -p 'onnx-insert-preprocess{inputs="image dtype=U9 layout=CHW mean=x std=0"}' %s 2>&1 | filecheck %s --check-prefix=VALUE
// RUN: not ax-opt -p 'onnx-insert-preprocess{inputs="image mean=1,2","row layout=NHWC"}' %s 2>&1 | filecheck %s --check-prefix=FIT
// RUN: not ax-opt -p 'onnx-insert-preprocess{inputs="image slice=1,2,3 pad=-1,0 pad-value=x","row slice=1,1 pad=0,0,4,4"}' %s 2>&1 | filecheck %s --check-prefix=EDGE

// CHECK: func.func @main(%image: tensor<1x4x4x3xui8> {quant.range = array<f32: 0.000000e+00, 2.550000e+02>} loc("image"), %row: tensor<1x8xf32> loc("row")) -> (tensor<1x3x4x4xf32>, tensor<1x8xf32>) attributes {ax.input_names = ["image", "row"]}
// CHECK: [[ONE:%\w+]] = onnx.Constant {value = dense<1.000000e+00> : tensor<f32>}
// CHECK: [[ZERO:%\w+]] = onnx.Constant {value = dense<0> : tensor<ui8>}
// CHECK: [[D:%\w+]] = onnx.DequantizeLinear(%image, [[ONE]], [[ZERO]]) {quant.ranges = [array<f32: 0.000000e+00, 2.550000e+02>]} {{.*}} loc("image_DequantizeLinear"("image_DequantizeLinear"))
// CHECK: [[N:%\w+]] = onnx.Normalize([[D]]) {axis = 3 : i64, mean = [1.270000e+02 : f32, {{.*}}], quant.ranges = [array<f32: -0.9921875, 1.000000e+00>], std = [1.280000e+02 : f32, {{.*}}]} : (tensor<1x4x4x3xf32>) -> tensor<1x4x4x3xf32> loc("image_Normalize"("image_Normalize"))
// CHECK: [[T:%\w+]] = onnx.Transpose([[N]]) {perm = array<i64: 0, 3, 1, 2>, quant.ranges = [array<f32: -0.9921875, 1.000000e+00>]} {{.*}} loc("image_Transpose"("image_Transpose"))
// CHECK: onnx.Relu([[T]])

// HALF: onnx.Normalize({{.*}} quant.ranges = [array<f32: -1.00787401, 1.000000e+00>]

// FLOAT: func.func @main(%image: tensor<1x3x4x4xf32> {quant.range = array<f32: -1.000000e+00, 7.000000e+00>}
// FLOAT-NEXT: [[N:%\w+]] = onnx.Normalize(%image) {axis = 1 : i64
// FLOAT-NEXT: onnx.Relu([[N]])

// PIXELS: func.func @main(%image: tensor<1x3x4x4xf32> {quant.range = array<f32: 0.000000e+00, 2.550000e+02>}
// PIXELS-NEXT: onnx.Normalize(%image) {axis = 1 : i64, {{.*}} quant.ranges = [array<f32: -0.9921875, 1.000000e+00>]

// SAME: onnx.Relu(%image)

// EDGES: func.func @main(%image: tensor<1x5x4x3xui8>
// EDGES: [[D:%\w+]] = onnx.DequantizeLinear(%image
// EDGES: [[S:%\w+]] = onnx.Slice([[D]], {{.*}} -> tensor<1x2x3x3xf32>
// EDGES: [[P:%\w+]] = onnx.Pad([[S]], {{.*}} -> tensor<1x4x4x3xf32>
// EDGES: onnx.Transpose([[P]])

// EDGE: slice=1,2,3 is not a begin and an end for each axis
// EDGE: pad=-1,0 is not a begin and an end for each axis
// EDGE: pad-value=x is not a list of numbers

// YUV: func.func @main(%image: tensor<1x6x4x1xui8>
// YUV: [[Y:%\w+]] = onnx.Slice({{.*}} -> tensor<1x4x4x1xf32>
// YUV: [[C:%\w+]] = onnx.Slice({{.*}} -> tensor<1x2x4x1xf32>
// YUV: onnx.Reshape([[C]], {{.*}} -> tensor<1x2x1x2x1x2xf32>
// YUV: [[U:%\w+]] = onnx.Reshape({{.*}} -> tensor<1x4x4x2xf32>
// YUV: [[P:%\w+]] = onnx.Concat([[Y]], [[U]]) {axis = 3 : i64
// YUV: [[M:%\w+]] = onnx.ColorMatrix([[P]]) {bias = [4.000000e+00 : f32, 8.000000e+00 : f32, 1.200000e+01 : f32], matrix = [1.000000e+00 : f32, 3.000000e+00 : f32, 2.000000e+00 : f32, 5.000000e+00 : f32, {{.*}} quant.ranges = [array<f32: 0.000000e+00, 2.550000e+02>]
// YUV: onnx.Transpose([[M]])

// PACKED: func.func @main(%image: tensor<1x4x4x2xui8>
// PACKED: onnx.ColorMatrix

// NAME: 'imgae' is not an input of the graph (did you mean 'image'?)
// COLOR: format=YUYV422 needs dtype=U8, layout=NHWC and color= with 12 numbers
// EVEN: YUV420SP needs an even width, not 3
// EVEN: YUV420SP needs an even height, not 3
// VALUE: dtype 'U9' is not known (one of U8, S8, U16, S16, U32, S32, FP16, FP32)
// VALUE: layout 'CHW' is not known (one of NCHW, NHWC)
// VALUE: mean=x is not a list of numbers
// VALUE: a standard deviation is 0
// FIT: it has 3 channels, but mean has 2 numbers
// FIT: it has 2 axes; another layout needs four
func.func @main(%image: tensor<1x3x4x4xf32> {quant.range = array<f32: -1.0, 1.0>} loc("image"), %row: tensor<1x8xf32> loc("row")) -> (tensor<1x3x4x4xf32>, tensor<1x8xf32>) attributes {ax.input_names = ["image", "row"]} {
  %y = onnx.Relu(%image) {quant.ranges = [array<f32: 0.0, 1.0>]} : (tensor<1x3x4x4xf32>) -> tensor<1x3x4x4xf32>
  func.return %y, %row : tensor<1x3x4x4xf32>, tensor<1x8xf32>
}
