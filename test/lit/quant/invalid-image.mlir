// RUN: ax-opt --split-input-file --verify-diagnostics %s

func.func @f(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>) {
  // expected-error@+1 {{x has elements of !quant.uniform<u8:f32, 0.5:3> and the result of !quant.uniform<u8:f32, 0.25>}}
  %0 = quant.resize_nearest %x coordinates asymmetric rounding floor : tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<1x2x8x8x!quant.uniform<u8:f32, 0.25>>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4xf32>) {
  // expected-error@+1 {{the result has shape [1, 2, 8, 8], expected [1, 2, 8, 6]}}
  %0 = quant.resize_linear %x coordinates half_pixel scales [2.0, 1.5] : tensor<1x2x4x4xf32> -> tensor<1x2x8x8xf32>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4xf32>) {
  // expected-error@+1 {{the result has shape [1, 3, 8, 8], expected [1, 2, 8, 8]}}
  %0 = quant.resize_linear %x coordinates half_pixel : tensor<1x2x4x4xf32> -> tensor<1x3x8x8xf32>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4xf32>) {
  // expected-error@+1 {{scales are positive and finite, got [0.0, 1.0]}}
  %0 = quant.resize_linear %x coordinates half_pixel scales [0.0, 1.0] : tensor<1x2x4x4xf32> -> tensor<1x2x0x4xf32>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4xf32>) {
  // expected-error@+1 {{scales has 2 numbers, got 1}}
  %0 = quant.resize_linear %x coordinates half_pixel scales [2.0] : tensor<1x2x4x4xf32> -> tensor<1x2x8x8xf32>
  func.return
}

// -----

func.func @f(%x: tensor<2x4x4xf32>) {
  // expected-error@+1 {{x and the result have 4 dimensions, got 3 and 3}}
  %0 = quant.resize_linear %x coordinates half_pixel : tensor<2x4x4xf32> -> tensor<2x8x8xf32>
  func.return
}
