// RUN: ax-opt --split-input-file --verify-diagnostics %s

// Operands too few
func.func @main(%x: tensor<1x2x4x4xf32>) {
  // expected-error@+1 {{expects 2 operands, got 1}}
  %y = onnx.Add(%x) : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  func.return
}

// -----

// Too many results
func.func @main(%x: tensor<1x2x4x4xf32>) {
  // expected-error@+1 {{expects 1 results, got 2}}
  %y, %z = onnx.Relu(%x) : (tensor<1x2x4x4xf32>) -> (tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>)
  func.return
}

// -----

// Unknown attribute
func.func @main(%x: tensor<1x2x4x4xf32>) {
  // expected-error@+1 {{has no attribute 'alfa' (did you mean 'alpha'?)}}
  %y = onnx.Elu(%x) {alfa = 1.0 : f32} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  func.return
}

// -----

// Attribute of another type
func.func @main(%x: tensor<1x2x4x4xf32>) {
  // expected-error@+1 {{attribute 'alpha' is of type FLOAT, got INT}}
  %y = onnx.Elu(%x) {alpha = 1 : i64} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  func.return
}

// -----

// Missing attribute
func.func @main(%x: tensor<1x2x4x4xf32>) {
  // expected-error@+1 {{needs the attribute 'axis'}}
  %y = onnx.Concat(%x, %x) : (tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>) -> tensor<1x4x4x4xf32>
  func.return
}

// -----

// Element type
func.func @main(%x: tensor<1x2x4x4xf32>) {
  %c = onnx.Constant {value = dense<1> : tensor<i64>} : tensor<i64>
  // expected-error@+1 {{operand 0 (X) cannot be a tensor(int64)}}
  %y = onnx.Sigmoid(%c) : (tensor<i64>) -> tensor<i64>
  func.return
}

// -----

// Types that must agree
func.func @main(%x: tensor<1x2x4x4xf32>) {
  // expected-error@+1 {{result 0 (C) is a tensor(double) where operand 0 (A) is a tensor(float): they must be of one type}}
  %y = onnx.Add(%x, %x) : (tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf64>
  func.return
}

// -----

// Required operand left out
func.func @main(%x: tensor<1x2x4x4xf32>) {
  %n = onnx.NoValue : none
  // expected-error@+1 {{operand 0 (A) is not optional}}
  %y = onnx.Add(%n, %x) : (none, tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  func.return
}

// -----

// Constant without a value
func.func @main(%x: tensor<1x2x4x4xf32>) {
  // expected-error@+1 {{needs the attribute 'value'}}
  %y = onnx.Constant {value_int = 1 : i64} : tensor<i64>
  func.return
}

// -----

// Constant of another type
func.func @main(%x: tensor<1x2x4x4xf32>) {
  // expected-error@+1 {{has a value of tensor<2xi64> but a result of tensor<3xi64>}}
  %y = onnx.Constant {value = dense<1> : tensor<2xi64>} : tensor<3xi64>
  func.return
}

// -----

// No value with a type
func.func @main(%x: tensor<1x2x4x4xf32>) {
  // expected-error@+1 {{onnx.NoValue has no operand and one result of type none}}
  %y = onnx.NoValue : tensor<f32>
  func.return
}

// -----

// Conv channels
func.func @main(%x: tensor<1x2x4x4xf32>) {
  %w = onnx.Constant {value = dense<1.0> : tensor<3x1x1x1xf32>} : tensor<3x1x1x1xf32>
  // expected-error@+1 {{onnx.Conv of 2 channels in 1 groups does not fit a weight of 3 x 1 channels}}
  %y = onnx.Conv(%x, %w) : (tensor<1x2x4x4xf32>, tensor<3x1x1x1xf32>) -> tensor<1x3x4x4xf32>
  func.return
}

// -----

// Conv kernel
func.func @main(%x: tensor<1x2x4x4xf32>) {
  %w = onnx.Constant {value = dense<1.0> : tensor<3x2x1x1xf32>} : tensor<3x2x1x1xf32>
  // expected-error@+1 {{onnx.Conv has kernel_shape [3, 3] but a weight of [1, 1]}}
  %y = onnx.Conv(%x, %w) {kernel_shape = array<i64: 3, 3>} : (tensor<1x2x4x4xf32>, tensor<3x2x1x1xf32>) -> tensor<1x3x4x4xf32>
  func.return
}

// -----

// Conv bias
func.func @main(%x: tensor<1x2x4x4xf32>) {
  %w = onnx.Constant {value = dense<1.0> : tensor<3x2x1x1xf32>} : tensor<3x2x1x1xf32>
  %b = onnx.Constant {value = dense<1.0> : tensor<2xf32>} : tensor<2xf32>
  // expected-error@+1 {{onnx.Conv of 3 output channels has a bias of shape [2]}}
  %y = onnx.Conv(%x, %w, %b) : (tensor<1x2x4x4xf32>, tensor<3x2x1x1xf32>, tensor<2xf32>) -> tensor<1x3x4x4xf32>
  func.return
}

// -----

// Conv rank
func.func @main(%x: tensor<1x2x4x4xf32>) {
  %w = onnx.Constant {value = dense<1.0> : tensor<3x2xf32>} : tensor<3x2xf32>
  // expected-error@+1 {{needs an input and a weight of one rank of 3 or more, got 4 and 2}}
  %y = onnx.Conv(%x, %w) : (tensor<1x2x4x4xf32>, tensor<3x2xf32>) -> tensor<1x3x4x4xf32>
  func.return
}

// -----

// Conv transpose weight
func.func @main(%x: tensor<1x2x4x4xf32>) {
  %w = onnx.Constant {value = dense<1.0> : tensor<3x3x1x1xf32>} : tensor<3x3x1x1xf32>
  // expected-error@+1 {{onnx.ConvTranspose of an input [1, 2, 4, 4] in 1 groups does not fit a weight [3, 3, 1, 1]}}
  %y = onnx.ConvTranspose(%x, %w) : (tensor<1x2x4x4xf32>, tensor<3x3x1x1xf32>) -> tensor<1x3x4x4xf32>
  func.return
}

// -----

// Window lengths
func.func @main(%x: tensor<1x2x4x4xf32>) {
  // expected-error@+1 {{onnx.MaxPool has 1 strides for 2 spatial axes, expected 2}}
  %y = onnx.MaxPool(%x) {kernel_shape = array<i64: 2, 2>, strides = array<i64: 2>} : (tensor<1x2x4x4xf32>) -> tensor<1x2x2x2xf32>
  func.return
}

// -----

// Window values
func.func @main(%x: tensor<1x2x4x4xf32>) {
  // expected-error@+1 {{onnx.MaxPool has strides [0, 1], each must be >= 1}}
  %y = onnx.MaxPool(%x) {kernel_shape = array<i64: 2, 2>, strides = array<i64: 0, 1>} : (tensor<1x2x4x4xf32>) -> tensor<1x2x2x2xf32>
  func.return
}

// -----

// Auto_pad
func.func @main(%x: tensor<1x2x4x4xf32>) {
  // expected-error@+1 {{has auto_pad 'SAME', expected one of NOTSET, SAME_UPPER}}
  %y = onnx.AveragePool(%x) {auto_pad = "SAME", kernel_shape = array<i64: 2, 2>} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  func.return
}

// -----

// Auto_pad and pads
func.func @main(%x: tensor<1x2x4x4xf32>) {
  // expected-error@+1 {{has both pads and auto_pad 'SAME_UPPER'}}
  %y = onnx.AveragePool(%x) {auto_pad = "SAME_UPPER", pads = array<i64: 1, 1, 1, 1>, kernel_shape = array<i64: 2, 2>} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  func.return
}

// -----

// Matmul
func.func @main(%x: tensor<1x2x4x4xf32>) {
  %w = onnx.Constant {value = dense<1.0> : tensor<3x4xf32>} : tensor<3x4xf32>
  // expected-error@+1 {{onnx.MatMul has inner dimensions 4 and 3 that differ}}
  %y = onnx.MatMul(%x, %w) : (tensor<1x2x4x4xf32>, tensor<3x4xf32>) -> tensor<1x2x4x4xf32>
  func.return
}

// -----

// Gemm rank
func.func @main(%x: tensor<1x2x4x4xf32>) {
  %w = onnx.Constant {value = dense<1.0> : tensor<4x4xf32>} : tensor<4x4xf32>
  // expected-error@+1 {{onnx.Gemm multiplies matrices, got [1, 2, 4, 4] and [4, 4]}}
  %y = onnx.Gemm(%x, %w) : (tensor<1x2x4x4xf32>, tensor<4x4xf32>) -> tensor<1x4xf32>
  func.return
}

// -----

// Gemm inner
func.func @main(%x: tensor<1x2x4x4xf32>) {
  %w = onnx.Constant {value = dense<1.0> : tensor<3x4xf32>} : tensor<3x4xf32>
  // expected-error@+1 {{onnx.Gemm has inner dimensions 4 and 3 that differ}}
  %y = onnx.Gemm(%w, %w) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  func.return
}

// -----

// Perm
func.func @main(%x: tensor<1x2x4x4xf32>) {
  // expected-error@+1 {{onnx.Transpose has perm [0, 1, 1, 2], no permutation of axes}}
  %y = onnx.Transpose(%x) {perm = array<i64: 0, 1, 1, 2>} : (tensor<1x2x4x4xf32>) -> tensor<1x2x2x4xf32>
  func.return
}

// -----

// Perm length
func.func @main(%x: tensor<1x2x4x4xf32>) {
  // expected-error@+1 {{onnx.Transpose has a perm of 2 axes for a tensor of 4}}
  %y = onnx.Transpose(%x) {perm = array<i64: 1, 0>} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  func.return
}

// -----

// Batchnorm parameters
func.func @main(%x: tensor<1x2x4x4xf32>) {
  %p = onnx.Constant {value = dense<1.0> : tensor<3xf32>} : tensor<3xf32>
  // expected-error@+1 {{onnx.BatchNormalization of 2 channels has a parameter of shape [3]}}
  %y = onnx.BatchNormalization(%x, %p, %p, %p, %p) : (tensor<1x2x4x4xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<1x2x4x4xf32>
  func.return
}

// -----

// Batchnorm results
func.func @main(%x: tensor<1x2x4x4xf32>) {
  %p = onnx.Constant {value = dense<1.0> : tensor<2xf32>} : tensor<2xf32>
  // expected-error@+1 {{onnx.BatchNormalization has more results in training_mode only}}
  %y, %m = onnx.BatchNormalization(%x, %p, %p, %p, %p) : (tensor<1x2x4x4xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> (tensor<1x2x4x4xf32>, tensor<2xf32>)
  func.return
}

// -----

// Normalize channels
func.func @main(%x: tensor<1x2x4x4xf32>) {
  // expected-error@+1 {{onnx.Normalize of 2 channels has 1 means and 2 standard deviations}}
  %y = onnx.Normalize(%x) {axis = 1 : i64, mean = [1.0 : f32], std = [1.0 : f32, 1.0 : f32]} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  func.return
}

// -----

// Normalize by zero
func.func @main(%x: tensor<1x2x4x4xf32>) {
  // expected-error@+1 {{onnx.Normalize divides by a standard deviation of 0}}
  %y = onnx.Normalize(%x) {axis = 1 : i64, mean = [1.0 : f32, 1.0 : f32], std = [0.0 : f32, 1.0 : f32]} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  func.return
}

// -----

// Normalize axis
func.func @main(%x: tensor<1x2x4x4xf32>) {
  // expected-error@+1 {{onnx.Normalize has axis 4 of 4 axes}}
  %y = onnx.Normalize(%x) {axis = 4 : i64, mean = [1.0 : f32], std = [1.0 : f32]} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  func.return
}

// -----

// Normalize attributes
func.func @main(%x: tensor<1x2x4x4xf32>) {
  // expected-error@+1 {{onnx.Normalize needs the attribute 'std' (FLOATS)}}
  %y = onnx.Normalize(%x) {axis = 1 : i64, mean = [1.0 : f32, 1.0 : f32]} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  func.return
}

// -----

// Custom without a domain
func.func @main(%x: tensor<1x2x4x4xf32>) {
  // expected-error@+1 {{onnx.Custom needs the attribute 'domain'}}
  %y = onnx.Custom(%x) {attrs = {}, function = "F", version = 1 : i64} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  func.return
}

// -----

// Custom of the default domain
func.func @main(%x: tensor<1x2x4x4xf32>) {
  // expected-error@+1 {{onnx.Custom is for domains other than ONNX's default one}}
  %y = onnx.Custom(%x) {attrs = {}, domain = "ai.onnx", function = "F", version = 1 : i64} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  func.return
}

// -----

// Custom attribute
func.func @main(%x: tensor<1x2x4x4xf32>) {
  // expected-error@+1 {{onnx.Custom: 'k' has no form in ONNX}}
  %y = onnx.Custom(%x) {attrs = {k = 1 : i8}, domain = "d", function = "F", version = 1 : i64} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  func.return
}

// -----

// Branches that yield unequally
func.func @main(%x: tensor<1x2x4x4xf32>) {
  %c = onnx.Constant {value = dense<true> : tensor<i1>} : tensor<i1>
  // expected-error@+1 {{onnx.If expects 1 values yielded by its else region, got 2}}
  %y = onnx.If(%c) ({
    onnx.Yield(%x) : (tensor<1x2x4x4xf32>) -> ()
  }, {
    onnx.Yield(%x, %x) : (tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>) -> ()
  }) : (tensor<i1>) -> tensor<1x2x4x4xf32>
  func.return
}

// -----

// Missing branch
func.func @main(%x: tensor<1x2x4x4xf32>) {
  %c = onnx.Constant {value = dense<true> : tensor<i1>} : tensor<i1>
  // expected-error@+1 {{expects 2 regions (then_branch, else_branch), got 1}}
  %y = onnx.If(%c) ({
    onnx.Yield(%x) : (tensor<1x2x4x4xf32>) -> ()
  }) : (tensor<i1>) -> tensor<1x2x4x4xf32>
  func.return
}

// -----

// Loop arguments
func.func @main(%x: tensor<1x2x4x4xf32>) {
  %n = onnx.NoValue : none
  // expected-error@+1 {{onnx.Loop expects 3 arguments of its region, got 2}}
  %y = onnx.Loop(%n, %n, %x) ({
  ^bb0(%i: tensor<i64>, %c: tensor<i1>):
    onnx.Yield(%c, %x) : (tensor<i1>, tensor<1x2x4x4xf32>) -> ()
  }) : (none, none, tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  func.return
}

// -----

// Loop without a condition
func.func @main(%x: tensor<1x2x4x4xf32>) {
  %n = onnx.NoValue : none
  // expected-error@+1 {{onnx.Loop yields its condition, a tensor of i1, first}}
  %y = onnx.Loop(%n, %n, %x) ({
  ^bb0(%i: tensor<i64>, %c: tensor<i1>, %v: tensor<1x2x4x4xf32>):
    onnx.Yield(%v, %v) : (tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>) -> ()
  }) : (none, none, tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  func.return
}

// -----

func.func @color_channels(%x: tensor<1x4x4x2xf32>) -> tensor<1x4x4x2xf32> {
  // expected-error@+1 {{onnx.ColorMatrix takes a tensor of f32 with 3 colours innermost}}
  %y = onnx.ColorMatrix(%x) {matrix = [1.0 : f32, 0.0 : f32, 0.0 : f32, 0.0 : f32, 1.0 : f32, 0.0 : f32, 0.0 : f32, 0.0 : f32, 1.0 : f32], bias = [0.0 : f32, 0.0 : f32, 0.0 : f32]} : (tensor<1x4x4x2xf32>) -> tensor<1x4x4x2xf32>
  func.return %y : tensor<1x4x4x2xf32>
}

// -----

func.func @color_numbers(%x: tensor<1x4x4x3xf32>) -> tensor<1x4x4x3xf32> {
  // expected-error@+1 {{the matrix of onnx.ColorMatrix has 9 numbers}}
  %y = onnx.ColorMatrix(%x) {matrix = [1.0 : f32], bias = [0.0 : f32, 0.0 : f32, 0.0 : f32]} : (tensor<1x4x4x3xf32>) -> tensor<1x4x4x3xf32>
  func.return %y : tensor<1x4x4x3xf32>
}

// -----

func.func @color_bias(%x: tensor<1x4x4x3xf32>) -> tensor<1x4x4x3xf32> {
  // expected-error@+1 {{onnx.ColorMatrix needs the attribute 'bias' (FLOATS)}}
  %y = onnx.ColorMatrix(%x) {matrix = [1.0 : f32, 0.0 : f32, 0.0 : f32, 0.0 : f32, 1.0 : f32, 0.0 : f32, 0.0 : f32, 0.0 : f32, 1.0 : f32]} : (tensor<1x4x4x3xf32>) -> tensor<1x4x4x3xf32>
  func.return %y : tensor<1x4x4x3xf32>
}
