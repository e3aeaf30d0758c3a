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
