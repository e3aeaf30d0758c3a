// RUN: ax-opt --split-input-file --verify-diagnostics %s

func.func @f(%x: tensor<4x!quant.uniform<u8:f32, 0.5:3>>) {
  // expected-error@+1 {{the operand is f32, got}}
  %0 = quant.qcast %x : tensor<4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<4x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%x: tensor<4xf32>) {
  // expected-error@+1 {{the result is quantized per tensor, got f32}}
  %0 = quant.qcast %x : tensor<4xf32> -> tensor<4xf32>
  func.return
}

// -----

func.func @f(%x: tensor<4xf32>) {
  // expected-error@+1 {{the operand is quantized per tensor, got f32}}
  %0 = quant.dcast %x : tensor<4xf32> -> tensor<4xf32>
  func.return
}

// -----

func.func @f(%x: tensor<4x!quant.uniform<u8:f32, 0.5:3>>) {
  // expected-error@+1 {{the result has shape [5], expected [4]}}
  %0 = quant.requantize %x : tensor<4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<5x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f() {
  // expected-error@+1 {{elements of !quant.uniform<u8:f32, 0.5:3> are stored as ui8}}
  %0 = quant.constant dense<1> : tensor<2xi8> : tensor<2x!quant.uniform<u8:f32, 0.5:3>>
  func.return
}

// -----

func.func @f() {
  // expected-error@+1 {{does not fit the type}}
  %0 = quant.constant dense<1> : tensor<3xui8> : tensor<2x!quant.uniform<u8:f32, 0.5:3>>
  func.return
}

// -----

func.func @f() {
  // expected-error@+1 {{2 scales along axis 0 do not fit shape [3]}}
  %0 = quant.constant dense<1> : tensor<3xi8> : tensor<3x!quant.uniform<i8:f32:0, {0.1, 0.2}>>
  func.return
}

// -----

func.func @f() {
  // expected-error@+1 {{a 4-bit element is outside [-8, 7]}}
  %0 = quant.constant dense<8> : tensor<2xi8> : tensor<2x!quant.uniform<i4:f32, 1.0>>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x!quant.uniform<u8:f32, 0.5:3>>, %w: tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>) {
  // expected-error@+1 {{x and w have 4 dimensions, got 3 and 4}}
  %0 = quant.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] group 1 : (tensor<1x2x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>) -> tensor<1x2x4x4x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, %w: tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>) {
  // expected-error@+1 {{strides has 2 numbers, got 1}}
  %0 = quant.conv %x, %w strides [1] pads [0, 0, 0, 0] dilations [1, 1] group 1 : (tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>) -> tensor<1x2x4x4x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, %w: tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>) {
  // expected-error@+1 {{pads has 4 numbers, got 2}}
  %0 = quant.conv %x, %w strides [1, 1] pads [0, 0] dilations [1, 1] group 1 : (tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>) -> tensor<1x2x4x4x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, %w: tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>) {
  // expected-error@+1 {{dilations has 2 numbers, got 3}}
  %0 = quant.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1, 1] group 1 : (tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>) -> tensor<1x2x4x4x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, %w: tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>) {
  // expected-error@+1 {{strides and dilations are 1 or more, pads 0 or more}}
  %0 = quant.conv %x, %w strides [0, 1] pads [0, 0, 0, 0] dilations [1, 1] group 1 : (tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>) -> tensor<1x2x4x4x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, %w: tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>) {
  // expected-error@+1 {{2 input and 2 output channels do not make 2 groups of 2 input channels}}
  %0 = quant.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] group 2 : (tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>) -> tensor<1x2x4x4x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4xf32>, %w: tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>) {
  // expected-error@+1 {{x is quantized per tensor, got f32}}
  %0 = quant.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] group 1 : (tensor<1x2x4x4xf32>, tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>) -> tensor<1x2x4x4x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, %w: tensor<2x2x1x1xf32>) {
  // expected-error@+1 {{weights are quantized to 4 or 8 bits, got f32}}
  %0 = quant.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] group 1 : (tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, %w: tensor<2x2x1x1x!quant.uniform<i8:f32:1, {0.1, 0.2}>>) {
  // expected-error@+1 {{w is quantized along axis 0, got axis 1}}
  %0 = quant.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] group 1 : (tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x2x1x1x!quant.uniform<i8:f32:1, {0.1, 0.2}>>) -> tensor<1x2x4x4x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, %w: tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2, 0.3}>>) {
  // expected-error@+1 {{w has 2 channels and 3 scales}}
  %0 = quant.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] group 1 : (tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2, 0.3}>>) -> tensor<1x2x4x4x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, %w: tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>, %b: tensor<3xf32>) {
  // expected-error@+1 {{the bias has shape [3], expected [2]}}
  %0 = quant.conv %x, %w, %b strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] group 1 : (tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>, tensor<3xf32>) -> tensor<1x2x4x4x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, %w: tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>, %b: tensor<2x!quant.uniform<u8:f32, 0.5:3>>) {
  // expected-error@+1 {{the bias is f32 or quantized to i32}}
  %0 = quant.conv %x, %w, %b strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] group 1 : (tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>, tensor<2x!quant.uniform<u8:f32, 0.5:3>>) -> tensor<1x2x4x4x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, %w: tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>, %b: tensor<2x!quant.uniform<i32:f32, 0.1:3>>) {
  // expected-error@+1 {{the bias has zero point 0}}
  %0 = quant.conv %x, %w, %b strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] group 1 : (tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>, tensor<2x!quant.uniform<i32:f32, 0.1:3>>) -> tensor<1x2x4x4x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, %w: tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>, %b: tensor<2x!quant.uniform<i32:f32:0, {0.1}>>) {
  // expected-error@+1 {{the bias has 2 channels and 1 scales}}
  %0 = quant.conv %x, %w, %b strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] group 1 : (tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>, tensor<2x!quant.uniform<i32:f32:0, {0.1}>>) -> tensor<1x2x4x4x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, %w: tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>) {
  // expected-error@+1 {{the result is f32 or quantized per tensor}}
  %0 = quant.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] group 1 : (tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>) -> tensor<1x2x4x4x!quant.uniform<i8:f32:1, {0.1, 0.2}>>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, %w: tensor<2x2x5x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>) {
  // expected-error@+1 {{the kernel is larger than the padded input}}
  %0 = quant.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] group 1 : (tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x2x5x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>) -> tensor<1x2x4x4x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, %w: tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>) {
  // expected-error@+1 {{the result has shape [1, 2, 4, 4], expected [1, 2, 2, 4]}}
  %0 = quant.conv %x, %w strides [2, 1] pads [0, 0, 0, 0] dilations [1, 1] group 1 : (tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>) -> tensor<1x2x4x4x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, %w: tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>) {
  // expected-error@+1 {{clamp bounds are integers of a quantized result, and this is f32}}
  %0 = quant.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] group 1 clamp [0, 1] : (tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>) -> tensor<1x2x4x4xf32>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, %w: tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>) {
  // expected-error@+1 {{clamp bounds [9, 3] are not ordered within [0, 255]}}
  %0 = quant.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] group 1 clamp [9, 3] : (tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>) -> tensor<1x2x4x4x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, %w: tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>) {
  // expected-error@+1 {{clamp bounds [-1, 3] are not ordered within [0, 255]}}
  %0 = quant.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] group 1 clamp [-1, 3] : (tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>) -> tensor<1x2x4x4x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, %w: tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>) {
  // expected-error@+1 {{clamp has a lower and an upper bound, got 1 numbers}}
  %0 = quant.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] group 1 clamp [3] : (tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>) -> tensor<1x2x4x4x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%a: tensor<3x!quant.uniform<u8:f32, 0.5:3>>, %b: tensor<3x2x!quant.uniform<u8:f32, 0.5:3>>) {
  // expected-error@+1 {{a and b have 2 dimensions or more, got 1 and 2}}
  %0 = quant.matmul %a, %b : (tensor<3x!quant.uniform<u8:f32, 0.5:3>>, tensor<3x2x!quant.uniform<u8:f32, 0.5:3>>) -> tensor<2x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%a: tensor<2x3x!quant.uniform<u8:f32, 0.5:3>>, %b: tensor<4x2x!quant.uniform<u8:f32, 0.5:3>>) {
  // expected-error@+1 {{a has 3 columns and b 4 rows}}
  %0 = quant.matmul %a, %b : (tensor<2x3x!quant.uniform<u8:f32, 0.5:3>>, tensor<4x2x!quant.uniform<u8:f32, 0.5:3>>) -> tensor<2x2x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%a: tensor<2x3x!quant.uniform<u8:f32, 0.5:3>>, %b: tensor<3x2xf32>) {
  // expected-error@+1 {{a and b are both quantized or both f32}}
  %0 = quant.matmul %a, %b : (tensor<2x3x!quant.uniform<u8:f32, 0.5:3>>, tensor<3x2xf32>) -> tensor<2x2x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%a: tensor<2x3x!quant.uniform<u8:f32, 0.5:3>>, %b: tensor<3x2x!quant.uniform<i8:f32:0, {0.1, 0.2, 0.3}>>) {
  // expected-error@+1 {{b is quantized along axis 1, got axis 0}}
  %0 = quant.matmul %a, %b : (tensor<2x3x!quant.uniform<u8:f32, 0.5:3>>, tensor<3x2x!quant.uniform<i8:f32:0, {0.1, 0.2, 0.3}>>) -> tensor<2x2x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%a: tensor<2x2x3x!quant.uniform<u8:f32, 0.5:3>>, %b: tensor<3x3x2x!quant.uniform<u8:f32, 0.5:3>>) {
  // expected-error@+1 {{shapes [2] and [3] do not broadcast}}
  %0 = quant.matmul %a, %b : (tensor<2x2x3x!quant.uniform<u8:f32, 0.5:3>>, tensor<3x3x2x!quant.uniform<u8:f32, 0.5:3>>) -> tensor<2x2x2x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%a: tensor<2x3x!quant.uniform<u8:f32, 0.5:3>>, %b: tensor<3x2x!quant.uniform<u8:f32, 0.5:3>>) {
  // expected-error@+1 {{the result has shape [2, 3], expected [2, 2]}}
  %0 = quant.matmul %a, %b : (tensor<2x3x!quant.uniform<u8:f32, 0.5:3>>, tensor<3x2x!quant.uniform<u8:f32, 0.5:3>>) -> tensor<2x3x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%a: tensor<4x!quant.uniform<u8:f32, 0.5:3>>, %b: tensor<3x!quant.uniform<u8:f32, 0.5:3>>) {
  // expected-error@+1 {{shapes [4] and [3] do not broadcast}}
  %0 = quant.add %a, %b : (tensor<4x!quant.uniform<u8:f32, 0.5:3>>, tensor<3x!quant.uniform<u8:f32, 0.5:3>>) -> tensor<4x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%a: tensor<4xi64>, %b: tensor<4x!quant.uniform<u8:f32, 0.5:3>>) {
  // expected-error@+1 {{a is f32 or quantized per tensor}}
  %0 = quant.mul %a, %b : (tensor<4xi64>, tensor<4x!quant.uniform<u8:f32, 0.5:3>>) -> tensor<4x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%x: tensor<4x!quant.uniform<u8:f32, 0.5:3>>) {
  // expected-error@+1 {{clip has alpha and beta, got 1 parameter(s)}}
  %0 = quant.unary clip %x alpha 0.5 : tensor<4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<4x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%x: tensor<4x!quant.uniform<u8:f32, 0.5:3>>) {
  // expected-error@+1 {{relu has no parameter, got 1 parameter(s)}}
  %0 = quant.unary relu %x beta 0.5 : tensor<4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<4x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%x: tensor<4x!quant.uniform<u8:f32, 0.5:3>>) {
  // expected-error@+1 {{the result has shape [5], expected [4]}}
  %0 = quant.unary relu %x : tensor<4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<5x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%x: tensor<3x2x!quant.uniform<u8:f32, 0.5:3>>) {
  // expected-error@+1 {{mean has 2 numbers, one per channel, got 1}}
  %0 = quant.normalize %x axis 1 mean [1.0] std [1.0, 2.0] : tensor<3x2x!quant.uniform<u8:f32, 0.5:3>> -> tensor<3x2x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%x: tensor<3x2x!quant.uniform<u8:f32, 0.5:3>>) {
  // expected-error@+1 {{std has 2 numbers, one per channel, got 3}}
  %0 = quant.normalize %x axis 1 mean [1.0, 2.0] std [1.0, 2.0, 3.0] : tensor<3x2x!quant.uniform<u8:f32, 0.5:3>> -> tensor<3x2x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%x: tensor<3x2x!quant.uniform<u8:f32, 0.5:3>>) {
  // expected-error@+1 {{a std of 0 divides by zero}}
  %0 = quant.normalize %x axis 1 mean [1.0, 2.0] std [1.0, 0.0] : tensor<3x2x!quant.uniform<u8:f32, 0.5:3>> -> tensor<3x2x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%x: tensor<3x2x!quant.uniform<u8:f32, 0.5:3>>) {
  // expected-error@+1 {{axis 2 is outside 0 to 1}}
  %0 = quant.normalize %x axis 2 mean [1.0, 2.0] std [1.0, 2.0] : tensor<3x2x!quant.uniform<u8:f32, 0.5:3>> -> tensor<3x2x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%x: tensor<2x4x4x!quant.uniform<u8:f32, 0.5:3>>) {
  // expected-error@+1 {{x has 4 dimensions, got 3}}
  %0 = quant.max_pool %x kernel [2, 2] strides [2, 2] pads [0, 0, 0, 0] dilations [1, 1] : tensor<2x4x4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<1x2x2x2x!quant.uniform<u8:f32, 0.5:3>>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>) {
  // expected-error@+1 {{kernel has 2 numbers, got 1}}
  %0 = quant.max_pool %x kernel [2] strides [2, 2] pads [0, 0, 0, 0] dilations [1, 1] : tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<1x2x2x2x!quant.uniform<u8:f32, 0.5:3>>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>) {
  // expected-error@+1 {{kernel, strides and dilations are 1 or more, pads 0 or more}}
  %0 = quant.max_pool %x kernel [2, 2] strides [2, 2] pads [0, 0, -1, 0] dilations [1, 1] : tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<1x2x2x2x!quant.uniform<u8:f32, 0.5:3>>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>) {
  // expected-error@+1 {{the window is larger than the padded input}}
  %0 = quant.max_pool %x kernel [5, 2] strides [2, 2] pads [0, 0, 0, 0] dilations [1, 1] : tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<1x2x2x2x!quant.uniform<u8:f32, 0.5:3>>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>) {
  // expected-error@+1 {{the result has shape [1, 2, 2, 2], expected [1, 2, 3, 3]}}
  %0 = quant.max_pool %x kernel [2, 2] strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] : tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<1x2x2x2x!quant.uniform<u8:f32, 0.5:3>>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>) {
  // expected-error@+1 {{x has elements of !quant.uniform<u8:f32, 0.5:3> and the result of !quant.uniform<u8:f32, 0.25:3>}}
  %0 = quant.max_pool %x kernel [2, 2] strides [2, 2] pads [0, 0, 0, 0] dilations [1, 1] : tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<1x2x2x2x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>) {
  // expected-error@+1 {{the result has shape [1, 2, 3, 2], expected [1, 2, 2, 2]}}
  %0 = quant.avg_pool %x kernel [2, 2] strides [2, 2] pads [0, 0, 0, 0] dilations [1, 1] : tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<1x2x3x2x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>) {
  // expected-error@+1 {{axes are sorted, distinct and at least one, got [3, 2]}}
  %0 = quant.reduce mean %x axes [3, 2] keepdims : tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<1x2x1x1x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>) {
  // expected-error@+1 {{axes are sorted, distinct and at least one, got []}}
  %0 = quant.reduce mean %x axes [] keepdims : tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<1x2x1x1x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>) {
  // expected-error@+1 {{axis 4 is outside 0 to 3}}
  %0 = quant.reduce mean %x axes [2, 4] keepdims : tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<1x2x1x1x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>) {
  // expected-error@+1 {{the result has shape [1, 2, 1, 1], expected [1, 2]}}
  %0 = quant.reduce mean %x axes [2, 3] : tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<1x2x1x1x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>) {
  // expected-error@+1 {{x has elements of !quant.uniform<u8:f32, 0.5:3> and the result of}}
  %0 = quant.reduce max %x axes [2, 3] keepdims : tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<1x2x1x1x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%x: tensor<4x!quant.uniform<u8:f32, 0.5:3>>) {
  // expected-error@+1 {{axis 1 is outside 0 to 0}}
  %0 = quant.softmax %x axis 1 : tensor<4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<4x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%x: tensor<2x3x!quant.uniform<u8:f32, 0.5:3>>) {
  // expected-error@+1 {{shapes [2, 3] and [5] differ in size}}
  %0 = quant.reshape %x : tensor<2x3x!quant.uniform<u8:f32, 0.5:3>> -> tensor<5x!quant.uniform<u8:f32, 0.5:3>>
  func.return
}

// -----

func.func @f(%x: tensor<2x3x!quant.uniform<u8:f32, 0.5:3>>) {
  // expected-error@+1 {{x has elements of !quant.uniform<u8:f32, 0.5:3> and the result of !quant.uniform<u8:f32, 0.25:3>}}
  %0 = quant.reshape %x : tensor<2x3x!quant.uniform<u8:f32, 0.5:3>> -> tensor<6x!quant.uniform<u8:f32, 0.25:3>>
  func.return
}

// -----

func.func @f(%x: tensor<2x3x!quant.uniform<u8:f32, 0.5:3>>) {
  // expected-error@+1 {{perm is a permutation of the 2 axes, got [0, 0]}}
  %0 = quant.transpose %x perm [0, 0] : tensor<2x3x!quant.uniform<u8:f32, 0.5:3>> -> tensor<2x3x!quant.uniform<u8:f32, 0.5:3>>
  func.return
}

// -----

func.func @f(%x: tensor<2x3x!quant.uniform<u8:f32, 0.5:3>>) {
  // expected-error@+1 {{the result has shape [2, 3], expected [3, 2]}}
  %0 = quant.transpose %x perm [1, 0] : tensor<2x3x!quant.uniform<u8:f32, 0.5:3>> -> tensor<2x3x!quant.uniform<u8:f32, 0.5:3>>
  func.return
}

// -----

func.func @f(%x: tensor<2x3x!quant.uniform<u8:f32, 0.5:3>>, %y: tensor<3x3x!quant.uniform<u8:f32, 0.5:3>>) {
  // expected-error@+1 {{operand 1 of shape [3, 3] differs off the axis}}
  %0 = quant.concat %x, %y axis 1 : (tensor<2x3x!quant.uniform<u8:f32, 0.5:3>>, tensor<3x3x!quant.uniform<u8:f32, 0.5:3>>) -> tensor<2x6x!quant.uniform<u8:f32, 0.5:3>>
  func.return
}

// -----

func.func @f(%x: tensor<2x3x!quant.uniform<u8:f32, 0.5:3>>, %y: tensor<2x3x!quant.uniform<u8:f32, 0.25:3>>) {
  // expected-error@+1 {{operand 1 has elements of !quant.uniform<u8:f32, 0.25:3>}}
  %0 = quant.concat %x, %y axis 1 : (tensor<2x3x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x3x!quant.uniform<u8:f32, 0.25:3>>) -> tensor<2x6x!quant.uniform<u8:f32, 0.5:3>>
  func.return
}

// -----

func.func @f(%x: tensor<2x3x!quant.uniform<u8:f32, 0.5:3>>) {
  // expected-error@+1 {{the result has shape [2, 5], expected [2, 6]}}
  %0 = quant.concat %x, %x axis 1 : (tensor<2x3x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x3x!quant.uniform<u8:f32, 0.5:3>>) -> tensor<2x5x!quant.uniform<u8:f32, 0.5:3>>
  func.return
}

// -----

func.func @f(%x: tensor<2x3x!quant.uniform<u8:f32, 0.5:3>>) {
  // expected-error@+1 {{pads has 4 numbers, got 2}}
  %0 = quant.pad %x pads [0, 1] value 3 : tensor<2x3x!quant.uniform<u8:f32, 0.5:3>> -> tensor<2x4x!quant.uniform<u8:f32, 0.5:3>>
  func.return
}

// -----

func.func @f(%x: tensor<2x3x!quant.uniform<u8:f32, 0.5:3>>) {
  // expected-error@+1 {{pads are 0 or more}}
  %0 = quant.pad %x pads [0, -1, 0, 0] value 3 : tensor<2x3x!quant.uniform<u8:f32, 0.5:3>> -> tensor<2x2x!quant.uniform<u8:f32, 0.5:3>>
  func.return
}

// -----

func.func @f(%x: tensor<2x3x!quant.uniform<u8:f32, 0.5:3>>) {
  // expected-error@+1 {{value 256 is outside [0, 255]}}
  %0 = quant.pad %x pads [0, 1, 0, 0] value 256 : tensor<2x3x!quant.uniform<u8:f32, 0.5:3>> -> tensor<2x4x!quant.uniform<u8:f32, 0.5:3>>
  func.return
}

// -----

func.func @f(%x: tensor<2x3xf32>) {
  // expected-error@+1 {{value 4294967296 is not the bits of an f32}}
  %0 = quant.pad %x pads [0, 1, 0, 0] value 4294967296 : tensor<2x3xf32> -> tensor<2x4xf32>
  func.return
}

// -----

func.func @f(%x: tensor<2x3x!quant.uniform<u8:f32, 0.5:3>>) {
  // expected-error@+1 {{sizes has 2 numbers, got 1}}
  %0 = quant.slice %x starts [0, 0] sizes [2] steps [1, 1] : tensor<2x3x!quant.uniform<u8:f32, 0.5:3>> -> tensor<2x3x!quant.uniform<u8:f32, 0.5:3>>
  func.return
}

// -----

func.func @f(%x: tensor<2x3x!quant.uniform<u8:f32, 0.5:3>>) {
  // expected-error@+1 {{3 element(s) from 1 by 1 leave axis 1 of size 3}}
  %0 = quant.slice %x starts [0, 1] sizes [2, 3] steps [1, 1] : tensor<2x3x!quant.uniform<u8:f32, 0.5:3>> -> tensor<2x3x!quant.uniform<u8:f32, 0.5:3>>
  func.return
}

// -----

func.func @f(%x: tensor<2x3x!quant.uniform<u8:f32, 0.5:3>>) {
  // expected-error@+1 {{2 element(s) from 0 by -1 leave axis 1 of size 3}}
  %0 = quant.slice %x starts [0, 0] sizes [2, 2] steps [1, -1] : tensor<2x3x!quant.uniform<u8:f32, 0.5:3>> -> tensor<2x2x!quant.uniform<u8:f32, 0.5:3>>
  func.return
}

// -----

func.func @f(%x: tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>>, %g: tensor<2xf32>, %s: tensor<3xf32>, %w: tensor<2x4x2x2xf32>) {
  // expected-error@+1 {{axes are sorted, distinct and at least one, got []}}
  %0 = quant.norm l1 %x axes [] : (tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>>) -> tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>>
  func.return
}

// -----

func.func @f(%x: tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>>, %g: tensor<2xf32>, %s: tensor<3xf32>, %w: tensor<2x4x2x2xf32>) {
  // expected-error@+1 {{axis 1 is among the axes and its size a multiple of groups, got axes [2], shape [1, 4, 2, 2] and 2 groups}}
  %0 = quant.norm l1 %x axes [2] groups 2 : (tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>>) -> tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>>
  func.return
}

// -----

func.func @f(%x: tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>>, %g: tensor<2xf32>, %s: tensor<3xf32>, %w: tensor<2x4x2x2xf32>) {
  // expected-error@+1 {{axis 1 is among the axes and its size a multiple of groups, got axes [1], shape [1, 4, 2, 2] and 3 groups}}
  %0 = quant.norm l1 %x axes [1] groups 3 : (tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>>) -> tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>>
  func.return
}

// -----

func.func @f(%x: tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>>, %g: tensor<2xf32>, %s: tensor<3xf32>, %w: tensor<2x4x2x2xf32>) {
  // expected-error@+1 {{a norm of kind layer has a positive epsilon}}
  %0 = quant.norm layer %x axes [1] : (tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>>) -> tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>>
  func.return
}

// -----

func.func @f(%x: tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>>, %g: tensor<2xf32>, %s: tensor<3xf32>, %w: tensor<2x4x2x2xf32>) {
  // expected-error@+1 {{a norm of kind rms has a positive epsilon}}
  %0 = quant.norm rms %x axes [1] epsilon 0.0 : (tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>>) -> tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>>
  func.return
}

// -----

func.func @f(%x: tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>>, %g: tensor<2xf32>, %s: tensor<3xf32>, %w: tensor<2x4x2x2xf32>) {
  // expected-error@+1 {{a norm of kind l2 has no epsilon}}
  %0 = quant.norm l2 %x axes [1] epsilon 0.5 : (tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>>) -> tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>>
  func.return
}

// -----

func.func @f(%x: tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>>, %g: tensor<2xf32>, %s: tensor<3xf32>, %w: tensor<2x4x2x2xf32>) {
  // expected-error@+1 {{the scale is f32, got elements of}}
  %0 = quant.norm l2 %x axes [1] scale %x : (tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>>, tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>>) -> tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>>
  func.return
}

// -----

func.func @f(%x: tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>>, %g: tensor<2xf32>, %s: tensor<3xf32>, %w: tensor<2x4x2x2xf32>) {
  // expected-error@+1 {{the bias has shape [2, 4, 2, 2], which does not broadcast}}
  %0 = quant.norm l2 %x axes [1] scale %g, %w : (tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>>, tensor<2xf32>, tensor<2x4x2x2xf32>) -> tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>>
  func.return
}

// -----

func.func @f(%x: tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>>, %g: tensor<2xf32>, %s: tensor<3xf32>, %w: tensor<2x4x2x2xf32>) {
  // expected-error@+1 {{there are a scale and a bias, got 3 operands}}
  %0 = quant.norm l2 %x axes [1] scale %g, %g, %g : (tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>>
  func.return
}

// -----

func.func @f(%x: tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>>, %g: tensor<2xf32>, %s: tensor<3xf32>, %w: tensor<2x4x2x2xf32>) {
  // expected-error@+1 {{axis 4 is outside 0 to 3}}
  %0 = quant.log_softmax %x axis 4 : tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>> -> tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>>
  func.return
}

// -----

func.func @f(%x: tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>>, %g: tensor<2xf32>, %s: tensor<3xf32>, %w: tensor<2x4x2x2xf32>) {
  // expected-error@+1 {{the result has shape [1, 4, 2], expected [1, 4, 2, 2]}}
  %0 = quant.cum_sum %x axis 1 : tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>> -> tensor<1x4x2xf32>
  func.return
}

// -----

func.func @f(%x: tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>>, %g: tensor<2xf32>, %s: tensor<3xf32>, %w: tensor<2x4x2x2xf32>) {
  // expected-error@+1 {{pow has alpha, got 0 parameter(s)}}
  %0 = quant.unary pow %x : tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>> -> tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>>
  func.return
}

// -----

func.func @f(%x: tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>>, %g: tensor<2xf32>, %s: tensor<3xf32>, %w: tensor<2x4x2x2xf32>) {
  // expected-error@+1 {{shapes [1, 4, 2, 2] and [3] do not broadcast}}
  %0 = quant.prelu %x, %s : (tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>>, tensor<3xf32>) -> tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>>
  func.return
}

// -----

func.func @main(%x: tensor<1x4xf32>) {
  // expected-error@+1 {{a fraction is of a scale, and has -126 to 126 bits}}
  %0 = quant.norm layer %x axes [1] epsilon 0.5 fraction 3 : (tensor<1x4xf32>) -> tensor<1x4xf32>
  func.return
}

// -----

func.func @main(%x: tensor<1x4xf32>, %s: tensor<4xf32>) {
  // expected-error@+1 {{the scale is i32 or ui32 with a fraction, got elements of f32}}
  %0 = quant.norm layer %x axes [1] epsilon 0.5 scale %s fraction 3 : (tensor<1x4xf32>, tensor<4xf32>) -> tensor<1x4xf32>
  func.return
}
