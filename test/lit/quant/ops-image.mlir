// RUN: ax-opt %s | ax-opt | filecheck %s

// CHECK-LABEL: func.func @resizing
func.func @resizing(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>) {
  // CHECK: quant.resize_nearest %x coordinates asymmetric rounding floor scales [2.000000e+00, 1.500000e+00] : tensor<{{.*}}> -> tensor<1x2x8x6x!quant.uniform<u8:f32, 0.5:3>>
  %0 = quant.resize_nearest %x coordinates asymmetric rounding floor scales [2.0, 1.5] : tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<1x2x8x6x!quant.uniform<u8:f32, 0.5:3>>
  // CHECK-NEXT: quant.resize_nearest %x coordinates half_pixel_symmetric rounding round_prefer_ceil : tensor<{{.*}}> -> tensor<1x2x3x7x
  %1 = quant.resize_nearest %x coordinates half_pixel_symmetric rounding round_prefer_ceil : tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<1x2x3x7x!quant.uniform<u8:f32, 0.5:3>>
  // CHECK-NEXT: quant.resize_linear %x coordinates align_corners : tensor<{{.*}}> -> tensor<1x2x3x7xf32>
  %2 = quant.resize_linear %x coordinates align_corners : tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<1x2x3x7xf32>
  // CHECK-NEXT: quant.resize_linear %x coordinates pytorch_half_pixel scales [5.000000e-01, 5.000000e-01] : tensor<{{.*}}> -> tensor<1x2x2x2x!quant.uniform<i16:f32, 0.25>>
  %3 = quant.resize_linear %x coordinates pytorch_half_pixel scales [0.5, 0.5] : tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<1x2x2x2x!quant.uniform<i16:f32, 0.25>>
  func.return
}

// CHECK-LABEL: func.func @transposed
func.func @transposed(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>) {
  %w = quant.constant dense<[[[[1, 2]], [[-1, 0]]], [[[2, 1]], [[-2, 5]]]]> : tensor<2x2x1x2xi8> : tensor<2x2x1x2x!quant.uniform<i8:f32:0, {0.1, 0.2}>>
  %b = quant.constant dense<[1, 2]> : tensor<2xi32> : tensor<2x!quant.uniform<i32:f32:0, {0.05, 0.1}>>
  // CHECK: quant.conv_transpose %x, {{%\w+}}, {{%\w+}} strides [1, 2] pads [0, 1, 0, 0] dilations [1, 1] output_padding [0, 1] group 1 clamp [3, 200] : (tensor<{{.*}}>) -> tensor<1x2x4x8x!quant.uniform<u8:f32, 0.25:3>>
  %0 = quant.conv_transpose %x, %w, %b strides [1, 2] pads [0, 1, 0, 0] dilations [1, 1] output_padding [0, 1] group 1 clamp [3, 200] : (tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x2x1x2x!quant.uniform<i8:f32:0, {0.1, 0.2}>>, tensor<2x!quant.uniform<i32:f32:0, {0.05, 0.1}>>) -> tensor<1x2x4x8x!quant.uniform<u8:f32, 0.25:3>>
  // CHECK-NEXT: quant.conv_transpose %x, {{%\w+}} strides [2, 1] pads [0, 0, 0, 0] dilations [1, 3] output_padding [0, 0] group 1 : ({{.*}}) -> tensor<1x2x7x7xf32>
  %1 = quant.conv_transpose %x, %w strides [2, 1] pads [0, 0, 0, 0] dilations [1, 3] output_padding [0, 0] group 1 : (tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x2x1x2x!quant.uniform<i8:f32:0, {0.1, 0.2}>>) -> tensor<1x2x7x7xf32>
  func.return
}

// CHECK-LABEL: func.func @sampling
func.func @sampling(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, %grid: tensor<1x5x3x2xf32>) {
  // CHECK: quant.grid_sample %x, %grid mode linear padding zeros align_corners : (tensor<{{.*}}>, tensor<1x5x3x2xf32>) -> tensor<1x2x5x3x!quant.uniform<i8:f32, 0.25>>
  %0 = quant.grid_sample %x, %grid mode linear padding zeros align_corners : (tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<1x5x3x2xf32>) -> tensor<1x2x5x3x!quant.uniform<i8:f32, 0.25>>
  // CHECK-NEXT: quant.grid_sample %x, %grid mode nearest padding reflection : ({{.*}}) -> tensor<1x2x5x3xf32>
  %1 = quant.grid_sample %x, %grid mode nearest padding reflection : (tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<1x5x3x2xf32>) -> tensor<1x2x5x3xf32>
  func.return
}

// CHECK-LABEL: func.func @regions
func.func @regions(%x: tensor<2x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, %rois: tensor<3x4xf32>) {
  // CHECK: quant.roi_align avg %x, %rois samples 2 scale 2.500000e-01 half_pixel batch [0, 1, 1] : (tensor<{{.*}}>, tensor<3x4xf32>) -> tensor<3x2x7x5x!quant.uniform<i8:f32, 0.25>>
  %0 = quant.roi_align avg %x, %rois samples 2 scale 0.25 half_pixel batch [0, 1, 1] : (tensor<2x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<3x4xf32>) -> tensor<3x2x7x5x!quant.uniform<i8:f32, 0.25>>
  // CHECK-NEXT: quant.roi_align max %x, %rois samples 1 scale 1.000000e+00 : ({{.*}}) -> tensor<3x2x1x1xf32>
  %1 = quant.roi_align max %x, %rois samples 1 scale 1.0 : (tensor<2x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<3x4xf32>) -> tensor<3x2x1x1xf32>
  func.return
}
