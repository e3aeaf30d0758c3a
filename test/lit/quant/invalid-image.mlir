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

// -----

func.func @f(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, %w: tensor<2x2x1x2x!quant.uniform<i8:f32, 0.1>>) {
  // expected-error@+1 {{the result has shape [1, 2, 4, 6], expected [1, 2, 4, 5]}}
  %0 = quant.conv_transpose %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] output_padding [0, 0] group 1 : (tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x2x1x2x!quant.uniform<i8:f32, 0.1>>) -> tensor<1x2x4x6xf32>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, %w: tensor<2x2x1x2x!quant.uniform<i8:f32, 0.1>>) {
  // expected-error@+1 {{the pads cut off the whole result}}
  %0 = quant.conv_transpose %x, %w strides [1, 1] pads [2, 0, 2, 0] dilations [1, 1] output_padding [0, 0] group 1 : (tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x2x1x2x!quant.uniform<i8:f32, 0.1>>) -> tensor<1x2x4x5xf32>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, %w: tensor<2x2x1x2x!quant.uniform<i8:f32, 0.1>>) {
  // expected-error@+1 {{output_padding is 0 or more}}
  %0 = quant.conv_transpose %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] output_padding [0, -1] group 1 : (tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x2x1x2x!quant.uniform<i8:f32, 0.1>>) -> tensor<1x2x4x5xf32>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, %w: tensor<2x2x1x2x!quant.uniform<i8:f32, 0.1>>) {
  // expected-error@+1 {{strides has 2 numbers, got 1}}
  %0 = quant.conv_transpose %x, %w strides [1] pads [0, 0, 0, 0] dilations [1, 1] output_padding [0, 0] group 1 : (tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x2x1x2x!quant.uniform<i8:f32, 0.1>>) -> tensor<1x2x4x5xf32>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, %w: tensor<2x2x1x2x!quant.uniform<i8:f32, 0.1>>) {
  // expected-error@+1 {{output_padding has 2 numbers, got 1}}
  %0 = quant.conv_transpose %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] output_padding [0] group 1 : (tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x2x1x2x!quant.uniform<i8:f32, 0.1>>) -> tensor<1x2x4x5xf32>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, %w: tensor<2x2x1x2x!quant.uniform<i8:f32, 0.1>>) {
  // expected-error@+1 {{2 input and 2 output channels do not make 2 groups of 2 input channels}}
  %0 = quant.conv_transpose %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] output_padding [0, 0] group 2 : (tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x2x1x2x!quant.uniform<i8:f32, 0.1>>) -> tensor<1x2x4x5xf32>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4xf32>, %w: tensor<2x2x1x2x!quant.uniform<i8:f32, 0.1>>) {
  // expected-error@+1 {{x is quantized per tensor, got f32}}
  %0 = quant.conv_transpose %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] output_padding [0, 0] group 1 : (tensor<1x2x4x4xf32>, tensor<2x2x1x2x!quant.uniform<i8:f32, 0.1>>) -> tensor<1x2x4x5xf32>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, %w: tensor<2x2x1x2xf32>) {
  // expected-error@+1 {{weights are quantized to 4 or 8 bits, got f32}}
  %0 = quant.conv_transpose %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] output_padding [0, 0] group 1 : (tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x2x1x2xf32>) -> tensor<1x2x4x5xf32>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x!quant.uniform<u8:f32, 0.5:3>>, %w: tensor<2x2x1x2x!quant.uniform<i8:f32, 0.1>>) {
  // expected-error@+1 {{x and w have 4 dimensions, got 3 and 4}}
  %0 = quant.conv_transpose %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] output_padding [0, 0] group 1 : (tensor<1x2x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x2x1x2x!quant.uniform<i8:f32, 0.1>>) -> tensor<1x2x4x5xf32>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, %w: tensor<2x2x1x2x!quant.uniform<i8:f32, 0.1>>) {
  // expected-error@+1 {{clamp bounds are integers of a quantized result, and this is f32}}
  %0 = quant.conv_transpose %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] output_padding [0, 0] group 1 clamp [0, 3] : (tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x2x1x2x!quant.uniform<i8:f32, 0.1>>) -> tensor<1x2x4x5xf32>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, %grid: tensor<1x5x3x2xf32>) {
  // expected-error@+1 {{the result has shape [1, 2, 3, 5], expected [1, 2, 5, 3]}}
  %0 = quant.grid_sample %x, %grid mode linear padding border : (tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<1x5x3x2xf32>) -> tensor<1x2x3x5xf32>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, %grid: tensor<1x5x3x3xf32>) {
  // expected-error@+1 {{the grid has shape [1, OH, OW, 2], got [1, 5, 3, 3]}}
  %0 = quant.grid_sample %x, %grid mode linear padding border : (tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<1x5x3x3xf32>) -> tensor<1x2x5x3xf32>
  func.return
}

// -----

func.func @f(%x: tensor<2x4x4xf32>, %grid: tensor<1x5x3x2xf32>) {
  // expected-error@+1 {{x and grid have 4 dimensions, got 3 and 4}}
  %0 = quant.grid_sample %x, %grid mode linear padding border : (tensor<2x4x4xf32>, tensor<1x5x3x2xf32>) -> tensor<1x2x5x3xf32>
  func.return
}

// -----

func.func @f(%x: tensor<2x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, %rois: tensor<3x4xf32>) {
  // expected-error@+1 {{the result has shape [3, 3, 1, 1], expected [3, 2, 1, 1]}}
  %0 = quant.roi_align max %x, %rois samples 1 scale 1.0 : (tensor<2x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<3x4xf32>) -> tensor<3x3x1x1xf32>
  func.return
}

// -----

func.func @f(%x: tensor<2x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, %rois: tensor<3x5xf32>) {
  // expected-error@+1 {{rois have shape [R, 4], got [3, 5]}}
  %0 = quant.roi_align max %x, %rois samples 1 scale 1.0 : (tensor<2x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<3x5xf32>) -> tensor<3x2x1x1xf32>
  func.return
}

// -----

func.func @f(%x: tensor<2x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, %rois: tensor<3x4xf32>) {
  // expected-error@+1 {{samples are 1 to 128, got 0}}
  %0 = quant.roi_align max %x, %rois samples 0 scale 1.0 : (tensor<2x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<3x4xf32>) -> tensor<3x2x1x1xf32>
  func.return
}

// -----

func.func @f(%x: tensor<2x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, %rois: tensor<3x4xf32>) {
  // expected-error@+1 {{batch has 3 numbers, got 2}}
  %0 = quant.roi_align max %x, %rois samples 1 scale 1.0 batch [0, 1] : (tensor<2x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<3x4xf32>) -> tensor<3x2x1x1xf32>
  func.return
}

// -----

func.func @f(%x: tensor<2x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, %rois: tensor<3x4xf32>) {
  // expected-error@+1 {{batch names images 0 to 1}}
  %0 = quant.roi_align max %x, %rois samples 1 scale 1.0 batch [0, 1, 2] : (tensor<2x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<3x4xf32>) -> tensor<3x2x1x1xf32>
  func.return
}

// -----

func.func @f(%x: tensor<2x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, %rois: tensor<3x4xf32>) {
  // expected-error@+1 {{x and the result have 4 dimensions, got 4 and 3}}
  %0 = quant.roi_align max %x, %rois samples 1 scale 1.0 : (tensor<2x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<3x4xf32>) -> tensor<3x2x1xf32>
  func.return
}
